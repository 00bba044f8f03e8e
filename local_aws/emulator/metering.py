"""What a run would have cost: calls, DynamoDB capacity, state transitions, payloads, functions, as they were counted.

`Reading` is what the emulator answers at `PATH`; `Meter` counts, in the emulator's process, from the moment that it is
reset until it is switched off. Off, as at first, it counts nothing.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

PATH = "/_emulator/meter"
"""GET reads the meter; POST sets it to zero and switches it on; DELETE switches it off."""


@dataclass(frozen=True)
class Calls:
    """Calls of an operation by a role; `role` is its name, or `root`. `errors` are those answered with an error.

    Calls that injected faults answer count; those that IAM denies do not, for no service sees them.
    """

    service: str
    operation: str
    role: str
    calls: int
    errors: int


@dataclass(frozen=True)
class Capacity:
    """Capacity units of an operation on a table, or on its `index` (empty: the table itself)."""

    table: str
    index: str
    operation: str
    read: float
    write: float


@dataclass(frozen=True)
class Executions:
    """Executions of a state machine that ended; those of a Map Run are of `MACHINE/LABEL`.

    Attributes:
        transitions: states entered, and repeated attempts of Task states
            (https://aws.amazon.com/step-functions/pricing/ counts retries); `most_transitions` of one execution.
        events: in their histories; `most_events` of one execution.
    """

    state_machine: str
    count: int
    transitions: int
    most_transitions: int
    events: int
    most_events: int


@dataclass(frozen=True)
class Payload:
    """Bytes of the largest payload of a state, as JSON: its arguments, result, output or variables."""

    state: str
    bytes: int


@dataclass(frozen=True)
class Function:
    """Invocations of a function.

    Attributes:
        longest_seconds: of one invocation, by the wall clock, without the start of its environment.
        peak_memory_bytes: the most that one of its processes had resident since it started (`VmHWM` in
            /proc/PID/status, read after each invocation); 0 where the process had ended by then.
    """

    name: str
    calls: int
    errors: int
    total_seconds: float
    longest_seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class Reading:
    """The meter, read."""

    calls: tuple[Calls, ...] = ()
    capacity: tuple[Capacity, ...] = ()
    executions: tuple[Executions, ...] = ()
    payloads: tuple[Payload, ...] = ()
    functions: tuple[Function, ...] = ()

    @classmethod
    def parse(cls, document: Mapping[str, Iterable[Mapping[str, Any]]]) -> Reading:
        """From the JSON at `PATH`."""
        return cls(**{name: tuple(kind(**each) for each in document[name]) for name, kind in _PARTS.items()})

    def calls_of(self, service: str, operation: str) -> int:
        """Calls of an operation by anyone."""
        return sum(each.calls for each in self.calls if (each.service, each.operation) == (service, operation))

    def read_units(self, table: str) -> float:
        """Read units of a table with its indexes."""
        return sum(each.read for each in self.capacity if each.table == table)

    def write_units(self, table: str) -> float:
        """Write units of a table with its indexes."""
        return sum(each.write for each in self.capacity if each.table == table)


_PARTS: Mapping[str, type[Any]] = {
    "calls": Calls,
    "capacity": Capacity,
    "executions": Executions,
    "payloads": Payload,
    "functions": Function,
}


@dataclass
class Meter:
    """Counts while it is `on`."""

    on: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counts: dict[str, dict[tuple[str, ...], dict[str, float]]] = field(default_factory=dict)

    def reset(self) -> None:
        """Set it to zero and switch it on."""
        with self._lock:
            self._counts = {part: defaultdict(lambda: defaultdict(int)) for part in _PARTS}
            self.on = True

    def switch_off(self) -> None:
        """Count no more, and forget what was counted."""
        with self._lock:
            self.on, self._counts = False, {}

    def _count(self, part: str, key: tuple[str, ...], added: Mapping[str, float], most: Mapping[str, float]) -> None:
        with self._lock:
            if not self.on:
                return
            counts = self._counts[part][key]
            for name, value in added.items():
                counts[name] += value
            for name, value in most.items():
                counts[name] = max(counts[name], value)

    def call(self, service: str, operation: str, role: str, *, failed: bool) -> None:
        """Count a call."""
        self._count("calls", (service, operation, role), {"calls": 1, "errors": int(failed)}, {})

    def capacity(self, table: str, index: str, operation: str, *, read: float = 0.0, write: float = 0.0) -> None:
        """Count capacity units."""
        self._count("capacity", (table, index, operation), {"read": read, "write": write}, {})

    def execution(self, state_machine: str, events: int, kinds: Iterable[str]) -> None:
        """Count an execution that ended, with the types of its events."""
        if not self.on:
            return
        found = list(kinds)
        entered = sum(kind.endswith("StateEntered") for kind in found)
        again = max(0, found.count("TaskScheduled") - found.count("TaskStateEntered"))
        transitions = entered + again
        added = {"count": 1, "transitions": transitions, "events": events}
        self._count("executions", (state_machine,), added, {"most_transitions": transitions, "most_events": events})

    def payload(self, state: str, size: int) -> None:
        """Note a payload's bytes."""
        if self.on:
            self._count("payloads", (state,), {}, {"bytes": size})

    def invocation(self, function: str, seconds: float, memory_bytes: int, *, failed: bool) -> None:
        """Count an invocation of a function."""
        added = {"calls": 1, "errors": int(failed), "total_seconds": seconds}
        self._count("functions", (function,), added, {"longest_seconds": seconds, "peak_memory_bytes": memory_bytes})

    def read(self) -> dict[str, list[dict[str, Any]]]:
        """What `Reading.parse` reads."""
        document: dict[str, list[dict[str, Any]]] = {}
        with self._lock:
            for part, kind in _PARTS.items():
                names = [each.name for each in fields(kind)]
                document[part] = [
                    {**dict(zip(names, key, strict=False)), **counts}
                    for key, counts in sorted(self._counts.get(part, {}).items())
                ]
        return document


meter = Meter()
"""The meter of the emulator's process."""
