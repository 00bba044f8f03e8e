"""Removes a runtime's containers and images from Docker when the emulator is gone.

Run as a process of its own with nothing but the standard library. Its arguments are the daemon's address and a label
`key=value`; when its standard input ends, because the emulator ended, however that came about, it removes every
container and every image name that carries the label (names are told on standard input, one a line).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import sys
from typing import Any
from urllib.parse import quote

LABEL = "local-aws.emulator"
"""On each container of an emulator; its value is the name of the emulator's folder."""
_TIMEOUT_SECONDS = 30.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_SECONDS)
        self.sock.connect(self._path)


class StillThere(Exception):
    """The daemon refused to remove something; what and why, a line each."""


def call(socket_path: str, method: str, path: str) -> Any:
    """One call of the Docker Engine API; None where its answer is empty. `OSError`: no daemon answers."""
    return _exchange(socket_path, method, path)[1]


def _exchange(socket_path: str, method: str, path: str) -> tuple[int, Any]:
    with contextlib.closing(UnixConnection(socket_path)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content else None


def clean(socket_path: str, label: str, images: set[str]) -> int:
    """Remove the containers with the label, running or not, and the names of images; returns how many containers.

    `OSError`: no daemon answers. `StillThere`: the daemon refused to remove some of it; the rest is removed.
    """
    filters = quote(json.dumps({"label": [label]}))
    containers = call(socket_path, "GET", f"/containers/json?all=true&filters={filters}") or []
    paths = {f"container {each['Id'][:12]}": f"/containers/{each['Id']}?force=true&v=true" for each in containers}
    paths |= {f"image {name}": f"/images/{quote(name, safe='')}?noprune=true" for name in sorted(images)}
    answers = {what: _exchange(socket_path, "DELETE", path) for what, path in paths.items()}
    refusals = [f"{what}: {why}" for what, answer in answers.items() if (why := refusal(*answer))]
    if refusals:
        raise StillThere("\n".join(refusals))
    return len(containers)


def refusal(status: int, answer: Any) -> str | None:
    """Why something stays after a DELETE of the Docker Engine API; None where it is removed, or will be.

    404 is what is gone already. 409 is also how the daemon says that it is removing a container already
    (https://docs.docker.com/reference/api/engine/, ContainerDelete).
    """
    message = str(answer.get("message", "")) if isinstance(answer, dict) else ""
    if status < 300 or status == 404 or (status == 409 and "already in progress" in message):
        return None
    return f"{status} {message}".strip()


def main() -> None:
    """Follow standard input to its end, then clean up."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    socket_path, label = sys.argv[1], sys.argv[2]
    images = {line.strip() for line in sys.stdin}
    try:
        clean(socket_path, label, images)
    except OSError as error:
        # Without a daemon there is nothing left that could be removed now.
        print(f"docker janitor: {socket_path}: {error}", file=sys.stderr)
    except StillThere as error:
        for line in str(error).splitlines():
            print(f"docker janitor: not removed: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
