"""The build folder of Lambda packages and build contexts.

Pulumi's state holds their paths. They are relative to the project's folder, so that the state does not depend on the
machine. That is the folder in which the engine runs the program: the kit's own, or that of a program that uses its
components.
"""

from __future__ import annotations

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
"""The build folder, relative to the program's; it is not committed."""


def sources(project: Path | None) -> Path:
    """The folder with the kit's sources.

    Args:
        project: A copy of the project; the kit's own if not given.
    """
    return project or PROJECT


def library(project: Path, folders: Collection[str]) -> dict[str, Path]:
    """The kit's source files that run inside AWS, by their path in the package or image.

    Args:
        project: A folder with the kit's sources.
        folders: Which folders of `ecs_kit/runtime`.

    Raises:
        SourcesMissing: One of the folders is not there.
    """
    root = project / KIT_FOLDER
    files = {f"{KIT_FOLDER}/__init__.py": root / "__init__.py", f"{RUNTIME}/__init__.py": root / "runtime/__init__.py"}
    for folder in folders:
        found = source_files(root / "runtime" / folder)
        if not found:
            raise SourcesMissing(f"{RUNTIME}/{folder}", str(root / "runtime" / folder), "check the folder out again")
        files.update({f"{RUNTIME}/{folder}/{path}": file for path, file in found.items()})
    return files


def destination(project: Path | None) -> Path:
    """The folder of the build folder, to which paths in the state are relative.

    Args:
        project: A copy of the project; the folder the engine runs the program in if not given.
    """
    return project or Path.cwd()


def put_file(relative: Path, content: bytes, project: Path = PROJECT) -> None:
    """Writes a file atomically, so that concurrent deployments never read half of it.

    Args:
        relative: Path relative to the project's folder.
        content: The file's bytes.
        project: The project's folder.
    """
    target = project / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and target.read_bytes() == content:
        return
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(target)


def put_folder(relative: Path, files: Mapping[str, tuple[int, bytes]], project: Path = PROJECT) -> None:
    """Writes a folder named by its content; never overwrites an intact one.

    Args:
        relative: Path relative to the project's folder, different for different content.
        files: Mode and bytes by path within the folder.
        project: The project's folder.
    """
    target = project / relative
    if target.is_dir() and read_folder(target) == dict(files):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=target.parent))
    for path, (mode, content) in files.items():
        file = staged / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
    for folder in (staged, *(path for path in staged.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    try:
        staged.rename(target)
    except OSError:
        # Another deployment was first, or the existing folder is damaged.
        if read_folder(target) == dict(files):
            shutil.rmtree(staged)
        else:
            shutil.rmtree(target)
            staged.rename(target)


def read_folder(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file below `folder`, by path within it.

    Args:
        folder: An existing folder.
    """
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_source(path: Path) -> bool:
    """Whether a file belongs to the sources: not compiled, not hidden, not an editor's backup.

    Args:
        path: Path relative to the folder that is packed.
    """
    return (
        path.suffix not in {".pyc", ".pyo"}
        and not path.name.endswith("~")
        and not any(part == "__pycache__" or part.startswith(".") for part in path.parts)
    )


def source_files(folder: Path) -> dict[str, Path]:
    """Every source file below `folder`, by its path within it with `/` as separator, in order.

    Args:
        folder: An existing folder.
    """
    found = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
    inside = {path.relative_to(folder): path for path in found}
    return {path.as_posix(): inside[path] for path in sorted(inside) if is_source(path)}


def no_source(folder: Path) -> str:
    """The path below `folder` of something that is no source file: a link to a folder or to nothing, or a device.

    Args:
        folder: An existing folder.
    """
    for root, folders, names in os.walk(folder):
        links = [path for name in folders if (path := Path(root) / name).is_symlink()]
        others = [path for name in names if not (path := Path(root) / name).is_file()]
        for path in sorted([*links, *others]):
            if is_source(path.relative_to(folder)):
                return path.relative_to(folder).as_posix()
    return ""
