"""How a correction of MiniStack is declared: a decorator on the function that is right, naming what it replaces.

All corrections together are in `CORRECTIONS` once `installation` has imported their modules. Its names are `module`, or
`module.part` where a module's corrections can be left out one by one.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from local_aws.emulator.aws_behaviour.calls import answering
from local_aws.emulator.errors import MissingPatchPoint, UnknownCorrection, UnsupportedMiniStack

RECORD = Path(__file__).with_name("ministack.json")
"""`version`: the MiniStack that the corrections were written against. `names`: what they use of it, each with its
signature or type. `python -m local_aws.corrections --accept` writes it."""
_MISSING = object()
F = TypeVar("F", bound=Callable[..., Any])


def require_known_ministack() -> None:
    """Raise `UnsupportedMiniStack` where the installed MiniStack is not the one that the corrections know."""
    found, known = version("ministack"), json.loads(RECORD.read_text())["version"]
    if found != known:
        raise UnsupportedMiniStack(found, known)


@dataclass(frozen=True)
class Patch:
    """A name of `owner`, or the entry `key` of a dispatch table, and what makes its replacement from what is there."""

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


@dataclass(frozen=True)
class Correction:
    """A difference of MiniStack from AWS, corrected.

    Attributes:
        name: as `LOCAL_AWS_WITHOUT` has it.
        patches: what is replaced in MiniStack, in this order.
        without: what is replaced in the other corrections where this one is left out.
    """

    name: str
    patches: list[Patch] = field(default_factory=list)
    without: list[Patch] = field(default_factory=list)

    @property
    def module(self) -> str:
        """The module of `aws_behaviour` that it is in."""
        return self.name.partition(".")[0]


CORRECTIONS: dict[str, Correction] = {}


def _correction(name: str) -> Correction:
    return CORRECTIONS.setdefault(name, Correction(name))


def around(correction: str, owner: Any, name: str, key: str | None = None) -> Callable[[F], F]:
    """Declare that a function wraps what `owner` has under a name: it gets that as its first argument.

    What it refuses (`Refused`) becomes the answer.
    """

    def declare(call: F) -> F:
        def wrap(original: Any) -> Any:
            return answering(functools.partial(call, original))

        _correction(correction).patches.append(Patch(owner, name, wrap, key))
        return call

    return declare


def instead(correction: str, owner: Any, name: str, key: str | None = None) -> Callable[[F], F]:
    """Declare that a function replaces what `owner` has under a name. What it refuses becomes the answer."""

    def declare(call: F) -> F:
        _correction(correction).patches.append(Patch(owner, name, lambda _original: answering(call), key))
        return call

    return declare


def unless_left_out(correction: str, otherwise: Callable[..., Any]) -> Callable[[F], F]:
    """Declare that a function is a correction by itself, and what takes its place where that is left out.

    It is called by its name in its module, which then has `otherwise`.
    """

    def declare(call: F) -> F:
        module = sys.modules[call.__module__]
        _correction(correction).without.append(Patch(module, call.__name__, lambda _original: otherwise))
        return call

    return declare


def patches_of(corrections: Iterable[Correction], left_out: str = "") -> list[Patch]:
    """The patches to apply, in order, but for the corrections that `left_out` names, with commas between them."""
    made = list(corrections)
    names = {name.strip() for name in left_out.split(",")} - {""}
    unknown = sorted(names - {each.name for each in made})
    if unknown:
        raise UnknownCorrection(unknown[0], [each.name for each in made])
    return [patch for each in made for patch in (each.without if each.name in names else each.patches)]
