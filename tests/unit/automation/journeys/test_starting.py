"""Runs from the objects below a prefix."""

from ecs_kit.automation.journeys import starting


def test_tasks_have_the_names_of_their_objects_made_distinct() -> None:
    keys = ["in/a b", "in/a-b", "in/a-b-2", "in/sub/c.txt", "in/…"]
    assert list(starting._names(keys, "in/")) == ["a-b-1", "a-b-3", "a-b-2", "sub-c.txt", "-"]
