"""Reads a run with the driver's clients, and writes its page to a file."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.reporter import reading as reader
from ecs_kit.runtime.reporter.data import Reading, document
from ecs_kit.runtime.reporter.page import page
from ecs_kit.runtime.reporter.run_state import RunState


def reading(
    aws: AwsClients,
    state: RunState,
    *,
    logs: Mapping[str, Sequence[str]] | None = None,
    verdict: Mapping[str, Any] | None = None,
) -> Reading:
    """As `runtime.reporter.reading` does. The console has no pages of what is on an emulator."""
    return reader.reading(aws, state, has_console=not aws.endpoint_url, logs=logs, verdict=verdict)


def write(path: Path, of_run: Reading) -> None:
    """Write the page of a run: a reader of the file sees the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(page(document(of_run)), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
