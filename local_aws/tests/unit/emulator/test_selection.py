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


@pytest.fixture
def docker_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the engine's socket would be."""
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    return path


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
def answers(docker_host: Path) -> Iterator[dict[str, Any]]:
    """What an engine answers."""
    Engine.answers = {"/info": {"OSType": "linux"}}
    with socketserver.UnixStreamServer(str(docker_host), Engine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Engine.answers
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "answer"),
    [("images/python%3A3/json", {"Id": "sha256:1"}), ("distribution/python%3A3/json", {"Descriptor": {"digest": "x"}})],
    ids=["is there", "can be pulled"],
)
def test_auto_takes_docker_where_the_base_image_is_there_or_can_be_pulled(
    answers: dict[str, Any], docker_host: Path, path: str, answer: dict[str, Any]
) -> None:
    answers[f"/{path}"] = answer
    choice = selection.choose("auto", "python:3")
    assert (choice.runtime, choice.docker_socket) == ("docker", str(docker_host))


def test_without_its_base_image_docker_is_refused_and_auto_is_process(answers: dict[str, Any]) -> None:
    answers["/distribution/python%3A3/json"] = {"message": "no route to the registry"}
    choice = selection.choose("auto", "python:3")
    assert choice.runtime == "process"
    assert "base image python:3 is not there and cannot be pulled: no route to the registry" in choice.reason
    with pytest.raises(DockerUnavailable, match="python:3 is not there"):
        selection.choose("docker", "python:3")
