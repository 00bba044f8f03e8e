"""Which container runtime is used."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from automation.local.emulator import DockerUnavailable
from automation.local.emulator.runtimes import selection


def test_process_is_what_was_asked_for() -> None:
    assert selection.choose("process").runtime == "process"


def test_docker_without_a_daemon_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DockerUnavailable, match="there is no /"):
        selection.choose("docker", {"DOCKER_HOST": f"unix://{tmp_path}/none"})


def test_auto_without_a_daemon_is_process_with_the_reason(tmp_path: Path) -> None:
    choice = selection.choose("auto", {"DOCKER_HOST": f"unix://{tmp_path}/none"})
    assert choice.runtime == "process"
    assert f"there is no {tmp_path}/none" in choice.reason


def test_a_socket_that_nobody_listens_on_is_no_daemon(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
    assert "refused" in (selection.docker_problem({"DOCKER_HOST": f"unix://{path}"}) or "")


def test_a_daemon_that_listens_is_found(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        assert selection.docker_problem({"DOCKER_HOST": f"unix://{path}"}) is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert selection.docker_problem({"DOCKER_HOST": f"tcp://127.0.0.1:{server.getsockname()[1]}"}) is None


def test_an_address_that_is_none_is_named() -> None:
    assert "neither unix:// nor tcp://" in (selection.docker_problem({"DOCKER_HOST": "carrier pigeon"}) or "")
