"""The plugin's process: `python -m automation.local.plugins.docker`."""

from automation.local.plugins.docker.image import DockerProvider
from automation.local.plugins.framework.serve import serve
from automation.local.plugins.framework.servicer import ProviderServicer

if __name__ == "__main__":
    serve(ProviderServicer(DockerProvider(), "4.11.2"))
