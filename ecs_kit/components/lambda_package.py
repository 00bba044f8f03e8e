"""Reproducible Lambda deployment packages: the same sources give the same bytes on every machine."""

import importlib.metadata
import importlib.util
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ecs_kit.components import build_folder
from ecs_kit.components.errors import SourcesMissing

FunctionName = Literal["launcher", "monitor", "reporter"]

VENDORED = "fastjsonschema"
"""The one dependency that AWS's Python runtime lacks: a JSON Schema validator in pure Python."""

SCHEMA = f"{build_folder.KIT_FOLDER}/specs/workflow_specs.schema.json"

CONDITIONS = f"{build_folder.KIT_FOLDER}/conditions"
"""The pages of errors, of which reports show parts."""

_TIME = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644


def build(function: FunctionName, project: Path = build_folder.PROJECT) -> Path:
    """Packs a function into the build folder, and returns the package's path.

    Raises:
        SourcesMissing: The sources, the schema or the vendored package are not there.
    """
    path = build_folder.BUILD / f"{function}.zip"
    build_folder.put_file(path, archive(contents(function, project)))
    return path


def contents(function: FunctionName, project: Path) -> dict[str, bytes]:
    """What a function's package holds, by path within it."""
    files = build_folder.library(project, ("contract", "common", "functions", function))
    schema = project / SCHEMA
    if not schema.is_file():
        raise SourcesMissing(SCHEMA, str(schema), "check the file out again")
    files[SCHEMA] = schema
    if function == "reporter":
        pages = build_folder.source_files(project / CONDITIONS)
        files.update({f"{CONDITIONS}/{path}": file for path, file in pages.items()})
    files.update({f"{VENDORED}/{path}": file for path, file in _vendored().items()})
    return {path: files[path].read_bytes() for path in sorted(files)}


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of names and contents alone: fixed times, modes and order; uncompressed, as compressors differ."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as package:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.create_system = 3
            entry.external_attr = _REGULAR_FILE << 16
            package.writestr(entry, files[path])
    return buffer.getvalue()


def _vendored() -> dict[str, Path]:
    spec = importlib.util.find_spec(VENDORED)
    if spec is None or not spec.submodule_search_locations:
        raise SourcesMissing(VENDORED, "this Python's packages", "install the requirements of requirements.lock")
    files = build_folder.source_files(Path(spec.submodule_search_locations[0]))
    for path in importlib.metadata.files(VENDORED) or ():
        if path.name == "LICENSE":
            files["LICENSE"] = Path(str(path.locate()))
    return files
