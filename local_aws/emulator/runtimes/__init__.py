"""Where the containers of ECS tasks run.

The emulator's ECS service knows containers through `ContainerRuntime` alone. `process` runs an image's entry point
as a local process; `docker` runs it in a container of the machine's engine. Both take a `ContainerSpec` and return
a `Container`. Both run on this machine's network: a container reaches the emulator on the loopback address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class ImageReference:
    """An image in Amazon ECR as a task definition names it; `reference` is a tag, or a digest (`sha256:…`)."""

    name: str
    account: str
    region: str
    repository: str
    reference: str


@dataclass(frozen=True)
class PulledImage:
    """An image that is ready to run: its manifest's digest (`sha256:…`), and what the runtime knows it by."""

    digest: str
    handle: str


@dataclass(frozen=True)
class ContainerSpec:
    """One container of an ECS task, decided down to the last variable; what is None is left to the image.

    Attributes:
        environment: what the container is given, besides the image's own variables.
        memory_mib: hard limit.
        cpu_units: 1024 to a vCPU.
        init: an init process runs the command, passes signals on and reaps.
        dropped_capabilities: Linux capabilities that it does not get, `ALL` for none at all.
        labels: for runtimes that can label.
    """

    name: str
    task_id: str
    image: PulledImage
    environment: Mapping[str, str] = field(default_factory=dict)
    entry_point: Sequence[str] | None = None
    command: Sequence[str] | None = None
    working_directory: str | None = None
    user: str | None = None
    read_only: bool = False
    memory_mib: int | None = None
    cpu_units: int | None = None
    init: bool = False
    dropped_capabilities: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exit:
    """How a container ended: an exit code (128 + n where signal n ended it, None where its host was lost).

    `reason` is what ECS reports with it (`OutOfMemoryError: …`), None for an ordinary exit.
    """

    code: int | None
    reason: str | None = None


class ImageNotFound(Exception):
    """The registry has no such image. The message says what was looked for."""


class ContainerStartError(Exception):
    """The container could not be started. The message says why, in the runtime's words."""


class Container(Protocol):
    """A container that was started."""

    @property
    def id(self) -> str:
        """The runtime's identifier of the container, 64 hexadecimal digits."""

    def output(self) -> Iterator[str]:
        """Its standard output and error, line by line without line ends, until it ended."""

    def wait(self) -> Exit:
        """Wait until it and everything it started ended."""

    def stop(self, timeout_seconds: float) -> None:
        """Send SIGTERM; send SIGKILL where it still runs after the time. Returns when it ended."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def remove(self) -> None:
        """Free what it held. Only after it ended."""


class ContainerRuntime(Protocol):
    """Runs containers."""

    def pull(self, image: ImageReference) -> PulledImage:
        """Get the image from the emulator's own registry; raises `ImageNotFound`."""

    def start(self, spec: ContainerSpec) -> Container:
        """Start a container; raises `ContainerStartError`."""

    def close(self) -> None:
        """End everything that still runs."""
