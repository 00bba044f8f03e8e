"""Deployment packages depend on their sources and on nothing else; packed files are complete at any time."""

import io
import os
import tempfile
import zipfile
from pathlib import Path

import pytest

from ecs_kit.components import build_folder, lambda_package
from ecs_kit.components.errors import SourcesMissing
from tests.unit.components.recorder import PROJECT

FILES = {"a/b.py": (0o644, b"1"), "c.py": (0o644, b"2")}


def packed(project: Path, function: lambda_package.FunctionName = "monitor") -> bytes:
    return lambda_package.build(function, project).read_bytes()


def test_a_package_holds_the_function_the_shared_modules_the_schema_and_the_validator(project):
    paths = set(lambda_package.contents("launcher", project))
    assert {path for path in paths if not path.startswith("fastjsonschema/")} == {
        "ecs_kit/__init__.py",
        "ecs_kit/runtime/__init__.py",
        *(f"ecs_kit/runtime/{folder}/{folder}.py" for folder in ("common", "contract", "functions", "launcher")),
        "ecs_kit/specs/workflow_specs.schema.json",
    }
    assert {"fastjsonschema/__init__.py", "fastjsonschema/LICENSE"} <= paths
    assert {Path(path).suffix for path in paths} <= {".py", ".json", "", ".typed"}, "nothing is compiled"


def test_the_reporter_s_package_holds_the_page_the_prices_and_the_meanings_of_errors():
    paths = set(lambda_package.contents("reporter", PROJECT))
    assert {
        f"ecs_kit/runtime/reporter/{name}" for name in ("handler.py", "prices.toml", "page.html", "page.js")
    } <= paths
    assert {f"ecs_kit/conditions/{page.name}" for page in (PROJECT / "docs" / "conditions").glob("*.md")} <= paths
    others = {path for path in paths if path.startswith("ecs_kit/") and not path.endswith(".py")}
    assert not others & set(lambda_package.contents("monitor", PROJECT)) - {lambda_package.SCHEMA}


def test_the_same_sources_give_the_same_bytes_whatever_their_times_modes_and_folder(project, monkeypatch):
    before = packed(project)
    file = project / "ecs_kit/runtime/monitor/monitor.py"
    file.chmod(0o600)
    os.utime(file, (1, 1))
    (project / "ecs_kit/runtime/monitor/__pycache__").mkdir()
    (project / "ecs_kit/runtime/monitor/__pycache__/monitor.cpython-311.pyc").write_bytes(b"1")
    elsewhere = project.rename(project.parent / "elsewhere")
    monkeypatch.chdir(elsewhere)
    assert packed(elsewhere) == before


def test_a_changed_function_changes_its_own_package_only_and_a_changed_task_none(project):
    before = packed(project, "launcher"), packed(project, "monitor")
    (project / "ecs_kit/runtime/task/task.py").write_text("changed")
    assert (packed(project, "launcher"), packed(project, "monitor")) == before
    (project / "ecs_kit/runtime/monitor/monitor.py").write_text("changed")
    assert packed(project, "launcher") == before[0] and packed(project, "monitor") != before[1]


def test_an_unchanged_package_is_not_written_again(project):
    path = lambda_package.build("monitor", project)
    assert path == Path(".kit/build/monitor.zip"), "relative, so that the state does not depend on the machine"
    os.utime(path, (1, 1))
    lambda_package.build("monitor", project)
    assert path.stat().st_mtime == 1


def test_entries_have_fixed_times_and_modes_in_order_and_are_stored():
    with zipfile.ZipFile(io.BytesIO(lambda_package.archive({"b": b"2", "a": b"1"}))) as package:
        entries = package.infolist()
    assert [(each.filename, each.date_time, each.external_attr >> 16, each.compress_type) for each in entries] == [
        (name, (1980, 1, 1, 0, 0, 0), 0o100644, zipfile.ZIP_STORED) for name in ("a", "b")
    ]


@pytest.mark.parametrize(
    "missing", ["ecs_kit/specs/workflow_specs.schema.json", "ecs_kit/runtime/launcher/launcher.py"]
)
def test_missing_sources_are_an_error_with_their_path(project, missing):
    (project / missing).unlink()
    with pytest.raises(SourcesMissing, match=r"not found at .*check"):
        lambda_package.build("launcher", project)


def test_a_validator_that_is_not_installed_is_an_error_with_its_name(project, monkeypatch):
    monkeypatch.setattr(lambda_package, "VENDORED", "no_such_package")
    with pytest.raises(SourcesMissing, match=r"no_such_package not found.*requirements\.lock"):
        lambda_package.build("launcher", project)


def test_a_file_is_replaced_atomically_and_readable_by_all(tmp_path):
    for content in (b"1", b"2"):
        build_folder.put_file(tmp_path / "x/y.zip", content)
    assert build_folder.read_folder(tmp_path) == {"x/y.zip": (0o644, b"2")}


def test_a_folder_that_another_deployment_made_meanwhile_is_kept(tmp_path, monkeypatch):
    make, target = tempfile.mkdtemp, tmp_path / "task-image" / "0123"

    def make_after_another_deployment(**where):
        monkeypatch.setattr(tempfile, "mkdtemp", make)
        build_folder.put_folder(target, FILES)
        return make(**where)

    monkeypatch.setattr(tempfile, "mkdtemp", make_after_another_deployment)
    build_folder.put_folder(target, FILES)
    assert build_folder.read_folder(target.parent) == {f"0123/{path}": file for path, file in FILES.items()}


@pytest.mark.parametrize(
    ("path", "is_source"),
    [
        *(("task/job.py", True), ("task/Dockerfile", True), ("job.pyc", False), (".env", False)),
        *(("task/__pycache__/job.cpython-311.pyc", False), ("task/.cache/x", False), ("job.py~", False)),
    ],
)
def test_compiled_hidden_and_backup_files_are_no_sources(path, is_source):
    assert build_folder.is_source(Path(path)) is is_source


@pytest.mark.parametrize("folders", [("task",), ("monitor",)])
def test_what_programs_import_of_the_kit_is_in_no_package_and_no_image(project, folders):
    before = {path: file.read_bytes() for path, file in build_folder.library(project, folders).items()}
    (project / "ecs_kit/__init__.py").write_text("a new public name")
    assert {path: file.read_bytes() for path, file in build_folder.library(project, folders).items()} == before
    assert {"ecs_kit/__init__.py", "ecs_kit/runtime/__init__.py"} <= set(before)
