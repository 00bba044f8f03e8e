"""The clock, and times as text."""

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clock. Tests pass one of their own."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait; not at all for zero or less."""
        if seconds > 0:
            time.sleep(seconds)


def to_iso(moment: datetime) -> str:
    """Write a time as the tables hold it: ISO 8601, UTC, milliseconds, for example `2026-11-24T03:50:44.120Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> datetime:
    """Read an ISO 8601 time; without an offset it counts as UTC.

    Raises:
        ValueError: it is none, or in UTC it is outside the years 1 to 9999.
    """
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is out of range") from error
