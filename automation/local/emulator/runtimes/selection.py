"""Which container runtime is used, and why."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from automation.local.emulator.errors import DockerUnavailable

Wanted = Literal["auto", "process", "docker"]
Chosen = Literal["process", "docker"]

_CONNECT_SECONDS = 2.0
IMPLEMENTED: tuple[Chosen, ...] = ("process",)


@dataclass(frozen=True)
class Choice:
    """A runtime and the reason for it, one line."""

    runtime: Chosen
    reason: str


def docker_problem(environment: dict[str, str] | None = None) -> str | None:
    """Why no Docker daemon can be used, None where one listens.

    Args:
        environment: where `DOCKER_HOST` is looked for; the process's own by default.
    """
    address = (os.environ if environment is None else environment).get("DOCKER_HOST", "unix:///var/run/docker.sock")
    parts = urlsplit(address)
    if parts.scheme == "unix":
        if not Path(parts.path).exists():
            return f"there is no {parts.path}"
        family, target = socket.AF_UNIX, parts.path
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(_CONNECT_SECONDS)
            try:
                connection.connect(target)
            except OSError as error:
                return f"{address}: {error.strerror or error}"
        return None
    if parts.scheme not in ("tcp", "http", "https") or not parts.hostname:
        return f"DOCKER_HOST is {address!r}, which is neither unix:// nor tcp://"
    try:
        socket.create_connection((parts.hostname, parts.port or 2375), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return f"{address}: {error.strerror or error}"
    return None


def choose(wanted: Wanted, environment: dict[str, str] | None = None) -> Choice:
    """Choose a runtime.

    Raises:
        DockerUnavailable: `docker` was asked for and cannot be used.
    """
    if wanted == "process":
        return Choice("process", "the process runtime was asked for")
    problem = docker_problem(environment)
    if problem is None and "docker" not in IMPLEMENTED:
        problem = "a daemon answers, but this version runs containers as processes only"
    if wanted == "docker":
        if problem is not None:
            raise DockerUnavailable(problem)
        return Choice("docker", "the docker runtime was asked for")
    if problem is not None:
        return Choice("process", f"containers run as local processes, because Docker cannot be used: {problem}")
    return Choice("docker", "a Docker daemon answers")
