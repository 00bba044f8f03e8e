"""From a Dockerfile and a context to an image of one layer, the same bytes for the same input.

Of Docker's "Dockerfile reference", this is what a rehearsal without Docker needs. What is not supported is refused by
name: `ADD`, `SHELL`, `ONBUILD`, options of `COPY`, `${name:-default}`.
"""

import copy
import fnmatch
import gzip
import hashlib
import io
import json
import posixpath
import re
import shlex
import string
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Final

from local_aws.plugins.docker.context import Entry
from local_aws.plugins.docker.errors import DockerfileError

MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE: Final = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EPOCH: Final = "1970-01-01T00:00:00Z"
_FOLDER: Final = Entry("folder", 0o755)
_EXPANDED: Final = frozenset({"ARG", "COPY", "ENV", "FROM", "USER", "WORKDIR"})
"""Instructions in which the builder replaces variables; in the others a shell does, or nothing."""
_IGNORED: Final = frozenset({"EXPOSE", "HEALTHCHECK", "LABEL", "RUN", "STOPSIGNAL", "VOLUME"})
_INSTRUCTIONS: Final = _EXPANDED | _IGNORED | {"CMD", "ENTRYPOINT"}


@dataclass(frozen=True)
class Image:
    """An image, ready to be pushed: its manifest's bytes, and configuration and layer by digest."""

    manifest: bytes
    blobs: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The manifest's digest, `sha256:…`."""
        return digest_of(self.manifest)

    @property
    def id(self) -> str:
        """The configuration's digest, by which an engine knows the image."""
        return str(json.loads(self.manifest)["config"]["digest"])


def digest_of(content: bytes) -> str:
    """A registry's name for some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """A Dockerfile's instructions: line, keyword in capitals, arguments."""
    lines = [line.strip() for line in text.splitlines()]
    pending, start = "", 0
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        start = start or number
        pending += line.removesuffix("\\") + " "
        if not line.endswith("\\") or number == len(lines):
            keyword, _, rest = pending.strip().partition(" ")
            yield start, keyword.upper(), rest.strip()
            pending, start = "", 0


@dataclass
class Stage:
    """A stage while it is being built; `settings` are of the image's `config`; `ran` says that it has had a `RUN`."""

    name: str = ""
    files: dict[str, Entry] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=lambda: {"WorkingDir": "/"})
    ran: bool = False
    arguments: dict[str, str] = field(default_factory=dict)

    def path(self, given: str) -> str:
        """A path in the image, from the working directory on, without the slash of the root."""
        return posixpath.normpath(posixpath.join(self.settings["WorkingDir"], given)).lstrip("/")

    def configuration(self) -> dict[str, Any]:
        """What the image's configuration says of how to run it."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return {**({"Env": variables} if variables else {}), **self.settings}


class Builder:
    """Follows the Dockerfile `path`, with a build context and build arguments.

    `platform` is `os/architecture[/variant]`. The time `created`, in the form of RFC 3339, is a part of the image.
    """

    def __init__(
        self,
        path: str,
        context: Mapping[str, Entry],
        arguments: Mapping[str, str],
        platform: str,
        created: str = EPOCH,
    ) -> None:
        self._path = path
        self._context = context
        self._given = arguments
        self._platform = platform
        self._created = created
        system, architecture = platform.split("/")[:2]
        self._global = {"TARGETPLATFORM": platform, "TARGETOS": system, "TARGETARCH": architecture}
        self._stages: list[Stage] = []

    def build(self, text: str) -> Image:
        """The image of the last stage; `DockerfileError`: a line that cannot be followed."""
        for line, keyword, rest in instructions(text):
            try:
                self._follow(keyword, rest)
            except ValueError as error:
                raise DockerfileError(self._path, line, str(error)) from error
        if not self._stages:
            raise DockerfileError(self._path, 1, "there is no FROM")
        last = self._stages[-1]
        return image_of(last.files, last.configuration(), self._platform, self._created)

    def _follow(self, keyword: str, text: str) -> None:
        if keyword not in _INSTRUCTIONS:
            raise ValueError(f"{keyword} is not supported; supported are {', '.join(sorted(_INSTRUCTIONS))}")
        if not text:
            raise ValueError(f"{keyword} has no arguments")
        if not self._stages and keyword not in ("ARG", "FROM"):
            raise ValueError(f"{keyword} comes before FROM; only ARG may")
        stage = self._stages[-1] if self._stages and keyword != "FROM" else None
        if keyword in _EXPANDED:
            text = _expanded(text, {**stage.arguments, **stage.environment} if stage else self._global)
        if keyword == "FROM":
            self._from(text)
        elif keyword == "ARG":
            name, given, default = text.partition("=")
            value = self._given.get(name, default.strip("\"'") if given else self._global.get(name, ""))
            (stage.arguments if stage else self._global)[name] = value
        elif stage is not None:
            self._follow_in(stage, keyword, text)

    def _from(self, text: str) -> None:
        words = text.split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise ValueError(f"FROM takes an image and may take AS and a name, not {text!r}")
        parent, name = self._find(words[0]) or Stage(), words[2].lower() if len(words) == 3 else ""
        self._stages.append(replace(copy.deepcopy(parent), name=name, arguments={}))

    def _find(self, name: str) -> Stage | None:
        return next((stage for stage in self._stages if stage.name and stage.name == name.lower()), None)

    def _follow_in(self, stage: Stage, keyword: str, text: str) -> None:
        if keyword == "RUN":
            stage.ran = True
        elif keyword == "ENV":
            for word in shlex.split(text):
                name, separator, value = word.partition("=")
                if not separator:
                    raise ValueError(f"ENV: {text!r} has a word without a value")
                stage.environment[name] = value
        elif keyword == "WORKDIR":
            path = stage.path(text.strip("\"'"))
            stage.settings["WorkingDir"] = f"/{path}"
            stage.files.setdefault(path, _FOLDER)
        elif keyword == "USER":
            stage.settings["User"] = text
        elif keyword == "ENTRYPOINT":
            stage.settings["Entrypoint"] = _exec_form(text) or ["/bin/sh", "-c", text]
            stage.settings.pop("Cmd", None)
        elif keyword == "CMD":
            stage.settings["Cmd"] = _exec_form(text) or ["/bin/sh", "-c", text]
        elif keyword == "COPY":
            self._copy(stage, text)

    def _copy(self, stage: Stage, text: str) -> None:
        flags: dict[str, str] = {}
        while match := re.match(r"--([a-z-]+)(?:=(\S+))?\s+", text):
            flags[match[1]], text = match[2], text[match.end() :]
        # The owner of a file has no effect: all files belong to the user that runs the task.
        unknown = flags.keys() - {"from", "chown", "link"}
        if unknown:
            raise ValueError(f"COPY --{', '.join(sorted(unknown))} is not supported")
        *sources, destination = _exec_form(text) or shlex.split(text)
        if not sources:
            raise ValueError("COPY takes one source or more, and a destination")
        files, may_miss = self._context, False
        if "from" in flags:
            other = self._find(flags["from"])
            if other is None:
                raise ValueError(
                    f"--from={flags['from']}: there is no such stage; files of other images are not available here"
                )
            # A `RUN` that is not executed would make it.
            files, may_miss = other.files, other.ran
        into = destination.endswith("/") or destination in (".", "..") or len(sources) > 1
        for source in sources:
            wanted = posixpath.normpath(source.lstrip("/"))
            if wanted.startswith(".."):
                raise ValueError(f"{source!r} is outside of the build context")
            matches = _matches(files, wanted)
            # Docker takes a pattern without a match as no file, if there is another source.
            if not matches and not may_miss and not ("*" in wanted and len(sources) > 1):
                raise ValueError(f"{source!r} is not in the build context (is it in .dockerignore?)")
            for path in matches:
                _copy_entry(stage, files, path, stage.path(destination), into or len(matches) > 1)


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """`text` with `$name` and `${name}` replaced; as in a shell, an unknown one is empty."""
    try:
        return string.Template(text).substitute(defaultdict(str, variables))
    except ValueError as error:
        raise ValueError(f"{text!r}: of variables, only $name and ${{name}} are supported") from error


def _exec_form(text: str) -> list[str] | None:
    """The words of a JSON list, or `None` if the text is none."""
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return words if isinstance(words, list) else None


def _is_folder(files: Mapping[str, Entry], path: str) -> bool:
    is_entry = path in files and files[path].kind == "folder"
    return path in ("", ".") or is_entry or any(each.startswith(f"{path}/") for each in files)


def _matches(files: Mapping[str, Entry], wanted: str) -> list[str]:
    if "*" not in wanted:
        return [wanted] if wanted in files or _is_folder(files, wanted) else []
    depth = wanted.count("/")
    return sorted(path for path in files if path.count("/") == depth and fnmatch.fnmatchcase(path, wanted))


def _copy_entry(stage: Stage, files: Mapping[str, Entry], source: str, target: str, into: bool) -> None:
    if _is_folder(files, source):
        prefix = "" if source == "." else f"{source}/"
        below = {path.removeprefix(prefix): entry for path, entry in files.items() if path.startswith(prefix)}
        stage.files |= {target: _FOLDER, **{posixpath.join(target, path): entry for path, entry in below.items()}}
    elif into or _is_folder(stage.files, target):
        stage.files[posixpath.join(target, posixpath.basename(source))] = files[source]
    else:
        stage.files[target] = files[source]


def layer_of(files: Mapping[str, Entry]) -> tuple[bytes, str]:
    """A gzipped tar of `files` and their folders, and the digest of the tar; nothing depends on the machine."""
    folders = {str(folder): _FOLDER for path in files for folder in PurePosixPath(path).parents}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in sorted({**folders, **files}.items()):
            if path in ("", "."):
                continue
            member = tarfile.TarInfo(path)
            member.mode, member.mtime = entry.mode, 0
            if entry.kind == "folder":
                member.type = tarfile.DIRTYPE
            elif entry.kind == "link":
                member.type, member.linkname = tarfile.SYMTYPE, entry.content.decode()
            else:
                member.size = len(entry.content)
            archive.addfile(member, io.BytesIO(entry.content))
    plain = buffer.getvalue()
    return gzip.compress(plain, compresslevel=6, mtime=0), digest_of(plain)


def image_of(
    files: Mapping[str, Entry], configuration: Mapping[str, Any], platform: str = "linux/amd64", created: str = EPOCH
) -> Image:
    """An image of one layer with these files, by path from the root, and this `config` (OCI image specification)."""
    layer, diff_id = layer_of(files)
    system, architecture = platform.split("/")[:2]
    config = _json(
        {
            "architecture": architecture,
            "os": system,
            "created": created,
            "config": configuration,
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": created, "created_by": "archive of the build context"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "size": len(config), "digest": digest_of(config)},
            "layers": [{"mediaType": LAYER_TYPE, "size": len(layer), "digest": digest_of(layer)}],
        }
    )
    return Image(manifest, {digest_of(config): config, digest_of(layer): layer})


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
