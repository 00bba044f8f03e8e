"""A `docker` plugin that dies when it has pushed an image and before it answers the engine."""

import os

from local_aws.plugins.docker.image import Image
from local_aws.plugins.framework.provider import Provider
from local_aws.plugins.framework.resource import Operation
from local_aws.plugins.framework.serve import serve
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.plugins.framework.values import Properties


class DyingImage(Image):
    """An image whose creation never answers."""

    def create(self, operation: Operation[Provider], inputs: Properties) -> str:
        """Build, push and die."""
        super().create(operation, inputs)
        os._exit(1)


if __name__ == "__main__":
    serve(ProviderServicer(Provider("docker", [DyingImage()]), "4.11.2"))
