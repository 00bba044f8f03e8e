"""The plugin's process: `python -m local_aws.plugins.docker`."""

from local_aws.plugins.docker.image import Image
from local_aws.plugins.framework.provider import Provider
from local_aws.plugins.framework.serve import serve
from local_aws.plugins.framework.servicer import ProviderServicer

if __name__ == "__main__":
    serve(ProviderServicer(Provider("docker", [Image()]), "4.11.2"))
