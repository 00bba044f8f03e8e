"""A build context: the files of a folder but those that its `.dockerignore` leaves out."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local_aws.plugins.docker.errors import ContextError


@dataclass(frozen=True)
class Entry:
    """A file, folder or link.

    Attributes:
        kind: `file`, `folder` or `link`.
        mode: permission bits.
        content: a file's bytes, or where a link leads.
    """

    kind: str
    mode: int
    content: bytes = b""


def read(folder: Path, dockerfile: Path) -> dict[str, Entry]:
    """All entries of a context by path, relative and with slashes.

    Raises:
        ContextError: there is no such folder, or it has something that an image cannot hold.
    """
    if not folder.is_dir():
        raise ContextError(f"the build context {folder} is no folder (looked for it from {Path.cwd()})")
    patterns = ignore_patterns(folder, dockerfile)
    return {path: _entry(folder / path) for path in _walk(folder, "", patterns)}


def ignore_patterns(folder: Path, dockerfile: Path) -> list[tuple[bool, re.Pattern[str]]]:
    """The rules of `<Dockerfile>.dockerignore`, or else `.dockerignore`: whether a match keeps, and the pattern."""
    for path in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), folder / ".dockerignore"):
        if path.is_file():
            lines = (line.strip() for line in path.read_text().splitlines())
            return [_rule(line) for line in lines if line and not line.startswith("#")]
    return []


def _rule(line: str) -> tuple[bool, re.Pattern[str]]:
    keeps = line.startswith("!")
    pattern = line.removeprefix("!").strip().strip("/")
    return keeps, re.compile(f"{glob_expression(pattern)}(?:/.*)?", re.DOTALL)


def glob_expression(pattern: str) -> str:
    """A regular expression for a Docker pattern: `*` and `?` within a name, `**` over folders, `[…]` classes."""
    expression, index = "", 0
    while index < len(pattern):
        if pattern.startswith("**/", index):
            expression, index = f"{expression}(?:.*/)?", index + 3
        elif pattern.startswith("**", index):
            expression, index = f"{expression}.*", index + 2
        elif pattern[index] == "*":
            expression, index = f"{expression}[^/]*", index + 1
        elif pattern[index] == "?":
            expression, index = f"{expression}[^/]", index + 1
        elif pattern[index] == "[" and "]" in pattern[index:]:
            end = pattern.index("]", index)
            expression, index = expression + pattern[index : end + 1].replace("[^", "[^/"), end + 1
        else:
            expression, index = expression + re.escape(pattern[index]), index + 1
    return expression


def ignored(path: str, patterns: Sequence[tuple[bool, re.Pattern[str]]]) -> bool:
    """Whether the last rule that matches `path` leaves it out."""
    result = False
    for keeps, pattern in patterns:
        if pattern.fullmatch(path):
            result = not keeps
    return result


def _walk(folder: Path, prefix: str, patterns: Sequence[tuple[bool, re.Pattern[str]]]) -> Iterator[str]:
    excepted = any(keeps for keeps, _ in patterns)
    for item in sorted(os.scandir(folder / prefix), key=lambda item: item.name):
        path = f"{prefix}/{item.name}" if prefix else item.name
        left_out = ignored(path, patterns)
        if not left_out:
            yield path
        if item.is_dir(follow_symlinks=False) and (excepted or not left_out):
            yield from _walk(folder, path, patterns)


def _entry(path: Path) -> Entry:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", 0o777, str(path.readlink()).encode())
    if stat.S_ISDIR(status.st_mode):
        return Entry("folder", mode)
    if stat.S_ISREG(status.st_mode):
        return Entry("file", mode, path.read_bytes())
    raise ContextError(f"{path} is neither a file nor a folder nor a link")


def digest(entries: dict[str, Entry], dockerfile: bytes) -> str:
    """SHA-256 (hex) over names, modes and contents, and the Dockerfile."""
    whole = hashlib.sha256(hashlib.sha256(dockerfile).digest())
    for path, entry in sorted(entries.items()):
        if entry.kind != "folder":
            content = hashlib.sha256(entry.content).hexdigest()
            whole.update(f"{PurePosixPath(path)}\0{entry.kind}\0{entry.mode:o}\0{content}\n".encode())
    return whole.hexdigest()
