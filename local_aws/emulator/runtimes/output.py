"""What containers write, as the `awslogs` driver makes events of it.

A line is an event, an empty one is none, and a longer one than an event can be is several. Source:
https://github.com/moby/moby/blob/master/daemon/logger/awslogs/cloudwatchlogs.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

EVENT_BYTES = 262_144 - 26
"""The most of an event: 256 KiB less what each one counts besides its text."""


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of an output that arrives in pieces, without line ends."""
    rest = bytearray()
    for chunk in chunks:
        *ended, begun = chunk.split(b"\n")
        for part in ended:
            rest += part
            yield from _events(rest, 1)
            rest.clear()
        rest += begun
        yield from _events(rest, EVENT_BYTES + 1)
    yield from _events(rest, 1)


def _events(line: bytearray, least: int) -> Iterator[str]:
    """Takes events from the start of a line while it has `least` bytes or more."""
    while len(line) >= least:
        end = EVENT_BYTES
        # Between characters: the second byte of one, and those after it, begin with the bits 10.
        while end < len(line) and end > EVENT_BYTES - 4 and line[end] & 0xC0 == 0x80:
            end -= 1
        if text := line[:end].decode("utf-8", errors="replace").rstrip("\r"):
            yield text
        del line[:end]
