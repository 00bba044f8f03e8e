"""Which container runtime is used, and why."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from local_aws.emulator.errors import DockerUnavailable
from local_aws.emulator.runtimes.docker_janitor import call

Wanted = Literal["auto", "process", "docker"]
Chosen = Literal["process", "docker"]

_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_CONNECT_SECONDS = 2.0


@dataclass(frozen=True)
class Choice:
    """A runtime and the reason for it, one line.

    Attributes:
        runtime: what was chosen.
        reason: why.
        docker_socket: the path of the engine's socket, empty for `process`.
    """

    runtime: Chosen
    reason: str
    docker_socket: str = ""


def docker_socket(environment: Mapping[str, str] | None = None) -> str:
    """The path of the engine's socket, empty where `DOCKER_HOST` names something that is no socket.

    Args:
        environment: where `DOCKER_HOST` is looked for; the process's own by default.
    """
    parts = urlsplit((os.environ if environment is None else environment).get("DOCKER_HOST") or _DEFAULT_ADDRESS)
    return parts.path if parts.scheme == "unix" else ""


def docker_problem(environment: Mapping[str, str] | None = None) -> str | None:
    """Why no Docker daemon can be reached, None where one listens.

    Only a socket will do: containers and registry meet on this machine's loopback.

    Args:
        environment: where `DOCKER_HOST` is looked for; the process's own by default.
    """
    path = docker_socket(environment)
    if not path:
        address = (os.environ if environment is None else environment)["DOCKER_HOST"]
        return f"DOCKER_HOST is {address!r}, but the engine has to be on this machine: unix://<path of its socket>"
    if not Path(path).exists():
        return f"there is no {path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(path)
        except OSError as error:
            return f"unix://{path}: {error.strerror or error}"
    return None


def engine_problem(info: Mapping[str, Any]) -> str | None:
    """Why containers of an engine cannot reach this machine's loopback, None where they can.

    Args:
        info: what the engine answers to `GET /info`.
    """
    if info.get("OSType") != "linux":
        return f"its containers are for {info.get('OSType')!r}, not linux"
    if info.get("OperatingSystem") == "Docker Desktop":
        return "Docker Desktop runs containers in a virtual machine, which does not share this machine's loopback"
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        return "a rootless engine's host network is not this machine's"
    return None


def base_image_problem(socket_path: str, base_image: str) -> str | None:
    """Why an image cannot be built on `base_image`, None where the engine has it or can pull it.

    Raises:
        OSError: the daemon does not answer.
    """
    name = quote(base_image, safe="")
    if "Id" in (call(socket_path, "GET", f"/images/{name}/json") or {}):
        return None
    # The registry's answer about the manifest, without a download.
    found = call(socket_path, "GET", f"/distribution/{name}/json") or {}
    if "Descriptor" in found:
        return None
    return f"the base image {base_image} is not there and cannot be pulled: {found.get('message', 'no answer')}"


def choose(wanted: Wanted, environment: Mapping[str, str] | None = None, base_image: str | None = None) -> Choice:
    """Choose a runtime.

    Args:
        wanted: what was asked for.
        environment: where `DOCKER_HOST` is looked for; the process's own by default.
        base_image: what images will be built on; nothing will be built where None.

    Raises:
        DockerUnavailable: `docker` was asked for and cannot be used.
    """
    if wanted == "process":
        return Choice("process", "the process runtime was asked for")
    path = docker_socket(environment)
    problem = docker_problem(environment)
    if problem is None:
        try:
            problem = engine_problem(call(path, "GET", "/info") or {})
            if problem is None and base_image is not None:
                problem = base_image_problem(path, base_image)
        except (OSError, ValueError) as error:
            problem = f"unix://{path}: {error}"
    if wanted == "docker":
        if problem is not None:
            raise DockerUnavailable(problem)
        return Choice("docker", "the docker runtime was asked for", path)
    if problem is not None:
        return Choice("process", f"containers run as local processes, because Docker cannot be used: {problem}")
    return Choice("docker", "a Docker daemon answers", path)
