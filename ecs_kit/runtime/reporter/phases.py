"""The phases of attempts, and how many tasks were in each at the same time. Pure functions of rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.reporter.items import Item

MOST_POINTS = 400
"""Of the curve of concurrency: about as many as a screen can show."""


class Phases(NamedTuple):
    """When an attempt was queued, its image pulled, its container started and ended: milliseconds since 1970.

    A phase lasts until the next one that is not None. `ended` is None while the attempt is active.
    """

    queued: int | None = None
    pulling: int | None = None
    running: int | None = None
    ended: int | None = None

    @property
    def begun(self) -> int | None:
        """When its first phase began."""
        return next((moment for moment in self if moment is not None), None)

    def spans(self, until: int) -> list[tuple[int, int, int]]:
        """Number of the phase from 0, begin and end of each; an active attempt's last phase lasts `until`."""
        known = [(number, moment) for number, moment in enumerate(self[:3]) if moment is not None]
        ends = [*(moment for _, moment in known[1:]), until if self.ended is None else self.ended]
        return [(number, moment, max(moment, end)) for (number, moment), end in zip(known, ends, strict=False)]


class Concurrency(NamedTuple):
    """How many attempts were queued, pulling and running at each of `times`, in milliseconds since 1970.

    A value holds until the next time. `most` is the most attempts at once, in whatever phase; `most_running` of those
    that ran.
    """

    times: list[int]
    queued: list[int]
    pulling: list[int]
    running: list[int]
    most: int
    most_running: int


def milliseconds(text: object) -> int | None:
    """A time in ISO 8601 as milliseconds since 1970; None where there is none."""
    return round(datetime.fromisoformat(str(text)).timestamp() * 1000) if text else None


def phases_of(row: Item) -> Phases:
    """The phases of an attempt, by its row: ECS's own times where it has them, else those of the task.

    The clocks of ECS and of the task differ a little: no phase ends before it began.
    """
    status, seconds = row.get("status"), row.get("exec_time_in_seconds")
    start = milliseconds(row.get("start_time"))
    has_begun = seconds is not None or status in (TaskStatus.RUNNING, TaskStatus.COMPLETED)
    running = milliseconds(row.get("started_at")) or (start if has_begun else None)
    ended = None
    if status in (TaskStatus.COMPLETED, TaskStatus.FAILED):
        own = None if start is None or seconds is None else start + round(float(seconds) * 1000)
        ended = milliseconds(row.get("stopped_at")) or own or milliseconds(row.get("update_time"))
    queued = milliseconds(row.get("queued_at")) or (start if running is None else None)
    known = (queued, milliseconds(row.get("pull_started_at")), running, ended)
    latest = accumulate((moment or 0 for moment in known), max)
    return Phases(*(None if moment is None else at for moment, at in zip(known, latest, strict=True)))


def concurrency(attempts: Iterable[Phases], until: int) -> Concurrency:
    """How many attempts were in each phase at the same time; `until` is the end of what is known."""
    changes = sorted(
        (moment, phase, change)
        for attempt in attempts
        for phase, begin, end in attempt.spans(until)
        for moment, change in ((begin, 1), (end, -1))
    )
    now, most, most_running = [0, 0, 0], 0, 0
    points: list[tuple[int, int, int, int]] = []
    for moment, group in groupby(changes, key=lambda change: change[0]):
        for _, phase, change in group:
            now[phase] += change
        most, most_running = max(most, sum(now)), max(most_running, now[2])
        points.append((moment, *now))
    kept = _thinned(points)
    times, queued, pulling, running = ([point[column] for point in kept] for column in range(4))
    return Concurrency(times, queued, pulling, running, most, most_running)


def _thinned(points: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """At most `MOST_POINTS`: of each of as many equal spans the last point."""
    if len(points) <= MOST_POINTS:
        return list(points)
    first, last = points[0][0], points[-1][0]
    width = max(1, (last - first) / (MOST_POINTS - 1))
    ends = [this for this, after in pairwise(points) if (this[0] - first) // width != (after[0] - first) // width]
    return [*ends, points[-1]]
