"""Which container runtime is used, and why; and what an emulator left in Docker."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from local_aws.emulator.errors import ContainersStay, DockerUnavailable
from local_aws.emulator.runtimes import docker_janitor
from local_aws.emulator.runtimes.docker_janitor import call

Wanted = Literal["auto", "process", "simulated", "docker"]
Chosen = Literal["process", "simulated", "docker"]

_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_CONNECT_SECONDS = 2.0


@dataclass(frozen=True)
class Choice:
    """A runtime, the reason for it in one line, and for `docker` the path of the engine's socket."""

    runtime: Chosen
    reason: str
    docker_socket: str = ""


def docker_socket() -> str:
    """The path of the engine's socket, empty where `DOCKER_HOST` names something that is no socket."""
    parts = urlsplit(os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS)
    return parts.path if parts.scheme == "unix" else ""


def docker_problem() -> str | None:
    """Why no Docker daemon can be reached, None where one listens.

    Only a socket will do: containers and registry meet on this machine's loopback.
    """
    path = docker_socket()
    if not path:
        address = os.environ["DOCKER_HOST"]
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
    """Why containers of an engine cannot reach this machine's loopback, from its `GET /info`; None where they can."""
    if info.get("OSType") != "linux":
        return f"its containers are for {info.get('OSType')!r}, not linux"
    if info.get("OperatingSystem") == "Docker Desktop":
        return "Docker Desktop runs containers in a virtual machine, which does not share this machine's loopback"
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        return "a rootless engine's host network is not this machine's"
    return None


def base_image_problem(socket_path: str, base_image: str) -> str | None:
    """Why an image cannot be built on `base_image`, None where the engine has it or can pull it."""
    name = quote(base_image, safe="")
    if "Id" in (call(socket_path, "GET", f"/images/{name}/json") or {}):
        return None
    # The registry's answer about the manifest, without a download.
    found = call(socket_path, "GET", f"/distribution/{name}/json") or {}
    if "Descriptor" in found:
        return None
    return f"the base image {base_image} is not there and cannot be pulled: {found.get('message', 'no answer')}"


def choose(wanted: Wanted, base_image: str | None = None) -> Choice:
    """Choose a runtime; `base_image` is what images will be built on, None where none is built.

    `DockerUnavailable`: `docker` was asked for and cannot be used.
    """
    if wanted in ("process", "simulated"):
        return Choice(wanted, f"the {wanted} runtime was asked for")
    path, problem = docker_socket(), docker_problem()
    if problem is None:
        try:
            problem = engine_problem(call(path, "GET", "/info") or {})
            if problem is None and base_image is not None:
                problem = base_image_problem(path, base_image)
        except (OSError, ValueError) as error:
            problem = f"unix://{path}: {error}"
    if problem is None:
        reason = "a Docker daemon answers" if wanted == "auto" else "the docker runtime was asked for"
        return Choice("docker", reason, path)
    if wanted == "docker":
        raise DockerUnavailable(problem)
    return Choice("process", f"containers run as local processes, because Docker cannot be used: {problem}")


def remove_containers(emulator: str) -> int:
    """Remove the containers of a killed emulator, by its folder's name; returns how many, 0 where no engine answers.

    `ContainersStay`: the engine does not remove them.
    """
    if docker_problem() is not None:
        return 0
    label = f"{docker_janitor.LABEL}={emulator}"
    try:
        return docker_janitor.clean(docker_socket(), label, set())
    except (OSError, ValueError, docker_janitor.StillThere) as error:
        raise ContainersStay(label, str(error)) from error
