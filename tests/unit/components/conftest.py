"""Settings and fixtures of these tests."""

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small copy of the kit's folder, in which the program runs."""
    folders = ("contract", "common", "functions", "launcher", "monitor", "task")
    sources = [f"ecs_kit/runtime/{folder}/{folder}.py" for folder in folders]
    sources += ["ecs_kit/__init__.py", "ecs_kit/runtime/__init__.py", "ecs_kit/runtime/task/Dockerfile"]
    for path in (*sources, "ecs_kit/specs/workflow_specs.schema.json"):
        file = tmp_path / "project" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"
