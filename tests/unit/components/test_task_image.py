"""The image: what it is built from, its tag, its repository."""

from __future__ import annotations

import os
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
from tests.unit.components.recorder import PROJECT, deployment

SOURCES = {
    "__init__.py": "",
    "runtime/__init__.py": "",
    "runtime/task/Dockerfile": "FROM base\n",
    "runtime/task/job.py": "print(1)\n",
    "runtime/contract/records.py": "x = 1\n",
    "runtime/common/tables.py": "w = 1\n",
    "runtime/launcher/handler.py": "y = 1\n",
    "runtime/monitor/handler.py": "z = 1\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path, content in SOURCES.items():
        file = tmp_path / "ecs_kit" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path


def test_the_context_holds_what_the_image_is_made_of_and_nothing_else(project):
    context = stage_context(project)
    assert set(build_folder.read_folder(project / context.path)) == {
        "ecs_kit/__init__.py",
        "ecs_kit/runtime/__init__.py",
        "ecs_kit/runtime/task/Dockerfile",
        "ecs_kit/runtime/task/job.py",
        "ecs_kit/runtime/common/tables.py",
        "ecs_kit/runtime/contract/records.py",
    }


def test_paths_are_relative_so_that_the_state_does_not_depend_on_the_machine(project):
    context = stage_context(project)
    assert not context.path.is_absolute()
    assert context.dockerfile == context.path / "ecs_kit/runtime/task/Dockerfile"
    assert (project / context.dockerfile).is_file()


@pytest.mark.parametrize("path", ["runtime/task/job.py", "runtime/task/Dockerfile", "runtime/contract/records.py"])
def test_a_changed_source_of_the_image_is_another_digest_and_another_folder(project, path):
    before = stage_context(project)
    (project / "ecs_kit" / path).write_text("changed")
    after = stage_context(project)
    assert before.digest != after.digest and before.path != after.path


def test_a_renamed_source_is_another_digest(project):
    before = stage_context(project)
    (project / "ecs_kit/runtime/task/job.py").rename(project / "ecs_kit/runtime/task/work.py")
    assert stage_context(project).digest != before.digest


def test_a_changed_function_is_no_new_image(project):
    before = stage_context(project)
    (project / "ecs_kit/runtime/monitor/handler.py").write_text("changed")
    assert stage_context(project) == before


def test_times_modes_and_compiled_files_of_the_checkout_change_nothing(project):
    before = stage_context(project)
    job = project / "ecs_kit/runtime/task/job.py"
    job.chmod(0o600)
    os.utime(job, (1, 1))
    (project / "ecs_kit/runtime/task/__pycache__").mkdir()
    (project / "ecs_kit/runtime/task/__pycache__/job.cpython-311.pyc").write_bytes(b"1")
    (project / "ecs_kit/runtime/task/.swp").write_bytes(b"1")
    assert stage_context(project) == before


def test_files_in_the_context_have_the_same_modes_on_every_machine(project):
    before = os.umask(0o077)
    try:
        context = stage_context(project)
    finally:
        os.umask(before)
    assert {mode for mode, _ in build_folder.read_folder(project / context.path).values()} == {0o644}


def test_a_damaged_context_is_made_anew(project):
    context = stage_context(project)
    (project / context.path / "ecs_kit/runtime/task/job.py").write_text("damaged")
    stage_context(project)
    assert (project / context.path / "ecs_kit/runtime/task/job.py").read_text() == SOURCES["runtime/task/job.py"]
    assert [folder.name for folder in (project / context.path.parent).iterdir()] == [context.path.name]


def test_a_checkout_without_the_dockerfile_is_refused(project):
    (project / "ecs_kit/runtime/task/Dockerfile").unlink()
    with pytest.raises(SourcesMissing, match="Dockerfile"):
        stage_context(project)


def test_a_mode_is_part_of_the_digest():
    assert context_digest({"a": (0o644, b"1")}) != context_digest({"a": (0o755, b"1")})


CONTEXT = BuildContext(Path("c"), Path("c/task/Dockerfile"), "0" * 64)
INPUTS = {"build_args": {"BASE_IMAGE": "a"}, "platform": "linux/amd64", "target": "", "dockerfile": "task/Dockerfile"}


@pytest.mark.parametrize(
    "change",
    [
        {"build_args": {"BASE_IMAGE": "b"}},
        {"platform": "linux/arm64"},
        {"target": "debug"},
        {"dockerfile": "Dockerfile"},
    ],
)
def test_the_tag_stands_for_everything_that_the_build_depends_on(change):
    assert image_tag(CONTEXT, **INPUTS) == image_tag(CONTEXT, **INPUTS)
    assert image_tag(CONTEXT, **(INPUTS | change)) != image_tag(CONTEXT, **INPUTS)
    assert image_tag(BuildContext(Path("c"), Path("d"), "1" * 64), **INPUTS) != image_tag(CONTEXT, **INPUTS)


def test_the_repository_is_immutable_scans_and_empties_itself():
    inputs = deployment(patterns="1").the("Repository").inputs
    assert inputs["imageTagMutability"] == "IMMUTABLE"
    assert inputs["imageScanningConfiguration"] == {"scanOnPush": True}
    assert inputs["forceDelete"] is True


def test_images_expire_only_after_more_pushes_than_an_active_run_outlives():
    (rule,) = deployment(patterns="1").the("LifecyclePolicy").document("policy")["rules"]
    assert rule["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 100}


def test_the_image_is_built_for_the_configured_processor_on_the_configured_base():
    build = deployment(patterns="1", cpuArchitecture="ARM64", baseImage="python:3.13").the("Image").inputs["build"]
    assert build["platform"] == "linux/arm64"
    assert build["args"] == {"BASE_IMAGE": "python:3.13"}


def test_the_image_is_tagged_by_what_it_is_built_from():
    image = deployment(patterns="1").the("Image").inputs
    context = stage_context(PROJECT)
    tag = image_tag(context, build_args=image["build"]["args"], platform="linux/amd64")
    assert image["imageName"].endswith(f".amazonaws.com/amazon-ecs-starter-kit-pattern-1:{tag}")
    assert image["build"]["context"] == context.path.as_posix()


def test_the_image_under_a_tag_is_the_one_that_the_repository_has():
    images = [
        GetImagesImageIdResult(image_digest="sha256:2", image_tag=None),
        GetImagesImageIdResult(image_digest="sha256:1", image_tag="one"),
    ]
    assert pushed_digest("one", images) == "sha256:1"
    assert pushed_digest("two", images) == ""
    assert [is_pushed(digest) for digest in ("sha256:1", "", object())] == [True, False, False]


def test_an_image_that_nothing_would_push_again_says_what_to_do():
    assert image_reference("repository", "one", "repository@sha256:1") == "repository@sha256:1"
    with pytest.raises(ImageGone, match=r"repository:one is no longer in its repository.*`pulumi state delete"):
        image_reference("repository", "one", "sha256:1")


def test_whether_an_image_was_pushed_matters_only_when_it_is_made_and_another_one_is_made_anew():
    image = deployment(patterns="1").the("Image")
    assert image.inputs["skipPush"] is False
    assert (image.ignored, image.replacing) == (("skipPush",), ("imageName",))


def test_the_registrys_password_is_a_secret():
    registry = deployment(patterns="1").the("Image").inputs["registry"]
    assert "password" not in registry or registry["password"] != "a-token"
