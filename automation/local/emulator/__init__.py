"""The embedded AWS: MiniStack in a process of its own, with its differences from AWS put right."""

from automation.local.emulator.errors import (
    DockerUnavailable,
    EmulatorDied,
    EmulatorError,
    EmulatorTimeout,
    PortInUse,
)
from automation.local.emulator.supervisor import Emulator

__all__ = ["DockerUnavailable", "Emulator", "EmulatorDied", "EmulatorError", "EmulatorTimeout", "PortInUse"]
