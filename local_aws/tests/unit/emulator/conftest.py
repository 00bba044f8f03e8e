"""A Docker engine that answers what a test gives it."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest


class FakeEngine(BaseHTTPRequestHandler):
    """Its answers are given by the beginning of method and path, as a status and a JSON document."""

    answers: ClassVar[dict[str, tuple[int, Any]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {unquote(self.path)}")
        known = (answer for begin, answer in self.answers.items() if self.asked[-1].startswith(begin))
        status, answer = next(known, (200, {}))
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_DELETE = do_GET

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def docker_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the engine's socket would be."""
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    return path


@pytest.fixture
def fake_engine(docker_host: Path) -> Iterator[type[FakeEngine]]:
    """An engine that answers there."""
    FakeEngine.answers, FakeEngine.asked = {}, []
    with socketserver.ThreadingUnixStreamServer(str(docker_host), FakeEngine) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield FakeEngine
        server.shutdown()
        thread.join()
