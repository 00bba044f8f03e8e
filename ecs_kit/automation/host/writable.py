"""Checks, before anything is created, that the driver's folders and files can be written."""

import tempfile
from pathlib import Path

from ecs_kit.automation.errors import BadInput

PROBE_BYTES = 65_536
"""The least that a report takes with its logs. A full disk shows when bytes are written, not when a file is created."""


def folder(path: Path, *, name: str, advice: str) -> None:
    """Create a folder with its parents, and check that files can be written there.

    The message calls it `name`, such as `--report-dir`, and ends with `advice`, a sentence without its full stop.

    Raises:
        BadInput: it is no folder, or nothing can be written there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"\0" * PROBE_BYTES)
    except FileExistsError as error:
        raise BadInput(f"{name} {path}: is not a folder. {advice}.") from error
    except OSError as error:
        raise BadInput(f"{name} {path}: cannot be written to: {error.strerror}. {advice}.") from error


def file(path: Path, *, name: str, advice: str) -> None:
    """Check that a file can be written or overwritten.

    Raises:
        BadInput: it is a folder, or its folder cannot be written to.
    """
    if path.is_dir():
        raise BadInput(f"{name} {path}: is a folder. {advice}.")
    folder(path.parent, name=f"{name} {path}: the folder", advice=advice)
