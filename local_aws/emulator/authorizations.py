"""What each role asked IAM for: action, resource, and whether it was allowed, as the emulator decided it.

`Authorization` is what the emulator answers at `PATH`; `Recorder` records, in the emulator's process, from the moment
that it is reset until it is switched off. Off, as at first, it records nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

PATH = "/_emulator/authorizations"
"""GET reads the record; POST empties it and switches it on; DELETE switches it off."""


@dataclass(frozen=True, order=True)
class Authorization:
    """A decision by the policies of a role, which the same question got every time.

    Attributes:
        role: its name.
        action: `service:Action`.
        resource: an ARN, or `*` where the call names none.
        allowed: whether the policies of the role allow it. A policy of the resource is not asked.
        statement: the `Sid` of the statement that allows or forbids it; empty where no statement matches.
    """

    role: str
    action: str
    resource: str
    allowed: bool
    statement: str = ""

    @classmethod
    def parse(cls, document: Iterable[Mapping[str, Any]]) -> tuple[Authorization, ...]:
        """From the JSON at `PATH`."""
        return tuple(cls(**each) for each in document)


@dataclass
class Recorder:
    """Records while it is `on`: each decision once."""

    on: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _found: set[Authorization] = field(default_factory=set)

    def reset(self) -> None:
        """Empty it and switch it on."""
        with self._lock:
            self.on, self._found = True, set()

    def switch_off(self) -> None:
        """Record no more, and forget what was recorded."""
        with self._lock:
            self.on, self._found = False, set()

    def record(self, decision: Authorization) -> None:
        """Record a decision."""
        with self._lock:
            if self.on:
                self._found.add(decision)

    def read(self) -> list[dict[str, Any]]:
        """What `Authorization.parse` reads."""
        with self._lock:
            found = sorted(self._found)
        return [asdict(each) for each in found]


recorder = Recorder()
"""The recorder of the emulator's process."""
