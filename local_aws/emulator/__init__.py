"""The embedded AWS: MiniStack in a process of its own, with its differences from AWS corrected."""

from local_aws.emulator.errors import DockerUnavailable, EmulatorDied, EmulatorError, EmulatorTimeout, PortInUse
from local_aws.emulator.supervisor import Emulator

__all__ = ["DockerUnavailable", "Emulator", "EmulatorDied", "EmulatorError", "EmulatorTimeout", "PortInUse"]
