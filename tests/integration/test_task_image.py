"""The task's image and its immutable repository under the real engine."""

import os
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation as auto

from ecs_kit.components.task_image import BuildContext, TaskImage, TaskImageArgs
from local_aws import plugins
from local_aws.testing import MakeStack
from local_aws.testing.aws import Aws
from local_aws.testing.stacks import changes

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]


class Sources:
    """A program with a task's image, built from sources that a test changes between two deployments."""

    def __init__(self, repository: str, folder: Path) -> None:
        self.repository = repository
        self.folder = folder
        self.version = "one"

    def __call__(self) -> None:
        context = self.folder / self.version
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(f"FROM scratch\nLABEL version={self.version}\n")
        image = TaskImage(
            "image",
            TaskImageArgs(
                repository=self.repository,
                context=BuildContext(context, context / "Dockerfile", self.version),
                base_image="scratch",
                platform="linux/amd64",
                tags={},
            ),
        )
        pulumi.export("reference", image.reference)


def interrupt(stack: auto.Stack, folder: Path) -> None:
    """Deploy with a `docker` plugin that dies when the image is pushed."""
    plugins.write_executable(folder / "pulumi-resource-docker", "local_aws.testing.dying_docker")
    environment = stack.workspace.env_vars
    stack.workspace.env_vars = {**environment, "PATH": f"{folder}{os.pathsep}{environment['PATH']}"}
    with pytest.raises(auto.CommandError):
        stack.up()
    stack.workspace.env_vars = environment


def pushed(aws: Aws, repository: str) -> dict[str, Any]:
    """Digest by tag."""
    images = aws.client("ecr").list_images(repositoryName=repository)["imageIds"]
    return {image["imageTag"]: image["imageDigest"] for image in images}


def test_an_image_whose_push_is_not_in_the_state_is_used_unchanged(
    make_stack: MakeStack, aws: Aws, tmp_path: Path
) -> None:
    stack = make_stack("broken-up", Sources("broken-up", tmp_path))
    interrupt(stack, tmp_path)
    ((tag, digest),) = pushed(aws, "broken-up").items()

    result = stack.up()

    assert result.outputs["reference"].value.endswith(f".amazonaws.com/broken-up@{digest}")
    assert pushed(aws, "broken-up") == {tag: digest}
    assert changes(stack.preview()) == {} and changes(stack.up()) == {}


def test_an_earlier_deployment_s_image_is_used_again(make_stack: MakeStack, aws: Aws, tmp_path: Path) -> None:
    sources = Sources("back-and-forth", tmp_path)
    stack = make_stack("back-and-forth", sources)
    first = stack.up().outputs["reference"].value
    assert changes(stack.up()) == {}
    sources.version = "two"
    second = stack.up().outputs["reference"].value
    assert changes(stack.up()) == {} and first != second

    sources.version = "one"
    assert stack.up().outputs["reference"].value == first
    assert changes(stack.preview()) == {} and changes(stack.up()) == {}
    assert len(pushed(aws, "back-and-forth")) == 2

    sources.version = "three"
    assert stack.up().outputs["reference"].value not in (first, second), "a new image is pushed"
    assert len(pushed(aws, "back-and-forth")) == 3
