"""The examples, each through its own files alone, in both patterns and on the container runtimes where it can run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from local_aws.testing import docker_images
from tests.e2e.conftest import ROOT, finish, start

pytestmark = [pytest.mark.acceptance, pytest.mark.e2e]

EXAMPLES = ROOT / "examples"
DOCKER = pytest.mark.docker


def built(name: str, folder: Path, *lines: str) -> str:
    """An image on the base of the tests', made of a build context."""
    dockerfile = "\n".join([f"FROM {docker_images.base_image()}", *lines])
    command = ["docker", "build", "--quiet", "--tag", name, "--file", "-", str(folder)]
    subprocess.run(command, input=dockerfile, text=True, check=True, stdout=subprocess.PIPE)
    return name


def with_base(_: Path) -> str:
    """The tests' base image, where containers are real."""
    return f"baseImage={os.environ['KIT_BASE_IMAGE']}" if "KIT_BASE_IMAGE" in os.environ else "maxConcurrency=0"


def with_go(_: Path) -> str:
    """An image with this machine's Go in place of the public one, which may be out of reach."""
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    go = built("example.test/golang:1", Path(root), "COPY . /usr/local/go", "ENV PATH=/usr/local/go/bin:/usr/bin:/bin")
    return f"baseImage={go}"


def with_aws_cli(folder: Path) -> str:
    """An image with the AWS CLI from the package index in place of AWS's own."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder / "wheels"), "awscli"]
    subprocess.run([*pip, "--only-binary", ":all:"], check=True)
    install = "python3 -m pip install --no-index --find-links /wheels --break-system-packages awscli"
    cli = built("example.test/aws-cli:1", folder, "COPY wheels /wheels", f"RUN {install}", 'ENTRYPOINT ["aws"]')
    return f"jobMirror={cli}"


@pytest.mark.parametrize(
    ("example", "config", "options", "tasks", "runtime"),
    [
        ("word-count", with_base, ("--sources", "{}", "--expect", "{}/expect.py"), 4, "process"),
        pytest.param(
            *("word-count", with_base, ("--sources", "{}", "--expect", "{}/expect.py"), 4, "docker"), marks=DOCKER
        ),
        ("shell-script", with_base, (), 3, "process"),
        pytest.param("shell-script", with_base, (), 3, "docker", marks=DOCKER),
        pytest.param("go", with_go, (), 3, "docker", marks=DOCKER),
        pytest.param("stock-image", with_aws_cli, ("--expect", "copy"), 3, "docker", marks=DOCKER),
    ],
)
def test_an_example_runs_in_both_patterns_through_its_own_files_alone(
    tmp_path: Path, example: str, config: Callable[[Path], str], options: Sequence[str], tasks: int, runtime: str
) -> None:
    if runtime == "docker" and (problem := docker_images.problem()):
        pytest.skip(f"real containers cannot run here ({problem}); `make docker-e2e` brings an engine")
    folder = EXAMPLES / example
    driver = start(
        tmp_path,
        *("--stack-config", str(folder / f"Pulumi.{example}.yaml"), "--specs", str(folder / "spec.json")),
        *("--pattern", "all", "--container-runtime", runtime, "--json", "report.json"),
        *(option.format(folder) for option in options),
        *(("--config", config(tmp_path)) if runtime == "docker" else ()),
    )
    shown = finish(driver)[1]

    assert driver.returncode == 0, shown
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    copies = tasks if "--expect" in options else None
    results = [(each["passed"], each["copies"], each["summary"]["completed_tasks"]) for each in report["patterns"]]
    assert results == [(True, copies, tasks)] * 2
