"""The image: what it is built from, its tag, its repository."""

import functools
import os
from dataclasses import replace
from pathlib import Path

import pytest
from pulumi_aws.ecr.outputs import GetImagesImageIdResult

from ecs_kit.components import build_folder
from ecs_kit.components.errors import ImageGone, SourcesMissing
from ecs_kit.components.task_image import (
    BuildContext,
    context_digest,
    image_reference,
    image_tag,
    is_pushed,
    pushed_digest,
    stage_context,
)
from tests.unit.components.recorder import PROJECT, configured, deployment

JOB = "ecs_kit/runtime/task/task.py"


def test_the_context_holds_the_sources_of_the_image_and_nothing_else(project):
    before = os.umask(0o077)
    try:
        context = stage_context(project)
    finally:
        os.umask(before)
    files = build_folder.read_folder(context.path)
    assert set(files) == {
        "ecs_kit/__init__.py",
        "ecs_kit/runtime/__init__.py",
        "ecs_kit/runtime/task/Dockerfile",
        *(f"ecs_kit/runtime/{folder}/{folder}.py" for folder in ("common", "contract", "task")),
    }
    assert {mode for mode, _ in files.values()} == {0o644}, "whatever the umask"
    assert not context.path.is_absolute(), "the state does not depend on the machine"
    assert context.dockerfile == context.path / "ecs_kit/runtime/task/Dockerfile" and context.dockerfile.is_file()


@pytest.mark.parametrize("path", [JOB, "ecs_kit/runtime/task/Dockerfile", "ecs_kit/runtime/contract/contract.py"])
def test_a_changed_or_renamed_source_of_the_image_is_another_digest_and_another_folder(project, path):
    contexts = [stage_context(project)]
    (project / path).write_text("changed")
    contexts.append(stage_context(project))
    (project / JOB).rename((project / JOB).with_name("work.py"))
    contexts.append(stage_context(project))
    assert len({context.digest for context in contexts}) == len({context.path for context in contexts}) == 3


def test_functions_and_times_modes_and_compiled_files_of_the_checkout_change_nothing(project):
    before = stage_context(project)
    (project / "ecs_kit/runtime/monitor/monitor.py").write_text("changed")
    (project / JOB).chmod(0o600)
    os.utime(project / JOB, (1, 1))
    (project / "ecs_kit/runtime/task/__pycache__").mkdir()
    (project / "ecs_kit/runtime/task/__pycache__/job.cpython-311.pyc").write_bytes(b"1")
    (project / "ecs_kit/runtime/task/.swp").write_bytes(b"1")
    assert stage_context(project) == before


def test_a_damaged_context_is_replaced(project):
    context = stage_context(project)
    (context.path / JOB).write_text("damaged")
    stage_context(project)
    assert (context.path / JOB).read_text() == (project / JOB).read_text()
    assert [folder.name for folder in context.path.parent.iterdir()] == [context.path.name]


def test_a_checkout_without_the_dockerfile_is_refused(project):
    (project / "ecs_kit/runtime/task/Dockerfile").unlink()
    with pytest.raises(SourcesMissing, match="Dockerfile"):
        stage_context(project)


def test_a_mode_is_part_of_the_digest():
    assert context_digest({"a": (0o644, b"1")}) != context_digest({"a": (0o755, b"1")})


def test_the_tag_depends_on_every_input_of_the_build():
    context = BuildContext(Path("c"), Path("c/task/Dockerfile"), "0" * 64)
    inputs = {"context": context, "build_args": {"BASE_IMAGE": "a"}, "platform": "linux/amd64"}
    changes = [
        *({}, {"build_args": {"BASE_IMAGE": "b"}}, {"platform": "linux/arm64"}),
        *({"context": replace(context, dockerfile=Path("c/Dockerfile"))}, {"context": replace(context, digest="1")}),
    ]
    assert len({image_tag(**(inputs | change)) for change in changes}) == len(changes)
    assert image_tag(**inputs) == "afb3b5c23d8fdf4781ccd08b0bd229e2", (
        "a kit with the same sources must not build another image"
    )


def test_images_expire_only_after_more_pushes_than_an_active_run_outlives():
    (rule,) = deployment(patterns="1").the("LifecyclePolicy").document("policy")["rules"]
    assert rule["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 100}


def test_the_image_is_built_for_the_configured_processor_on_the_configured_base():
    build = configured(1).the("Image").inputs["build"]
    assert (build["platform"], build["args"]) == ("linux/arm64", {"BASE_IMAGE": "python:3.13"})


def test_the_image_is_tagged_by_its_inputs_and_replaced_with_them_alone():
    image, context = deployment(patterns="1").the("Image"), stage_context(PROJECT)
    tag = image_tag(context, build_args=image.inputs["build"]["args"], platform="linux/amd64")
    assert image.inputs["imageName"].endswith(f".amazonaws.com/amazon-ecs-starter-kit-pattern-1:{tag}")
    assert image.inputs["build"]["context"] == context.path.as_posix()
    assert image.inputs["skipPush"] is False
    assert (image.ignored, image.replacing) == (("skipPush",), ("imageName",))
    registry = image.inputs["registry"]
    assert "password" not in registry or registry["password"] != "a-token", "it is a secret"


def test_the_repositorys_image_with_the_tag_is_used():
    images = [
        GetImagesImageIdResult(image_digest="sha256:2", image_tag=None),
        GetImagesImageIdResult(image_digest="sha256:1", image_tag="one"),
    ]
    assert (pushed_digest("one", images), pushed_digest("two", images)) == ("sha256:1", "")
    assert [is_pushed(digest) for digest in ("sha256:1", "", object())] == [True, False, False]


def test_an_image_that_nothing_would_push_again_is_an_error_with_advice():
    of_one = functools.partial(image_reference, "repository", "one")
    assert of_one("repository@sha256:1", is_preview=False) == "repository@sha256:1"
    for built, is_preview in (("sha256:1", False), ("repository@sha256:1", True)):
        with pytest.raises(ImageGone, match=r"repository:one is no longer in its repository.*`pulumi up --replace"):
            of_one(built, is_preview=is_preview)
