"""The environment in which the Pulumi engine and its plugins use the emulator."""

from pathlib import Path

from local_aws.emulator import Emulator

PASSPHRASE = "local"
"""Pulumi wants one for a file backend. It protects nothing: the emulator's only credentials are `test`."""


def engine_environment(emulator: Emulator, folder: Path) -> dict[str, str]:
    """Variables of a running emulator, and of an engine with its state backend in `folder`, below `state/`."""
    return {
        **emulator.environment,
        "LOCAL_AWS_IMAGE_BUILDER": "docker" if emulator.container_runtime == "docker" else "archive",
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
