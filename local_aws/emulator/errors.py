"""Everything that can go wrong with the embedded emulator, one exception per condition."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class EmulatorError(Exception):
    """The emulator cannot do what was asked of it."""


class PortInUse(EmulatorError):
    """The port that was asked for belongs to another process."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} on 127.0.0.1 is already in use: stop the process that holds it, choose another port, "
            "or name none and a free one is taken"
        )


class EmulatorDied(EmulatorError):
    """The emulator's process ended before it answered; the exit status is negative for a signal."""

    def __init__(self, exit_status: int | None, log_file: Path, last_lines: str) -> None:
        super().__init__(
            f"the emulator ended at start (exit status {exit_status}); its last log lines:\n{last_lines}\n"
            f"The whole log: {log_file}"
        )


class EmulatorTimeout(EmulatorError):
    """The emulator's process runs but does not answer."""

    def __init__(self, seconds: float, log_file: Path, last_lines: str) -> None:
        super().__init__(
            f"the emulator did not answer within {seconds:g} s; its last log lines:\n{last_lines}\n"
            f"The whole log: {log_file}"
        )


class UnsupportedMiniStack(EmulatorError):
    """The installed MiniStack is not the one whose differences from AWS are known."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(
            f"MiniStack {found} is installed, but its differences from AWS are corrected for {wanted} only: "
            "install the versions of requirements.lock"
        )


class MissingPatchPoint(EmulatorError):
    """A name in MiniStack that a correction replaces is not there."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"MiniStack has no {where}, which a correction of its behaviour replaces: "
            "install the versions of requirements.lock"
        )


class UnknownCorrection(EmulatorError):
    """There is no correction of the name that is to be left out."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no correction {name!r} that could be left out, only {', '.join(known)}")


class ContainersStay(EmulatorError):
    """The engine does not remove containers that a killed emulator left."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(f"containers with the label {label} could not be removed: {reason}")


class DockerUnavailable(EmulatorError):
    """Containers were asked for and Docker cannot be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the docker container runtime was asked for, but cannot be used ({reason}): start Docker, "
            "or use the process runtime"
        )
        self.reason = reason
