"""A pytest plugin: an emulator for a session's tests, AWS in it, and stacks of Pulumi programs.

    pytest_plugins = ["local_aws.testing"]  # in the topmost conftest.py

    def test_my_program(make_stack, aws):
        outputs = make_stack("mine", my_program).up().outputs
        assert aws.client("s3").list_objects_v2(Bucket=outputs["bucket"].value)["KeyCount"] == 0

Fixtures: `emulator`, with IAM enforced; `aws`, its clients and roles; `fargate`, `functions` and `machines`, to run
tasks, functions and state machines; `make_stack`, a stack of a program that is a function; `pulumi_command` and
`pulumi_environment`, to make one yourself. Tests share the emulator and use unique names.

Markers: `docker` is a test that needs a Docker engine, `all_runtimes` one that runs with its ECS tasks as processes,
and again with them in containers. Without an engine, or without an image with Python (`LOCAL_AWS_BASE_IMAGE`, by
default `python:3.13-slim`), such a test is skipped; it fails if that variable is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pulumi import automation as auto

from local_aws import Emulator, add_language_host, engine_environment, ensure_pulumi, install_plugins
from local_aws.emulator.runtimes.selection import Chosen
from local_aws.environment import provider_configuration
from local_aws.testing import docker_images
from local_aws.testing.aws import Aws, Fargate, Functions, StateMachines

MakeStack = Callable[[str, auto.PulumiFn], auto.Stack]


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "docker: needs a Docker engine and an image with Python")
    config.addinivalue_line("markers", "all_runtimes: runs with its ECS tasks in every container runtime")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked `all_runtimes` runs once for each container runtime."""
    if metafunc.definition.get_closest_marker("all_runtimes"):
        runtimes = ["process", "simulated", pytest.param("docker", marks=pytest.mark.docker)]
        metafunc.parametrize("container_runtime", runtimes, indirect=True, scope="session")
    elif metafunc.definition.get_closest_marker("docker") and "container_runtime" in metafunc.fixturenames:
        metafunc.parametrize("container_runtime", ["docker"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def container_runtime(request: pytest.FixtureRequest) -> Chosen:
    """What runs ECS tasks."""
    wanted: Chosen = getattr(request, "param", "simulated")
    if wanted == "docker" and (problem := docker_images.problem()):
        if docker_images.VARIABLE in os.environ:
            pytest.fail(f"{docker_images.VARIABLE} is set, but containers cannot run: {problem}")
        pytest.skip(f"real containers cannot run here: {problem}")
    return wanted


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory, container_runtime: Chosen) -> Iterator[Emulator]:
    """A running emulator with IAM enforced. Tests share it and use unique names."""
    work_dir: Path = tmp_path_factory.mktemp("emulator")
    with Emulator(work_dir, container_runtime=container_runtime) as running:
        yield running


@pytest.fixture
def aws(emulator: Emulator) -> Aws:
    """The emulator's AWS."""
    return Aws(emulator)


@pytest.fixture
def fargate(aws: Aws) -> Fargate:
    """A cluster and task definitions."""
    return Fargate(aws)


@pytest.fixture
def functions(aws: Aws) -> Functions:
    """A Lambda function."""
    return Functions(aws)


@pytest.fixture
def machines(aws: Aws) -> StateMachines:
    """State machines."""
    return StateMachines(aws)


@pytest.fixture(scope="session")
def pulumi_command() -> auto.PulumiCommand:
    """The Pulumi CLI, for the Automation API."""
    return auto.PulumiCommand(str(ensure_pulumi(progress=print).root))


@pytest.fixture(scope="session")
def pulumi_environment(
    emulator: Emulator, pulumi_command: auto.PulumiCommand, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The environment of an engine that deploys to the emulator, with a backend of its own."""
    folder = tmp_path_factory.mktemp("engine")
    install_plugins(folder / "bin")
    add_language_host(Path(pulumi_command.command), folder / "bin")
    (folder / "state").mkdir()
    return {
        **engine_environment(emulator, folder),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(folder / "home"),
        # The state ends with the emulator, so it is written once, at the end of an update.
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "PULUMI_EXPERIMENTAL": "true",
        "PULUMI_SKIP_CHECKPOINTS": "true",
    }


@pytest.fixture(scope="session")
def make_stack(
    emulator: Emulator,
    pulumi_command: auto.PulumiCommand,
    pulumi_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> MakeStack:
    """Makes a stack of that name, of a program that is a function. Its resources end with the emulator."""

    def make(name: str, program: auto.PulumiFn) -> auto.Stack:
        folder = tmp_path_factory.mktemp(name)
        options = auto.LocalWorkspaceOptions(
            work_dir=str(folder), env_vars=pulumi_environment, pulumi_command=pulumi_command
        )
        stack = auto.create_stack(stack_name=name, project_name="tests", program=program, opts=options)
        stack.set_all_config({key: auto.ConfigValue(value) for key, value in provider_configuration(emulator).items()})
        return stack

    return make
