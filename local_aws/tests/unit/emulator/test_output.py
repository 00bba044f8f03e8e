"""What containers write, as events of their log."""

from __future__ import annotations

import pytest

from local_aws.emulator.runtimes.output import EVENT_BYTES, lines


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_output_is_lines_however_it_arrives(size: int) -> None:
    written = "one\r\nB\u00e4r\n\n\nlast".encode()
    chunks = [written[start : start + size] for start in range(0, len(written), size)]
    assert list(lines(chunks)) == ["one", "B\u00e4r", "last"]


def test_what_is_no_text_is_replaced() -> None:
    assert list(lines([b"\x00\xff\xfe\n\xc3"])) == ["\x00\ufffd\ufffd", "\ufffd"]


def test_nothing_is_no_line() -> None:
    assert list(lines([])) == list(lines([b"", b"\n\r\n"])) == []


def test_a_line_longer_than_an_event_is_several() -> None:
    chunks = [b"x" * 1000] * 600
    assert [len(line) for line in lines([*chunks, b"\nend"])] == [
        EVENT_BYTES,
        EVENT_BYTES,
        600_000 - 2 * EVENT_BYTES,
        3,
    ]


def test_a_line_that_does_not_end_is_not_kept_back() -> None:
    arriving = iter([b"x" * EVENT_BYTES, b"yz", b""])
    found = lines(arriving)
    assert next(found) == "x" * EVENT_BYTES
    assert next(arriving) == b""


@pytest.mark.parametrize("shift", range(4))
def test_events_end_between_characters(shift: int) -> None:
    text = "x" * shift + "\U0001f43b" * 70_000
    written = text.encode()
    found = list(lines([written[:EVENT_BYTES], written[EVENT_BYTES:]]))
    assert len(found) == 2 and "".join(found) == text
