"""The plugin's process: `python -m local_aws.plugins.docker`."""

from local_aws.plugins.docker.image import DockerProvider
from local_aws.plugins.framework.serve import serve
from local_aws.plugins.framework.servicer import ProviderServicer

if __name__ == "__main__":
    serve(ProviderServicer(DockerProvider(), "4.11.2"))
