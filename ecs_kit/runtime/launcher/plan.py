"""What one call of the launcher launches, in order: retries that are due, then the task list where it was left off."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ecs_kit.runtime.contract.attempts import Launch
from ecs_kit.runtime.contract.specs import TaskEntry


@dataclass(order=True)
class Pending:
    """A pending launch, ordered by the due time of its next call."""

    due: datetime
    position: int
    launch: Launch = field(compare=False)
    tries: int = field(default=0, compare=False)
    launch_try: int = field(default=0, compare=False)
    uncertain_tries: int = field(default=0, compare=False)


class Plan:
    """The launches of a call, which are read from the task list as they are taken; at most `room` of them."""

    def __init__(
        self,
        retries: Sequence[Launch],
        skipped: Iterable[int],
        indices: range,
        entry: Callable[[int], TaskEntry],
        *,
        room: int | None,
        is_recorded: Callable[[str, int], bool],
    ) -> None:
        """`indices` are those of the task list that no call has launched yet, `skipped` some below them.

        `is_recorded` says whether an attempt, by task name and number, has a row already.
        """
        self._retries = list(retries)
        self._skipped = list(skipped)
        self._next, self._end = indices.start, indices.stop
        self._entry = entry
        self._room = room
        self._is_recorded = is_recorded

    def take(self) -> Launch | None:
        """Return the next launch; None where there is none, or no room for it."""
        while self.left > 0 and self._room != 0:
            launch = self._next_launch()
            if not self._is_recorded(launch.entry.name, launch.attempt):
                self._room = None if self._room is None else self._room - 1
                return launch
        return None

    def _next_launch(self) -> Launch:
        if self._retries:
            return self._retries.pop(0)
        if self._skipped:
            index = self._skipped.pop(0)
        else:
            index, self._next = self._next, self._next + 1
        return Launch(self._entry(index), 1, index)

    @property
    def left(self) -> int:
        """How many launches have not been taken, whether there is room for them or not."""
        return len(self._retries) + len(self._skipped) + self._end - self._next

    @property
    def has_room(self) -> bool:
        """Whether there is room for more launches than were taken."""
        return self._room != 0

    def set_room(self, room: int) -> None:
        """Say how many further launches there is room for."""
        self._room = room

    def position(self, pending: Iterable[Launch]) -> tuple[int, list[int]]:
        """Return up to where the task list is launched, and the indices below that are not, with those `pending`."""
        own = (launch.index for launch in pending if launch.attempt == 1)
        return self._next, sorted({*own, *self._skipped})


def indices_of(text: str | None) -> Iterator[int]:
    """Read the indices in a run's `skipped`."""
    return map(int, text.split(",")) if text else iter(())
