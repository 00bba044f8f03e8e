"""A build context: the files of a folder that its `.dockerignore` does not exclude."""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from docker.utils.build import PatternMatcher

from local_aws.plugins.framework.errors import ProviderError


@dataclass(frozen=True)
class Entry:
    """A file, folder or link, with its permission bits; `content` is a file's bytes or a link's target."""

    kind: Literal["file", "folder", "link"]
    mode: int
    content: bytes = b""


def read(folder: Path, dockerfile: Path) -> dict[str, Entry]:
    """The entries of a context that are not excluded, by path, relative and with slashes.

    The patterns are those of `<Dockerfile>.dockerignore`, or else of `.dockerignore`.

    `ProviderError`: there is no such folder, or it has something that an image cannot hold.
    """
    if not folder.is_dir():
        raise ProviderError(f"the build context {folder} is no folder (looked for it from {Path.cwd()})")
    lists = (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), folder / ".dockerignore")
    text = next((path.read_text() for path in lists if path.is_file()), "")
    lines = [line.strip() for line in text.splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    matcher = PatternMatcher(patterns)
    matcher.patterns.pop()  # docker-py's own: it keeps an ignored .dockerignore.
    return {path: _entry(folder / path) for path in sorted(matcher.walk(str(folder)))}


def _entry(path: Path) -> Entry:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", 0o777, str(path.readlink()).encode())
    if stat.S_ISDIR(status.st_mode):
        return Entry("folder", mode)
    if stat.S_ISREG(status.st_mode):
        return Entry("file", mode, path.read_bytes())
    raise ProviderError(f"{path} is neither a file nor a folder nor a link")


def digest(entries: dict[str, Entry], dockerfile: bytes) -> str:
    """SHA-256 (hex) over names, modes and contents, and the Dockerfile."""
    whole = hashlib.sha256(hashlib.sha256(dockerfile).digest())
    for path, entry in sorted(entries.items()):
        if entry.kind != "folder":
            content = hashlib.sha256(entry.content).hexdigest()
            whole.update(f"{path}\0{entry.kind}\0{entry.mode:o}\0{content}\n".encode())
    return whole.hexdigest()
