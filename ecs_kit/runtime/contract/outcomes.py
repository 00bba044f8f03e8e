"""Which tasks of a run are counted, and how: one character for each, at its place in the task list.

They are in the run's own item, of longer runs in further items of the summary table, each with those of 1,800 tasks.
They and the run's counts change in one write or transaction, so that each task is counted once, whatever is
interrupted or repeated. The items have no `status`: they are no runs.
"""

from collections.abc import Iterable, Mapping

OUTCOMES = "outcomes"

TASKS_IN_RUN = 250
"""Longest run whose outcomes are in its own item, each write of which is charged for all of it."""

TASKS_PER_ITEM = 1800
"""A read is charged by 4 KB, a write in a transaction twice for each KB; what ends together is mostly in one item."""

_LETTERS = {None: "-", True: "c", False: "f"}
_OUTCOMES = {letter: outcome for outcome, letter in _LETTERS.items()}


def key(workflow_name: str, item: int) -> str:
    """Return the hash key of an item, by its number from 0; its range key is the run's."""
    return f"counted/{workflow_name}/{item}"


def items_of(indices: Iterable[int]) -> list[int]:
    """Return the numbers of the items that have the outcomes of tasks."""
    return sorted({index // TASKS_PER_ITEM for index in indices})


def outcome(text: str, index: int) -> bool | None:
    """Return whether a task completed or failed, None where it is not counted; `text` is of the item that has it."""
    place = index % TASKS_PER_ITEM
    return _OUTCOMES[text[place]] if place < len(text) else None


def changed(text: str, outcomes: Mapping[int, bool]) -> str:
    """Return the text of an item with other outcomes, all of its own tasks."""
    letters = list(text)
    for index, value in outcomes.items():
        place = index % TASKS_PER_ITEM
        letters += _LETTERS[None] * (place + 1 - len(letters))
        letters[place] = _LETTERS[value]
    return "".join(letters)
