"""Stacks that tests deploy to the emulator."""

from typing import Any


def changes(result: Any) -> dict[str, int]:
    """The number of resources per operation, without the unchanged ones."""
    summary = result.change_summary if hasattr(result, "change_summary") else result.summary.resource_changes
    counted = {getattr(kind, "value", str(kind)): count for kind, count in (summary or {}).items()}
    return {kind: count for kind, count in counted.items() if kind != "same"}
