"""Which container runtime is used."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from local_aws.emulator import DockerUnavailable
from local_aws.emulator.runtimes import selection


def test_without_a_daemon_docker_is_refused_and_auto_is_process_with_the_reason(docker_host: Path) -> None:
    assert selection.choose("process").runtime == "process"
    with pytest.raises(DockerUnavailable, match="there is no /"):
        selection.choose("docker")
    choice = selection.choose("auto")
    assert choice.runtime == "process"
    assert f"there is no {docker_host}" in choice.reason


def test_a_daemon_that_listens_is_found_and_a_socket_that_nobody_listens_on_is_none(docker_host: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(docker_host))
        assert "refused" in (selection.docker_problem() or "")
        bound.listen()
        assert selection.docker_problem() is None


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:2375", "ssh://somewhere", "carrier pigeon"])
def test_an_engine_that_is_not_behind_a_socket_of_this_machine_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    assert "has to be on this machine" in (selection.docker_problem() or "")


@pytest.mark.parametrize(
    ("info", "problem"),
    [
        ({"OSType": "linux", "OperatingSystem": "Debian GNU/Linux 12"}, None),
        ({"OSType": "windows"}, "not linux"),
        ({"OSType": "linux", "OperatingSystem": "Docker Desktop"}, "virtual machine"),
        ({"OSType": "linux", "SecurityOptions": ["name=seccomp", "name=rootless"]}, "rootless"),
    ],
    ids=["linux", "windows", "desktop", "rootless"],
)
def test_an_engine_has_to_share_this_machines_loopback(info: dict[str, Any], problem: str | None) -> None:
    found = selection.engine_problem(info)
    assert found is None if problem is None else problem in (found or "")


@pytest.mark.parametrize(
    ("path", "answer"),
    [("images/python:3/json", {"Id": "sha256:1"}), ("distribution/python:3/json", {"Descriptor": {"digest": "x"}})],
    ids=["is there", "can be pulled"],
)
def test_auto_takes_docker_where_the_base_image_is_there_or_can_be_pulled(
    fake_engine: Any, docker_host: Path, path: str, answer: dict[str, Any]
) -> None:
    fake_engine.answers = {"GET /info": (200, {"OSType": "linux"}), f"GET /{path}": (200, answer)}
    choice = selection.choose("auto", "python:3")
    assert (choice.runtime, choice.docker_socket) == ("docker", str(docker_host))


def test_without_its_base_image_docker_is_refused_and_auto_is_process(fake_engine: Any) -> None:
    missing = {"message": "no route to the registry"}
    fake_engine.answers = {
        "GET /info": (200, {"OSType": "linux"}),
        "GET /distribution/python:3/json": (200, missing),
    }
    choice = selection.choose("auto", "python:3")
    assert choice.runtime == "process"
    assert "base image python:3 is not there and cannot be pulled: no route to the registry" in choice.reason
    with pytest.raises(DockerUnavailable, match="python:3 is not there"):
        selection.choose("docker", "python:3")
