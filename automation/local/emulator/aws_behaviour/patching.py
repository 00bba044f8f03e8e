"""Replacing names in MiniStack, and refusing to when they are not what was expected."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import ModuleType
from typing import Any

from automation.local.emulator.errors import MissingPatchPoint, UnsupportedMiniStack

MINISTACK_VERSION = "1.5.33"
"""The MiniStack whose differences from AWS the corrections were written against."""


def require_known_ministack() -> None:
    """Make sure that the installed MiniStack is the one the corrections know.

    Raises:
        UnsupportedMiniStack: another version is installed.
    """
    found = version("ministack")
    if found != MINISTACK_VERSION:
        raise UnsupportedMiniStack(found, MINISTACK_VERSION)


def replace(module: ModuleType, name: str, replacement: Any) -> Any:
    """Put `replacement` in the place of `module.name` and return what was there.

    Raises:
        MissingPatchPoint: the module has no such name.
    """
    if not hasattr(module, name):
        raise MissingPatchPoint(module.__name__, name)
    original = getattr(module, name)
    setattr(module, name, replacement)
    return original


def replace_entry(table: dict[str, Any], where: str, key: str, wrap: Callable[[Any], Any]) -> None:
    """Put `wrap(table[key])` in the place of `table[key]`.

    Args:
        table: a dispatch table of MiniStack's.
        where: its name, for the error.
        key: the entry.
        wrap: makes the replacement from what is there.

    Raises:
        MissingPatchPoint: the table has no such entry.
    """
    if key not in table:
        raise MissingPatchPoint(where, key)
    table[key] = wrap(table[key])
