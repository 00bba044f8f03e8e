"""What a destroy waits for: said when nothing was deleted for a while.

On AWS subnets and security groups wait for Lambda's network interfaces, for half an hour and more.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ecs_kit.automation.journeys.progress import short_type
from ecs_kit.automation.stacks.lifecycle import OnResource, ResourceStep

QUIET_SECONDS = 30.0
"""After so long without a deletion the user is told what is still being deleted."""
AGAIN_SECONDS = 300.0
"""And told again so long after that."""
NAMED = 6
"""More resources than these are counted only."""


class SlowDeletions:
    """Which resources are being deleted, and when to say so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, float] = {}
        self._say_at = 0.0

    def note(self, step: ResourceStep, now: float) -> None:
        """The engine began or ended an operation on a resource at `now`."""
        if not step.operation.startswith("delete"):
            return
        name = f"{short_type(step.type)} {step.name}"
        with self._lock:
            if not self._open or step.state != "started":
                self._say_at = now + QUIET_SECONDS
            if step.state == "started":
                self._open[name] = now
            else:
                self._open.pop(name, None)

    def due(self, now: float) -> str | None:
        """What to say at `now`, the longest deletion first; None where one ended just before."""
        with self._lock:
            if not self._open or now < self._say_at:
                return None
            self._say_at = now + AGAIN_SECONDS
            waiting = sorted(self._open.items(), key=lambda item: item[1])
        lines = [f"  {name}, for {_duration(now - since)}" for name, since in waiting[:NAMED]]
        if len(waiting) > NAMED:
            lines.append(f"  and {len(waiting) - NAMED} more")
        return "\n".join(["still being deleted:", *lines])


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


@contextmanager
def reported(
    say: Callable[[str], None],
    on_resource: OnResource,
    *,
    clock: Callable[[], float] = time.monotonic,
    ended: threading.Event | None = None,
) -> Iterator[OnResource]:
    """Meanwhile, tell `say` from another thread what is still being deleted.

    `on_resource` gets every step that the yielded function gets. `ended` is set at the end; its `wait` is the pause
    between two looks.
    """
    deletions, ended = SlowDeletions(), ended or threading.Event()

    def note(step: ResourceStep) -> None:
        deletions.note(step, clock())
        on_resource(step)

    def look() -> None:
        while not ended.wait(1.0):
            if (line := deletions.due(clock())) is not None:
                say(line)

    thread = threading.Thread(target=look, name="slow-deletions", daemon=True)
    thread.start()
    try:
        yield note
    finally:
        ended.set()
        thread.join()
