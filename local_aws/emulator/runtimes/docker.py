"""The `docker` runtime: containers in the machine's Docker engine.

What of a container definition holds, and how:

| | |
|---|---|
| image | pulled from the emulator's registry, `localhost:<port>/<repository>`, which an engine trusts without TLS |
| network | the host's: the emulator listens on loopback alone |
| memory | hard, without swap; beyond it a container ends with 137 and `OutOfMemoryError: …`, if the kernel can |
| CPU | hard, 1024 units to a CPU, as Fargate limits a task |
| USER, read-only root, `initProcessEnabled`, dropped capabilities | yes |
| security groups, port mappings | no: the network is the host's |

Every container carries the label `LABEL`; a janitor removes what is left when the emulator is gone. Where the engine
itself goes away, its containers are lost as those of a lost host are: they have no exit code, and the reason says so.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container as EngineContainer

from local_aws.emulator.runtimes import (
    ContainerSpec,
    ContainerStartError,
    Exit,
    ImageNotFound,
    ImageReference,
    PulledImage,
    docker_janitor,
    output,
)

logger = logging.getLogger("emulator.docker")

LABEL = docker_janitor.LABEL
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
"""https://repost.aws/knowledge-center/ecs-resolve-outofmemory-errors"""
_UNITS_PER_CPU = 1024
_NANO = 1_000_000_000
_MEBIBYTE = 1024 * 1024
_CALL_SECONDS = 60
_CONNECTIONS = 256
_KILL_SECONDS = 10.0
_FAILURES = (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError, DockerException, OSError)
"""What the SDK raises where the engine is gone, or refuses."""


def host_lost(name: str) -> str:
    """What ECS reports of a container instance that went away.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
    """
    return f"Host EC2 (instance {name}) terminated."


def create_arguments(spec: ContainerSpec, labels: Mapping[str, str]) -> dict[str, Any]:
    """The Docker SDK's arguments for a container.

    A new entry point drops the image's command, as `docker run --entrypoint` does; an empty list would not.
    """
    arguments = {
        "image": spec.image.handle,
        "name": f"ecs-{spec.task_id}-{spec.name}",
        "environment": dict(spec.environment),
        "network_mode": "host",
        "read_only": spec.read_only,
        "init": spec.init,
        "cap_drop": list(spec.dropped_capabilities),
        "labels": {**spec.labels, **labels},
        "log_config": {"Type": "json-file", "Config": {}},
        "entrypoint": spec.entry_point,
        "command": spec.command,
        "working_dir": spec.working_directory,
        "user": spec.user,
    }
    if spec.memory_mib is not None:
        arguments["mem_limit"] = arguments["memswap_limit"] = spec.memory_mib * _MEBIBYTE
    if spec.cpu_units is not None:
        arguments["nano_cpus"] = spec.cpu_units * _NANO // _UNITS_PER_CPU
    return {name: value for name, value in arguments.items() if value is not None}


def exit_of(state: Mapping[str, Any]) -> Exit:
    """How a container ended, from the `State` that Docker reports."""
    return Exit(int(state["ExitCode"]), OUT_OF_MEMORY if state.get("OOMKilled") else None)


class DockerContainer:
    """A container in the engine; `host` is the engine's name, which is reported when it is lost."""

    def __init__(self, container: EngineContainer, host: str) -> None:
        self.id: str = container.id
        self._container = container
        self._host = host
        self._ended = threading.Event()

    def output(self) -> Iterator[str]:
        """Its output, line by line, until it ended or the engine is gone."""
        yield from output.lines(self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        try:
            yield from self._container.logs(stream=True, follow=True)
        except _FAILURES:
            logger.warning("the output of %s ends early: the engine is gone", self.id[:12])

    def wait(self) -> Exit:
        """Wait until it ended; without an exit code where its engine went away."""
        try:
            self._container.client.api.wait(self.id, timeout=None)
            self._container.reload()
            end = exit_of(self._container.attrs["State"])
        except _FAILURES as error:
            logger.warning("%s is lost: %s", self.id[:12], error)
            end = Exit(None, host_lost(self._host))
        self._ended.set()
        return end

    def stop(self, timeout_seconds: float) -> None:
        """SIGTERM to its init or first process, SIGKILL to all of it after the time."""
        self._signal("SIGTERM")
        if not self._ended.wait(timeout_seconds):
            self.kill()
            self._ended.wait(_KILL_SECONDS)

    def kill(self) -> None:
        """SIGKILL."""
        self._signal("SIGKILL")

    def remove(self) -> None:
        """Remove it from the engine; the janitor removes what cannot be removed now."""
        try:
            self._container.remove(force=True, v=True)
        except _FAILURES as error:
            logger.warning("%s is not removed: %s", self.id[:12], error)

    def _signal(self, name: str) -> None:
        try:
            self._container.kill(signal=name)
        except APIError as error:
            # It is gone, or does not run.
            if error.status_code not in (404, 409):
                raise
        except _FAILURES:
            logger.warning("%s to %s: the engine is gone", name, self.id[:12])


class DockerRuntime:
    """Runs containers in a Docker engine on this machine; the name of the emulator's folder is the label's value."""

    def __init__(self, socket_path: str, port: int, folder: Path) -> None:
        self._client = docker.DockerClient(
            base_url=f"unix://{socket_path}", timeout=_CALL_SECONDS, max_pool_size=_CONNECTIONS
        )
        self._registry = f"localhost:{port}"
        self._labels = {LABEL: folder.name}
        self._host: str = self._client.info()["Name"]
        self._lock = threading.Lock()
        self._pulled: set[str] = set()
        self._janitor = subprocess.Popen(
            [sys.executable, "-I", "-S", docker_janitor.__file__, socket_path, f"{LABEL}={folder.name}"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
            env={},
            cwd="/",
        )

    def pull(self, image: ImageReference) -> PulledImage:
        """`docker pull` from the emulator's registry."""
        repository = f"{self._registry}/{image.repository}"
        by_digest = image.reference.startswith("sha256:")
        name = f"{repository}{'@' if by_digest else ':'}{image.reference}"
        try:
            # An engine that has an image of this digest does not ask whether the registry still has it.
            self._client.images.get_registry_data(name)
            pulled = self._client.images.pull(repository, tag=image.reference)
        except NotFound as missing:
            raise ImageNotFound(f"{image.name}: not found") from missing
        except _FAILURES as error:
            raise ImageNotFound(f"{image.name}: {_reason(error)}") from error
        self._remember(name)
        names = [name for name in pulled.attrs["RepoDigests"] if name.startswith(f"{repository}@")]
        digest = image.reference if by_digest else names[0].partition("@")[2]
        return PulledImage(digest=digest, handle=pulled.id)

    def start(self, spec: ContainerSpec) -> DockerContainer:
        """Create and start a container."""
        try:
            container = self._client.containers.create(**create_arguments(spec, self._labels))
        except _FAILURES as error:
            raise ContainerStartError(_reason(error)) from error
        try:
            container.start()
        except _FAILURES as error:
            DockerContainer(container, self._host).remove()
            raise ContainerStartError(_reason(error)) from error
        return DockerContainer(container, self._host)

    def close(self) -> None:
        """Remove every container and the names of the images that were pulled."""
        assert self._janitor.stdin is not None
        with contextlib.suppress(OSError):
            self._janitor.stdin.close()
        self._janitor.wait()

    def _remember(self, name: str) -> None:
        assert self._janitor.stdin is not None
        with self._lock:
            if name not in self._pulled:
                self._pulled.add(name)
                self._janitor.stdin.write(f"{name}\n")
                self._janitor.stdin.flush()


def _reason(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    return str(explanation or error)
