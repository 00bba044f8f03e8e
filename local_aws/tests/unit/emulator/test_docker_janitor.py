"""What the docker janitor makes of the engine's answers."""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest

from local_aws import ContainersStay, remove_containers
from local_aws.emulator.runtimes import docker_janitor

RUNNING, STUCK = "a" * 64, "b" * 64
ANSWERS: dict[str, tuple[int, Any]] = {
    f"/containers/{RUNNING}": (204, None),
    f"/containers/{STUCK}": (500, {"message": "driver failed to remove root filesystem"}),
    "/images/used": (409, {"message": "conflict: unable to remove repository reference"}),
    "/images/gone": (404, {"message": "No such image: gone"}),
}


class Engine(BaseHTTPRequestHandler):
    """An engine with two containers, one of which it does not remove."""

    asked: ClassVar[list[str]] = []

    def _answer(self, status: int, answer: Any) -> None:
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.asked.append(unquote(self.path))
        self._answer(200, [{"Id": RUNNING}, {"Id": STUCK}])

    def do_DELETE(self) -> None:
        self._answer(*ANSWERS[self.path.partition("?")[0]])

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "docker.sock")
    with socketserver.ThreadingUnixStreamServer(path, Engine) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def test_what_the_engine_does_not_remove_is_told(engine: str) -> None:
    with pytest.raises(docker_janitor.StillThere) as told:
        docker_janitor.clean(engine, "label=x", {"used", "gone"})
    assert str(told.value).splitlines() == [
        "container bbbbbbbbbbbb: 500 driver failed to remove root filesystem",
        "image used: 409 conflict: unable to remove repository reference",
    ]


def test_the_janitor_says_it_in_the_emulators_log(engine: str) -> None:
    command = [sys.executable, "-I", "-S", docker_janitor.__file__, engine, "label=x"]
    done = subprocess.run(command, input="gone\n", text=True, capture_output=True, check=True)
    assert done.stderr == (
        "docker janitor: not removed: container bbbbbbbbbbbb: 500 driver failed to remove root filesystem\n"
    )


def test_a_removal_that_is_under_way_is_a_removal() -> None:
    answer = {"message": f"removal of container {RUNNING} is already in progress"}
    assert docker_janitor.refusal(409, answer) is None


def test_an_emulators_containers_are_found_by_their_label_and_one_that_stays_is_an_error(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine}")
    with pytest.raises(ContainersStay, match=r"label local-aws\.emulator=one could not be removed: container b+: 500"):
        remove_containers("one")
    assert '{"label": ["local-aws.emulator=one"]}' in Engine.asked[-1]


def test_without_an_engine_no_container_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    assert remove_containers("one") == 0
