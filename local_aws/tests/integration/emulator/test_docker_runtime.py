"""The docker runtime: limits, the registry's refusals, what is left, and an engine that is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.emulator import Emulator
from local_aws.emulator.runtimes import selection
from local_aws.emulator.runtimes.docker import LABEL, OUT_OF_MEMORY
from local_aws.emulator.runtimes.docker_janitor import call
from local_aws.plugins.docker.engine import Engine
from local_aws.plugins.docker.errors import BuildFailed, EngineUnavailable, RegistryError
from local_aws.testing import docker_engine, docker_images
from local_aws.testing.aws import Aws, Fargate, ask_until

pytestmark = [pytest.mark.integration, pytest.mark.docker]

WAITING = "import time; print('ready', flush=True); time.sleep(300)"


def until_ready(fargate: Any, arn: str) -> None:
    fargate.when(arn, "RUNNING")
    ask_until(lambda: "ready" in fargate.log(arn) or None)


def containers_of(emulator: Emulator, socket_path: str) -> list[dict[str, Any]]:
    found = call(socket_path, "GET", "/containers/json?all=true")
    return [each for each in found if each["Labels"].get(LABEL) == emulator.folder.name]


def inspected(fargate: Any, arn: str) -> dict[str, Any]:
    """What the engine says of a task's container."""
    socket_path = selection.docker_socket()
    (listed,) = [
        each
        for each in containers_of(fargate.aws.emulator, socket_path)
        if each["Labels"]["com.amazonaws.ecs.task-arn"] == arn
    ]
    return dict(call(socket_path, "GET", f"/containers/{listed['Id']}/json"))


def test_a_container_that_exceeds_its_memory_ends_with_137_and_the_reason(fargate: Any) -> None:
    """https://repost.aws/knowledge-center/ecs-resolve-outofmemory-errors."""
    if not call(selection.docker_socket(), "GET", "/info")["MemoryLimit"]:
        pytest.skip("this machine's kernel does not let Docker limit memory")
    script = "print('before', flush=True); taken = b'x' * (200 << 20); print('after', flush=True)"
    task = fargate.finish(fargate.define(script, memory=64, linuxParameters={"initProcessEnabled": True}))
    container = task["containers"][0]
    assert (container["exitCode"], container["reason"]) == (137, OUT_OF_MEMORY)
    assert (task["stopCode"], task["stoppedReason"]) == ("EssentialContainerExited", OUT_OF_MEMORY)
    assert fargate.log(task["taskArn"]) == ["before"]


def test_a_size_that_run_task_overrides_is_the_container_s(fargate: Any) -> None:
    definition = fargate.define(WAITING)
    arn = fargate.start(definition, overrides={"cpu": "512", "memory": "1024"})
    until_ready(fargate, arn)
    limits = inspected(fargate, arn)["HostConfig"]
    fargate.ecs.stop_task(cluster=fargate.cluster, task=arn)
    assert (limits["Memory"], limits["NanoCpus"]) == (1024 << 20, 500_000_000)


def test_the_limits_of_the_task_definition_are_the_containers(fargate: Any) -> None:
    definition = fargate.define(
        WAITING,
        memory=128,
        cpu=256,
        stopTimeout=2,
        user="10002:10002",
        readonlyRootFilesystem=True,
        linuxParameters={"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
    )
    arn = fargate.start(definition)
    until_ready(fargate, arn)
    found = inspected(fargate, arn)
    fargate.ecs.stop_task(cluster=fargate.cluster, task=arn)
    host = found["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (128 << 20, 128 << 20, 250_000_000)
    assert (host["ReadonlyRootfs"], host["Init"], host["CapDrop"]) == (True, True, ["ALL"])
    assert found["Config"]["User"] == "10002:10002"
    fargate.when(arn, "STOPPED")


def test_the_root_file_system_can_be_read_only(fargate: Any) -> None:
    script = "open('/app/written', 'w')"
    task = fargate.finish(fargate.define(script, readonlyRootFilesystem=True))
    assert task["containers"][0]["exitCode"] == 1
    assert "Read-only file system" in fargate.log(task["taskArn"])[-1]


def test_an_image_that_is_not_there_keeps_the_task_from_starting(fargate: Any) -> None:
    image = f"{docker_images.REGISTRY}/{fargate.repository}@sha256:{'0' * 64}"
    task = fargate.finish(fargate.define(image=image))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError")


def test_the_digest_of_the_task_is_the_one_that_was_pushed(fargate: Any) -> None:
    definition = fargate.define("")
    described = fargate.ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
    pushed = described["containerDefinitions"][0]["image"].partition("@")[2]
    assert fargate.finish(definition)["containers"][0]["imageDigest"] == pushed


def test_a_refused_push_says_what_to_do(aws: Any) -> None:
    """https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html."""
    name, config = aws.name("immutable"), {"Entrypoint": ["python"], "WorkingDir": "/app"}
    aws.client("ecr").create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    aws.push(name, "one", {"app/job.py": "print(1)"}, config)
    with pytest.raises(RegistryError, match=r"docker push was refused: .*push under another tag"):
        aws.push(name, "one", {"app/job.py": "print(2)"}, config)
    with pytest.raises(RegistryError, match=r"docker push was refused: .*create the repository first"):
        aws.push(aws.name("nowhere"), "one", {"app/job.py": ""}, config)


@pytest.mark.usefixtures("container_runtime")
def test_a_build_that_fails_shows_its_last_lines(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {docker_images.base_image()}\nRUN echo so far so good && exit 7\n")
    with pytest.raises(BuildFailed, match=r"(?s)Dockerfile: .*7.*so far so good"):
        docker_images.engine().build("local-aws/tests:broken", {}, str(tmp_path), str(dockerfile))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_of_an_emulator_that_ended(
    tmp_path: Path, container_runtime: str, number: signal.Signals
) -> None:
    socket_path = selection.docker_socket()
    with Emulator(tmp_path, container_runtime="docker") as emulator:
        fargate = Fargate(Aws(emulator))
        arn = fargate.start(fargate.define(WAITING))
        until_ready(fargate, arn)
        assert containers_of(emulator, socket_path)
        registry = f"localhost:{emulator.port}/"
        os.kill(emulator.pid, number)
        ask_until(lambda: not containers_of(emulator, socket_path) or None)

        def names() -> list[str]:
            images = call(socket_path, "GET", "/images/json")
            found = [name for image in images for name in image["RepoDigests"] or []]
            return [name for name in found if name.startswith(registry)]

        ask_until(lambda: not names() or None)


@pytest.fixture
def own_engine(container_runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An engine for this test alone."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("an engine of one's own takes root and dockerd")
    docker_images.engine()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    with docker_engine.engine() as socket_path:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket_path}")
        yield socket_path


def test_tasks_of_an_engine_that_goes_away_stop_as_those_of_a_lost_host(own_engine: str, tmp_path: Path) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html."""
    with Emulator(tmp_path, container_runtime="docker") as emulator:
        fargate = Fargate(Aws(emulator))
        definition = fargate.define(WAITING)
        arn = fargate.start(definition)
        until_ready(fargate, arn)
        name = call(own_engine, "GET", "/info")["Name"]
        (listed,) = containers_of(emulator, own_engine)
        process = call(own_engine, "GET", f"/containers/{listed['Id']}/json")["State"]["Pid"]
        os.kill(int(Path(own_engine).with_name("dockerd.pid").read_text()), signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        task = fargate.when(arn, "STOPPED")
        assert (task["stopCode"], task["stoppedReason"]) == (
            "TerminationNotice",
            f"Host EC2 (instance {name}) terminated.",
        )
        assert "exitCode" not in task["containers"][0]
        later = fargate.finish(definition)
        assert later["stopCode"] == "TaskFailedToStart"
        assert later["stoppedReason"].startswith("CannotPullContainerError")


def test_a_push_through_an_engine_that_is_gone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    with pytest.raises(EngineUnavailable, match="no engine answers"):
        Engine()
