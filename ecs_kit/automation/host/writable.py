"""Folders and files that the driver will write, tried out before anything is created."""

import tempfile
from pathlib import Path

from ecs_kit.automation.errors import NotWritable

PROBE_BYTES = 65_536
"""What a report takes at least, with its logs: a disk that is full is noticed by writing, not by making a file."""


def folder(path: Path, *, name: str, advice: str) -> None:
    """Make a folder, and prove that files can be made in it.

    Args:
        path: the folder; those above it are made, too.
        name: what the user calls it, such as `--report-dir`.
        advice: what to do where it cannot be used, as a sentence without its full stop.

    Raises:
        NotWritable: it is no folder, or nothing can be written there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"\0" * PROBE_BYTES)
    except FileExistsError as error:
        raise NotWritable(f"{name} {path}", "is not a folder", advice) from error
    except OSError as error:
        raise NotWritable(f"{name} {path}", f"cannot be written to: {error.strerror}", advice) from error


def file(path: Path, *, name: str, advice: str) -> None:
    """Prove that a file can be written, or overwritten.

    Raises:
        NotWritable: it is a folder, or nothing can be written there.
    """
    if path.is_dir():
        raise NotWritable(f"{name} {path}", "is a folder", advice)
    folder(path.parent, name=f"{name} {path}: the folder", advice=advice)
