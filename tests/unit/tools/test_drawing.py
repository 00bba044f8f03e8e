"""The drawings are made of the code, and packages do not import each other."""

from graphlib import CycleError

import pytest

from tools import drawing, state_machines


def test_packages_that_import_each_other_are_refused() -> None:
    assert drawing.mermaid({"a": {"b"}, "b": set()}).splitlines()[2:4] == ['    a["a"]', '    b["b"]']
    with pytest.raises(CycleError):
        drawing.mermaid({"a": {"b"}, "b": {"a"}})


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        (1, ["LaunchTasks --> MoreToLaunch", "MoreToLaunch --> LaunchAndTrack", "LaunchTasks -.-> StartRefused"]),
        (2, ['subgraph RunTasks["RunTasks, for each task"]', "RunTask -.-> RecordFailure", "TasksDone --> RunFailed"]),
    ],
)
def test_a_state_machine_is_drawn_with_its_choices_caught_errors_and_inner_states(
    pattern: int, lines: list[str]
) -> None:
    drawn = [line.strip() for line in state_machines.mermaid(pattern).splitlines()]
    assert [line for line in lines if line not in drawn] == []
    assert drawn.count("end") == {1: 1, 2: 4}[pattern]
