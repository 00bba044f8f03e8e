"""Rules of Distributed Map states that need no execution.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from __future__ import annotations

import pytest
from ministack.services.stepfunctions import _ExecutionError

from local_aws.emulator.aws_behaviour import states_map_runs
from local_aws.emulator.aws_behaviour.states_map_runs import batches, exceeded, parse_items
from local_aws.emulator.aws_behaviour.states_scope import Scope


@pytest.mark.parametrize(
    ("most", "most_bytes", "sizes"),
    [(2, None, [2, 2, 1]), (None, None, [5]), (None, 19, [2, 2, 1]), (1, 19, [1] * 5), (None, 17, [1] * 5)],
)
def test_a_batch_is_full_by_its_items_or_its_bytes(most: int | None, most_bytes: int | None, sizes: list[int]) -> None:
    # {"Items":[]} is 12 bytes, and each item 3 with its comma.
    assert [len(each["Items"]) for each in batches([10, 11, 12, 13, 14], most, most_bytes)] == sizes


def test_an_item_that_fits_into_no_batch_fails_the_reader() -> None:
    with pytest.raises(_ExecutionError) as error:
        list(batches(["x" * 20], None, 30))
    assert error.value.error == "States.ItemReaderFailed"


@pytest.mark.parametrize(
    ("failed", "count", "percentage", "fails"),
    [
        (0, None, None, False),
        (1, None, None, True),
        (1, 1, None, False),
        (2, 1, None, True),
        (5, None, 50, False),
        (6, None, 50, True),
        (1, 0, 50, True),
    ],
)
def test_either_threshold_fails_a_map_run(
    failed: int, count: float | None, percentage: float | None, fails: bool
) -> None:
    assert exceeded(failed, 10, count, percentage) is fails


def test_a_line_separator_within_json_ends_no_line() -> None:
    assert parse_items('{"a": "x\u2028y"}\r\n2', {"InputType": "JSONL"}) == [{"a": "x\u2028y"}, 2]


@pytest.mark.parametrize("text", ["{}", "[1"])
def test_what_is_no_json_array_fails_the_reader(text: str) -> None:
    with pytest.raises(_ExecutionError) as error:
        parse_items(text, {"InputType": "JSON"})
    assert error.value.error == "States.ItemReaderFailed"


def test_a_packed_history_reads_as_it_was() -> None:
    events = [{"id": number, "type": "PassStateEntered"} for number in range(3)]
    packed = states_map_runs.PackedEvents(events)
    assert (list(packed), len(packed), packed[-1], packed[1:]) == (events, 3, events[2], events[1:])


def test_a_scope_that_is_over_ends_its_children_and_those_that_come_later() -> None:
    scope = Scope()
    with scope.child() as child, child.child() as grandchild:
        scope.cancel()
        assert child.cancelled and grandchild.cancelled
    with scope.child() as late:
        assert late.cancelled
