"""Runs from lists of tasks."""

from pathlib import Path

import pytest

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.journeys import starting
from tests.unit.automation.journeys.test_spec_files import DEPLOYED


def test_a_list_of_tasks_that_is_wrong_is_named_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(BadInput, match=f"{path} is not a valid spec"):
        starting.of_file(DEPLOYED, path)
