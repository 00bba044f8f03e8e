"""A `docker` plugin that dies when it has pushed an image and before it tells the engine."""

import os

from local_aws.plugins.docker.image import DockerProvider, Image
from local_aws.plugins.framework.resource import Operation
from local_aws.plugins.framework.serve import serve
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.plugins.framework.values import Properties


class DyingImage(Image):
    """Built and pushed, and nobody hears of it."""

    def create(self, operation: Operation[DockerProvider], inputs: Properties) -> str:
        """Build, push and die."""
        super().create(operation, inputs)
        os._exit(1)


class DyingDocker(DockerProvider):
    """The `docker` package as it is in a broken update."""

    def resources(self) -> tuple[Image]:
        """The image."""
        return (DyingImage(),)


if __name__ == "__main__":
    serve(ProviderServicer(DyingDocker(), "4.11.2"))
