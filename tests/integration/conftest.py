"""An emulator shared by the integration tests of a session, and the container runtimes that they run under."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from automation.local.emulator import Emulator
from tests.integration import docker_images


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked `both_runtimes` runs with its ECS tasks as processes, and with them in containers."""
    if metafunc.definition.get_closest_marker("both_runtimes"):
        runtimes = ["process", pytest.param("docker", marks=pytest.mark.docker)]
        metafunc.parametrize("container_runtime", runtimes, indirect=True, scope="session")
    elif metafunc.definition.get_closest_marker("docker") and "container_runtime" in metafunc.fixturenames:
        metafunc.parametrize("container_runtime", ["docker"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def container_runtime(request: pytest.FixtureRequest) -> str:
    """What runs ECS tasks."""
    wanted: str = getattr(request, "param", "process")
    if wanted == "docker" and (problem := docker_images.problem()):
        if "KIT_BASE_IMAGE" in os.environ:
            pytest.fail(f"real containers were promised, but {problem}")
        pytest.skip(f"real containers cannot run here ({problem}); `make docker-e2e` brings an engine")
    return wanted


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory, container_runtime: str) -> Iterator[Emulator]:
    """A running emulator with IAM enforced. Tests share it: they take names of their own."""
    work_dir: Path = tmp_path_factory.mktemp("emulator")
    with Emulator(work_dir, container_runtime=container_runtime) as running:
        yield running
