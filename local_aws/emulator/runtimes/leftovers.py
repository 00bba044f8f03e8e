"""What an emulator leaves in Docker that was killed together with its janitor."""

from __future__ import annotations

from local_aws.emulator.errors import EmulatorError
from local_aws.emulator.runtimes import docker_janitor
from local_aws.emulator.runtimes.selection import docker_problem, docker_socket


class ContainersStay(EmulatorError):
    """The engine does not remove containers."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(f"containers with the label {label} could not be removed: {reason}")


def remove_containers(emulator: str) -> int:
    """Remove the containers of the emulator with that folder's name; returns how many, 0 where no engine answers.

    `ContainersStay`: the engine does not remove them.
    """
    if docker_problem() is not None:
        return 0
    label = f"{docker_janitor.LABEL}={emulator}"
    try:
        return docker_janitor.clean(docker_socket(), label, set())
    except (OSError, ValueError, docker_janitor.StillThere) as error:
        raise ContainersStay(label, str(error)) from error
