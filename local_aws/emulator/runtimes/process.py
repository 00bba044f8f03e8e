"""The `process` runtime: an image's entry point as a local process.

What of an image and a container definition is honoured, and what is not:

| | |
|---|---|
| ENTRYPOINT, CMD, overrides of the command | yes; `python`, with any version or path, is this interpreter |
| ENV, environment, secrets | yes, except `PATH`, which is the machine's |
| WORKDIR | yes, below the unpacked root file system |
| absolute paths in the command, in PYTHONPATH | those that exist in the image are looked up there |
| RUN | not executed when there is no Docker to build with: packages come from this interpreter |
| USER, read-only root, capabilities, memory, CPU | no: a process runs as the user who started the emulator |
| network mode, security groups, port mappings | no: a process is on the machine's network |

A container is a process group. It gets no variable of the emulator's own environment, a HOME and a TMPDIR of its
own, and nothing of it is left when its first process ended.
"""

from __future__ import annotations

import os
import queue
import re
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from local_aws.emulator.children import signal_group
from local_aws.emulator.runtimes import ContainerSpec, ContainerStartError, Exit, ImageReference, PulledImage, output
from local_aws.emulator.runtimes.images import ImageStore, Registry, UnpackedImage

_PYTHON = re.compile(r"^(?:/[\w./-]*/)?python(?:3(?:\.\d+)?)?$")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SIGNAL_BASE = 128
_OUTPUT_GRACE_SECONDS = 5.0
_CHUNK_BYTES = 65_536


def exit_code(return_code: int) -> int:
    """A process's return code as a container's exit code: 128 + n where signal n ended it."""
    return return_code if return_code >= 0 else _SIGNAL_BASE - return_code


def command_line(image: UnpackedImage, spec: ContainerSpec) -> list[str]:
    """What is executed for a container.

    ECS replaces ENTRYPOINT and CMD one by one; a new entry point drops the image's command, as Docker does.
    """
    entry_point: Sequence[str] = image.config.get("Entrypoint") or ()
    command: Sequence[str] = image.config.get("Cmd") or ()
    if spec.entry_point is not None:
        entry_point, command = spec.entry_point, ()
    if spec.command is not None:
        command = spec.command
    arguments = [*entry_point, *command]
    if not arguments:
        raise ContainerStartError("no command specified")
    program, *rest = arguments
    if _PYTHON.match(program):
        program = sys.executable
    return [str(_in_root(image.root, program)), *(str(_in_root(image.root, argument)) for argument in rest)]


def container_environment(image: UnpackedImage, given: Mapping[str, str], home: Path) -> dict[str, str]:
    """Everything a container's process finds in its environment."""
    variables = {
        **dict(entry.split("=", 1) for entry in image.config.get("Env") or ()),
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        **given,
        "PATH": _PATH,
    }
    if "PYTHONPATH" in variables:
        parts = variables["PYTHONPATH"].split(os.pathsep)
        variables["PYTHONPATH"] = os.pathsep.join(str(_in_root(image.root, part)) for part in parts)
    return variables


def _in_root(root: Path, argument: str) -> str | Path:
    if not argument.startswith("/"):
        return argument
    inside = root / argument.lstrip("/")
    return inside if inside.exists() else argument


class Process(Protocol):
    """A process that leads a group; `stdout` has what the group writes to standard output and error."""

    @property
    def pid(self) -> int:
        """Its id, which is the group's."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """What the group writes."""

    def wait(self) -> int:
        """Wait until it ended; returns its code, `-n` where signal n ended it."""


class Starter(Protocol):
    """What starts the processes of containers."""

    def start(self, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> Process:
        """Start a process in a group of its own; `OSError` if it cannot."""

    def ended(self, pid: int) -> None:
        """Forget a process whose group is gone."""


class ProcessContainer:
    """A process group instead of a container."""

    def __init__(self, process: Process, starter: Starter, home: Path) -> None:
        self.id = secrets.token_hex(32)
        self._process = process
        self._starter = starter
        self._return_code = 0
        self._home = home
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"container-output-{self.id[:12]}", daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch, name=f"container-{self.id[:12]}", daemon=True).start()

    def output(self) -> Iterator[str]:
        """Its output, line by line, until it ended."""
        while (line := self._lines.get()) is not None:
            yield line

    def wait(self) -> Exit:
        """Wait until the whole group ended."""
        self._ended.wait()
        return Exit(exit_code(self._return_code))

    def stop(self, timeout_seconds: float) -> None:
        """SIGTERM, then SIGKILL, to the whole group."""
        signal_group(self._process.pid, signal.SIGTERM)
        if not self._ended.wait(timeout_seconds):
            self.kill()
            self._ended.wait()

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        signal_group(self._process.pid, signal.SIGKILL)

    def remove(self) -> None:
        """Remove its HOME."""
        shutil.rmtree(self._home, ignore_errors=True)

    def _watch(self) -> None:
        self._return_code = self._process.wait()
        # A container's other processes end with its first one.
        signal_group(self._process.pid, signal.SIGKILL)
        self._reader.join(timeout=_OUTPUT_GRACE_SECONDS)
        self._starter.ended(self._process.pid)
        self._ended.set()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in output.lines(iter(lambda: os.read(stream.fileno(), _CHUNK_BYTES), b"")):
                self._lines.put(line)
        self._lines.put(None)


class ProcessRuntime:
    """Runs containers as local processes, with images and homes below a folder."""

    def __init__(self, folder: Path, registry: Registry, starter: Starter) -> None:
        self._folder = folder
        self._images = ImageStore(folder / "images", registry)
        self._starter = starter
        self._lock = threading.Lock()
        self._running: dict[str, ProcessContainer] = {}

    def pull(self, image: ImageReference) -> PulledImage:
        """Unpack the image, once per digest."""
        unpacked = self._images.pull(image)
        return PulledImage(digest=unpacked.digest, handle=unpacked.digest)

    def start(self, spec: ContainerSpec) -> ProcessContainer:
        """Start the entry point."""
        image = self._images.get(spec.image.handle)
        arguments = command_line(image, spec)
        home = self._folder / "containers" / f"{spec.task_id}-{spec.name}"
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        folder = image.root / (spec.working_directory or image.working_directory).lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            process = self._starter.start(
                arguments, environment=container_environment(image, spec.environment, home), folder=folder
            )
        except OSError as error:
            shutil.rmtree(home, ignore_errors=True)
            raise ContainerStartError(
                "failed to create new container runtime task: failed to create shim task: OCI runtime create failed: "
                f'runc create failed: unable to start container process: exec: "{arguments[0]}": {error.strerror}'
            ) from error
        container = ProcessContainer(process, self._starter, home)
        with self._lock:
            self._running = {key: each for key, each in self._running.items() if not each._ended.is_set()}
            self._running[container.id] = container
        return container

    def close(self) -> None:
        """Kill what still runs and wait for its end."""
        with self._lock:
            left = list(self._running.values())
        for container in left:
            container.kill()
        for container in left:
            container.wait()
