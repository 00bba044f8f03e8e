"""From a Dockerfile and a context to an image of one layer, the same bytes for the same input."""

import fnmatch
import gzip
import hashlib
import io
import json
import posixpath
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from local_aws.plugins.docker.context import Entry
from local_aws.plugins.docker.dockerfile import EXPANDED, IGNORED, Instruction, expand, pairs, parse
from local_aws.plugins.docker.errors import DockerfileError

MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE: Final = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EPOCH: Final = "1970-01-01T00:00:00Z"
_FOLDER: Final = Entry("folder", 0o755)


@dataclass
class Stage:
    """A stage while it is being built: its files and its configuration; `ran` says that it has had a `RUN`."""

    name: str = ""
    files: dict[str, Entry] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    entry_point: list[str] | None = None
    command: list[str] | None = None
    user: str = ""
    ran: bool = False

    def child(self, name: str) -> "Stage":
        """A stage that begins where this one ends."""
        return replace(self, files=dict(self.files), environment=dict(self.environment), arguments={}, name=name)

    def configuration(self) -> dict[str, Any]:
        """What the image's configuration says of how to run it."""
        settings = {
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "Entrypoint": self.entry_point,
            "Cmd": self.command,
            "WorkingDir": self.working_directory,
            "User": self.user,
        }
        return {name: value for name, value in settings.items() if value}


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


class Builder:
    """Follows a Dockerfile.

    Args:
        path: the Dockerfile's name, for errors.
        context: the build context.
        arguments: build arguments.
        platform: `os/architecture[/variant]`.
        created: when, in the form of RFC 3339; a part of the image, and so of its digest.
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
        self._given = dict(arguments)
        self._platform = platform
        self._created = created
        system, _, architecture = platform.partition("/")
        self._global = {"TARGETPLATFORM": platform, "BUILDPLATFORM": platform, "TARGETOS": system}
        self._global["TARGETARCH"] = architecture.partition("/")[0]
        self._stages: list[Stage] = []

    def build(self, text: str) -> Image:
        """The image of the last stage.

        Raises:
            DockerfileError: a line that cannot be followed.
        """
        for instruction in parse(text, self._path):
            self._follow(instruction)
        last = self._stages[-1]
        return image_of(last.files, last.configuration(), self._platform, self._created)

    def _find(self, name: str) -> Stage | None:
        if name.isdigit() and int(name) < len(self._stages):
            return self._stages[int(name)]
        return next((stage for stage in self._stages if stage.name and stage.name == name.lower()), None)

    def _fail(self, instruction: Instruction, reason: str) -> DockerfileError:
        return DockerfileError(self._path, instruction.line, reason)

    def _follow(self, instruction: Instruction) -> None:
        stage = self._stages[-1] if self._stages else None
        variables = self._global if stage is None or instruction.keyword == "FROM" else _variables(stage)
        if instruction.keyword in EXPANDED:
            flags = {name: expand(value, variables) for name, value in instruction.flags.items()}
            instruction = replace(instruction, text=expand(instruction.text, variables), flags=flags)
        if instruction.keyword == "FROM":
            self._from(instruction)
        elif stage is None:
            name, _, default = instruction.text.partition("=")
            self._global[name] = self._given.get(name, default.strip("\"'"))
        elif instruction.keyword not in IGNORED:
            getattr(self, f"_{instruction.keyword.lower()}")(instruction, stage)
        elif instruction.keyword == "RUN":
            stage.ran = True

    def _from(self, instruction: Instruction) -> None:
        words = instruction.text.split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise self._fail(instruction, f"FROM takes an image and may take AS and a name, not {instruction.text!r}")
        name = words[2].lower() if len(words) == 3 else ""
        parent = self._find(words[0])
        self._stages.append(parent.child(name) if parent else Stage(name))

    def _arg(self, instruction: Instruction, stage: Stage) -> None:
        name, separator, default = instruction.text.partition("=")
        value = self._given.get(name, default.strip("\"'") if separator else self._global.get(name))
        if value is not None:
            stage.arguments[name] = value

    def _env(self, instruction: Instruction, stage: Stage) -> None:
        stage.environment.update(pairs(instruction, self._path))

    def _workdir(self, instruction: Instruction, stage: Stage) -> None:
        stage.working_directory = _joined(stage.working_directory, instruction.text.strip("\"'"))
        _make_folders(stage, stage.working_directory)

    def _user(self, instruction: Instruction, stage: Stage) -> None:
        stage.user = instruction.text

    def _entrypoint(self, instruction: Instruction, stage: Stage) -> None:
        stage.entry_point = instruction.json_words() or ["/bin/sh", "-c", instruction.text]
        stage.command = None

    def _cmd(self, instruction: Instruction, stage: Stage) -> None:
        stage.command = instruction.json_words() or ["/bin/sh", "-c", instruction.text]

    def _copy(self, instruction: Instruction, stage: Stage) -> None:
        # The owner of a file has no effect: all files belong to the user that runs the task.
        unknown = instruction.flags.keys() - {"from", "chown", "chmod", "link"}
        if unknown:
            raise self._fail(instruction, f"COPY --{', '.join(sorted(unknown))} is not supported")
        chmod = instruction.flags.get("chmod")
        if chmod is not None and not re.fullmatch(r"0?[0-7]{3,4}", chmod):
            raise self._fail(instruction, f"--chmod={chmod} is no octal mode")
        mode = None if chmod is None else int(chmod, 8)
        try:
            *sources, destination = instruction.words()
        except ValueError as error:
            raise self._fail(instruction, str(error)) from error
        if not sources:
            raise self._fail(instruction, "COPY takes one source or more, and a destination")
        files, may_miss = self._source(instruction)
        target = _joined(stage.working_directory, destination)
        into = destination.endswith("/") or destination in (".", "..") or len(sources) > 1
        for source in sources:
            wanted = posixpath.normpath(source.lstrip("/")).removeprefix("./")
            if wanted.startswith(".."):
                raise self._fail(instruction, f"{source!r} is outside of the build context")
            matches = _matches(files, wanted)
            # Docker takes a pattern without a match as no file, if there is another source.
            optional = may_miss or (_is_pattern(wanted) and len(sources) > 1)
            if not matches and not optional:
                raise self._fail(instruction, f"{source!r} is not in the build context (is it in .dockerignore?)")
            for match in matches:
                _copy_entry(stage, files, match, target, into or len(matches) > 1, mode)

    def _source(self, instruction: Instruction) -> tuple[Mapping[str, Entry], bool]:
        """The files to copy from, and whether one may be missing because a `RUN` that is not executed would make it."""
        name = instruction.flags.get("from")
        if name is None:
            return self._context, False
        other = self._find(name)
        if other is None:
            raise self._fail(
                instruction, f"--from={name}: there is no such stage; files of other images are not available here"
            )
        return {path.lstrip("/"): entry for path, entry in other.files.items()}, other.ran


def _variables(stage: Stage) -> dict[str, str]:
    return {**stage.arguments, **stage.environment}


def _joined(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


def _copy_entry(
    stage: Stage, files: Mapping[str, Entry], source: str, target: str, into: bool, mode: int | None
) -> None:
    entry = files.get(source, _FOLDER)
    if entry.kind == "folder":
        _make_folders(stage, target)
        prefix = f"{source}/" if source != "." else ""
        copied = {
            posixpath.join(target, path[len(prefix) :]): item for path, item in files.items() if path.startswith(prefix)
        }
    else:
        is_folder = into or stage.files.get(target, entry).kind == "folder"
        copied = {posixpath.join(target, posixpath.basename(source)) if is_folder else target: entry}
    for path, item in copied.items():
        _make_folders(stage, posixpath.dirname(path))
        stage.files[path] = item if mode is None or item.kind == "link" else replace(item, mode=mode)


def _make_folders(stage: Stage, path: str) -> None:
    parts = [part for part in path.split("/") if part]
    for count in range(1, len(parts) + 1):
        stage.files.setdefault("/" + "/".join(parts[:count]), _FOLDER)


def _is_pattern(wanted: str) -> bool:
    return any(character in wanted for character in "*?[")


def _matches(files: Mapping[str, Entry], wanted: str) -> list[str]:
    if not _is_pattern(wanted):
        known = wanted in files or wanted == "." or any(path.startswith(f"{wanted}/") for path in files)
        return [wanted] if known else []
    depth = wanted.count("/")
    return sorted(path for path in files if path.count("/") == depth and fnmatch.fnmatchcase(path, wanted))


def layer_of(files: Mapping[str, Entry]) -> tuple[bytes, str]:
    """A gzipped tar of `files`, and the digest of the tar; order and times never depend on the machine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in sorted(files.items()):
            member = tarfile.TarInfo(path.lstrip("/"))
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
    """An image of one layer with these files and this `config` (OCI image specification)."""
    layer, diff_id = layer_of(files)
    system, _, architecture = platform.partition("/")
    config = _json(
        {
            "architecture": architecture.split("/")[0],
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
