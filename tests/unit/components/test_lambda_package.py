"""Deployment packages depend on their sources and on nothing else."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ecs_kit.components import lambda_package
from ecs_kit.components.errors import SourcesMissing
from tests.unit.components.recorder import PROJECT

SOURCES = {
    "ecs_kit/__init__.py": "",
    "ecs_kit/runtime/__init__.py": "",
    "ecs_kit/runtime/contract/records.py": "x = 1\n",
    "ecs_kit/runtime/common/tables.py": "w = 1\n",
    "ecs_kit/runtime/functions/registration.py": "v = 1\n",
    "ecs_kit/runtime/launcher/handler.py": "y = 1\n",
    "ecs_kit/runtime/monitor/handler.py": "z = 1\n",
    "ecs_kit/runtime/task/job.py": "w = 1\n",
    "specs/workflow_specs.schema.json": "{}",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path, content in SOURCES.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path


def packed(project: Path, function: lambda_package.FunctionName) -> bytes:
    return (project / lambda_package.build(function, project)).read_bytes()


def test_a_package_holds_the_function_what_is_shared_the_schema_and_the_validator(project):
    paths = set(lambda_package.contents("launcher", project))
    own = {path for path in paths if not path.startswith("fastjsonschema/")}
    assert own == {
        "ecs_kit/__init__.py",
        "ecs_kit/runtime/__init__.py",
        "ecs_kit/runtime/common/tables.py",
        "ecs_kit/runtime/contract/records.py",
        "ecs_kit/runtime/functions/registration.py",
        "ecs_kit/runtime/functions/workflow_specs.schema.json",
        "ecs_kit/runtime/launcher/handler.py",
    }
    assert {"fastjsonschema/__init__.py", "fastjsonschema/LICENSE"} <= paths


def test_nothing_in_a_package_is_compiled(project):
    suffixes = {Path(path).suffix for path in lambda_package.contents("monitor", project)}
    assert suffixes <= {".py", ".json", "", ".typed"}


def test_the_path_is_relative_so_that_the_state_does_not_depend_on_the_machine(project):
    assert lambda_package.build("monitor", project) == Path(".kit/build/monitor.zip")


def test_the_same_sources_give_the_same_bytes_whatever_their_times_modes_and_place(project, tmp_path_factory):
    before = packed(project, "monitor")
    file = project / "ecs_kit/runtime/monitor/handler.py"
    file.chmod(0o600)
    os.utime(file, (1, 1))
    (project / "ecs_kit/runtime/monitor/__pycache__").mkdir()
    (project / "ecs_kit/runtime/monitor/__pycache__/handler.cpython-311.pyc").write_bytes(b"1")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "project"
    project.rename(elsewhere)
    assert packed(elsewhere, "monitor") == before


def test_a_changed_function_changes_its_own_package_only(project):
    before = {function: packed(project, function) for function in ("launcher", "monitor")}
    (project / "ecs_kit/runtime/monitor/handler.py").write_text("changed")
    assert packed(project, "launcher") == before["launcher"]
    assert packed(project, "monitor") != before["monitor"]


def test_a_changed_task_changes_no_package(project):
    before = packed(project, "monitor")
    (project / "ecs_kit/runtime/task/job.py").write_text("changed")
    assert packed(project, "monitor") == before


def test_a_package_that_has_not_changed_is_not_written_again(project):
    path = project / lambda_package.build("monitor", project)
    os.utime(path, (1, 1))
    lambda_package.build("monitor", project)
    assert path.stat().st_mtime == 1


def test_entries_have_fixed_times_and_modes_in_order_and_are_stored():
    with zipfile.ZipFile(io.BytesIO(lambda_package.archive({"b": b"2", "a": b"1"}))) as package:
        entries = package.infolist()
    assert [entry.filename for entry in entries] == ["a", "b"]
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}


@pytest.mark.parametrize("missing", ["specs/workflow_specs.schema.json", "ecs_kit/runtime/launcher/handler.py"])
def test_a_checkout_that_lacks_sources_is_refused_with_their_place(project, missing):
    (project / missing).unlink()
    with pytest.raises(SourcesMissing, match=r"not found at .*check"):
        lambda_package.build("launcher", project)


def test_a_validator_that_is_not_installed_is_named(project, monkeypatch):
    monkeypatch.setattr(lambda_package, "VENDORED", "no_such_package")
    with pytest.raises(SourcesMissing, match=r"no_such_package not found.*requirements\.lock"):
        lambda_package.build("launcher", project)


@pytest.mark.parametrize("function", ["launcher", "monitor"])
def test_the_handler_can_be_imported_from_its_package_alone(function, tmp_path):
    zipfile.ZipFile(io.BytesIO(lambda_package.archive(lambda_package.contents(function, PROJECT)))).extractall(tmp_path)
    code = (
        f"import ecs_kit.runtime.{function}.handler as h, fastjsonschema as f\n"
        "print(h.__file__, f.__file__, callable(h.handler))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    handler, validator, is_callable = done.stdout.split()
    assert handler.startswith(str(tmp_path)) and validator.startswith(str(tmp_path)) and is_callable == "True"
