"""What is replaced in MiniStack: names, the corrections that replace them, and which of these are left out."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from local_aws.emulator.errors import MissingPatchPoint, UnknownCorrection, UnsupportedMiniStack

RECORD = Path(__file__).with_name("ministack.json")
"""`version`: the MiniStack that the corrections were written against. `names`: what they use of it, each with its
signature or type. `python -m local_aws.corrections --accept` writes it."""
LEFT_OUT = "LOCAL_AWS_WITHOUT"
"""The environment variable with the names of the corrections that an emulator leaves out when it starts."""
_MISSING = object()


def require_known_ministack() -> None:
    """Raise `UnsupportedMiniStack` where the installed MiniStack is not the one that the corrections know."""
    found, known = version("ministack"), json.loads(RECORD.read_text())["version"]
    if found != known:
        raise UnsupportedMiniStack(found, known)


@dataclass(frozen=True)
class Patch:
    """A name, and what replaces it.

    Attributes:
        owner: the module, class or object that has the name.
        name: the name.
        wrap: makes the replacement from what is there.
        key: where the name is a dispatch table, its entry that is replaced.
    """

    owner: Any
    name: str
    wrap: Callable[[Any], Any]
    key: str | None = None

    @property
    def where(self) -> str:
        """What is replaced, as an error or a report names it."""
        owner = getattr(self.owner, "__name__", type(self.owner).__name__)
        return f"{owner}.{self.name}" if self.key is None else f"{owner}.{self.name}[{self.key}]"

    def find(self) -> Any:
        """What is there; raises `MissingPatchPoint` where there is no such name or entry."""
        found: Any = getattr(self.owner, self.name, _MISSING)
        if self.key is not None and found is not _MISSING:
            found = found.get(self.key, _MISSING)
        if found is _MISSING:
            raise MissingPatchPoint(self.where)
        return found

    def apply(self) -> None:
        """Replace it."""
        replacement = self.wrap(self.find())
        if self.key is None:
            setattr(self.owner, self.name, replacement)
        else:
            getattr(self.owner, self.name)[self.key] = replacement


def instead(replacement: Any) -> Callable[[Any], Any]:
    """A `Patch.wrap` that does not use what is there."""
    return lambda _original: replacement


def around(call: Callable[..., Any], *first: Any) -> Callable[[Any], Any]:
    """A `Patch.wrap` that calls `call` with these arguments, what is there, and the call's own arguments."""
    return lambda original: functools.partial(call, *first, original)


@dataclass(frozen=True)
class Correction:
    """A difference of MiniStack from AWS, corrected.

    Attributes:
        name: `module`, or `module.part` where a module's corrections can be left out one by one.
        patches: what is replaced in MiniStack.
        without: what is replaced in the other corrections where this one is left out.
    """

    name: str
    patches: tuple[Patch, ...] = ()
    without: tuple[Patch, ...] = ()

    @property
    def module(self) -> str:
        """The module of `aws_behaviour` that it is in."""
        return self.name.partition(".")[0]


def patches_of(corrections: Iterable[Correction], left_out: str = "") -> list[Patch]:
    """The patches to apply, in order, but for the corrections that `left_out` names, with commas between them."""
    made = list(corrections)
    names = {name.strip() for name in left_out.split(",")} - {""}
    unknown = sorted(names - {each.name for each in made})
    if unknown:
        raise UnknownCorrection(unknown[0], [each.name for each in made])
    return [patch for each in made for patch in (each.without if each.name in names else each.patches)]
