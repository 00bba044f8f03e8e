"""The build folder of Lambda packages and build contexts, and the sources that go into it.

Pulumi's state holds paths in it. They are relative to the folder in which the engine runs the program, the kit's own or
that of a program that uses its components, so that the state does not depend on the machine.
"""

import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from ecs_kit.components.errors import SourcesMissing

PROJECT = Path(__file__).resolve().parents[2]
"""The kit's folder, with its `Pulumi.yaml`."""

KIT_FOLDER = "ecs_kit"
"""The kit's package, in the checkout, in Lambda packages and in images."""

RUNTIME = f"{KIT_FOLDER}/runtime"

BUILD = Path(".kit/build")
"""The build folder; it is not committed."""

Files = Mapping[str, tuple[int, bytes]]
"""Mode and bytes of files, by path within a folder."""


def library(project: Path, folders: Collection[str]) -> dict[str, Path]:
    """The kit's sources in these folders of `ecs_kit/runtime`, by their path in the package or image.

    Raises:
        SourcesMissing: One of the folders is not there.
    """
    # The kit's own `__init__` names what programs import. There it would only make new images and packages.
    files = {f"{package}/__init__.py": project / RUNTIME / "__init__.py" for package in (KIT_FOLDER, RUNTIME)}
    for folder in folders:
        found = source_files(project / RUNTIME / folder)
        if not found:
            raise SourcesMissing(f"{RUNTIME}/{folder}", str(project / RUNTIME / folder), "check the folder out again")
        files.update({f"{RUNTIME}/{folder}/{path}": file for path, file in found.items()})
    return files


def put_file(path: Path, content: bytes) -> None:
    """Writes a file atomically, so that concurrent deployments never read half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.read_bytes() == content:
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def put_folder(path: Path, files: Files) -> None:
    """Writes a folder whose name is different for different content; never overwrites an intact one."""
    if path.is_dir() and read_folder(path) == files:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=path.parent))
    for name, (mode, content) in files.items():
        file = staged / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
    for folder in (staged, *(each for each in staged.rglob("*") if each.is_dir())):
        folder.chmod(0o755)
    try:
        staged.rename(path)
    except OSError:
        # Another deployment was first, or the existing folder is damaged.
        if read_folder(path) == files:
            shutil.rmtree(staged)
        else:
            shutil.rmtree(path)
            staged.rename(path)


def read_folder(folder: Path) -> Files:
    """Every file below an existing folder."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_source(path: Path) -> bool:
    """Whether a file, by its path in the packed folder, is neither compiled nor hidden nor an editor's backup."""
    return (
        path.suffix not in {".pyc", ".pyo"}
        and not path.name.endswith("~")
        and not any(part == "__pycache__" or part.startswith(".") for part in path.parts)
    )


def source_files(folder: Path) -> dict[str, Path]:
    """Every source file below `folder`, by its path within it with `/` as separator, in order."""
    found = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
    inside = {path.relative_to(folder): path for path in found}
    return {path.as_posix(): inside[path] for path in sorted(inside) if is_source(path)}


def no_source(folder: Path) -> str:
    """The path below `folder` of a link to a folder or to nothing, or of a device; empty where there is none."""
    for root, folders, names in os.walk(folder):
        links = [path for name in folders if (path := Path(root) / name).is_symlink()]
        others = [path for name in names if not (path := Path(root) / name).is_file()]
        for path in sorted([*links, *others]):
            if is_source(path.relative_to(folder)):
                return path.relative_to(folder).as_posix()
    return ""
