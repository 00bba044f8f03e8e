"""Which container runtime is used."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from local_aws.emulator import DockerUnavailable
from local_aws.emulator.runtimes import selection


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


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:2375", "ssh://somewhere", "carrier pigeon"])
def test_an_engine_that_is_not_behind_a_socket_of_this_machine_cannot_be_used(address: str) -> None:
    assert "has to be on this machine" in (selection.docker_problem({"DOCKER_HOST": address}) or "")


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


class Engine(BaseHTTPRequestHandler):
    """An engine that answers what it was given, by the beginning of the path."""

    answers: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        found = next((answer for path, answer in self.answers.items() if self.path.startswith(path)), {})
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass

    def address_string(self) -> str:
        return "client"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """What an engine answers, and the environment that leads to it."""
    path = tmp_path / "docker.sock"
    Engine.answers = {"/info": {"OSType": "linux"}}
    server = socketserver.UnixStreamServer(str(path), Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Engine.answers, {"DOCKER_HOST": f"unix://{path}"}
    server.shutdown()
    server.server_close()


def test_auto_takes_docker_where_the_base_image_is_there(engine: Any) -> None:
    answers, environment = engine
    answers["/images/python%3A3/json"] = {"Id": "sha256:1"}
    choice = selection.choose("auto", environment, "python:3")
    assert (choice.runtime, choice.docker_socket) == ("docker", selection.docker_socket(environment))


def test_auto_takes_docker_where_the_base_image_can_be_pulled(engine: Any) -> None:
    answers, environment = engine
    answers["/distribution/python%3A3/json"] = {"Descriptor": {"digest": "sha256:1"}}
    assert selection.choose("auto", environment, "python:3").runtime == "docker"


def test_auto_takes_processes_where_it_can_neither_be_found_nor_pulled(engine: Any) -> None:
    answers, environment = engine
    answers["/distribution/python%3A3/json"] = {"message": "no route to the registry"}
    choice = selection.choose("auto", environment, "python:3")
    assert choice.runtime == "process"
    assert "base image python:3 is not there and cannot be pulled: no route to the registry" in choice.reason


def test_docker_with_a_base_image_that_cannot_be_had_is_refused(engine: Any) -> None:
    with pytest.raises(DockerUnavailable, match="python:3 is not there"):
        selection.choose("docker", engine[1], "python:3")
