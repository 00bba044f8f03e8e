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
_SHELL: Final = ("/bin/sh", "-c")


@dataclass
class Stage:
    """A stage while it is being built: its files and its configuration."""

    files: dict[str, Entry] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    entry_point: list[str] | None = None
    command: list[str] | None = None
    user: str = ""
    shell: tuple[str, ...] = _SHELL
    ran: bool = False
    arguments: dict[str, str] = field(default_factory=dict)
    name: str = ""

    def child(self, name: str) -> "Stage":
        """A stage that begins where this one ends."""
        return replace(self, files=dict(self.files), environment=dict(self.environment), arguments={}, name=name)

    def variables(self) -> dict[str, str]:
        """What `$name` may stand for."""
        return {**self.arguments, **self.environment}


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
        self._created = created
        self._path = path
        self._context = context
        self._given = dict(arguments)
        self._platform = platform
        self._global = {"TARGETPLATFORM": platform, "BUILDPLATFORM": platform}
        parts = platform.split("/")
        self._global.update({"TARGETOS": parts[0], "TARGETARCH": parts[1] if len(parts) > 1 else ""})
        self._stages: list[Stage] = []

    def build(self, text: str) -> Image:
        """The image of the last stage.

        Raises:
            DockerfileError: a line that cannot be followed.
        """
        for instruction in parse(text, self._path):
            self._follow(instruction)
        return image_of(self._stages[-1], self._platform, self._created)

    def _find(self, name: str) -> Stage | None:
        if name.isdigit() and int(name) < len(self._stages):
            return self._stages[int(name)]
        return next((stage for stage in self._stages if stage.name and stage.name == name.lower()), None)

    def _fail(self, instruction: Instruction, reason: str) -> DockerfileError:
        return DockerfileError(self._path, instruction.line, reason)

    def _follow(self, instruction: Instruction) -> None:
        keyword = instruction.keyword
        if keyword == "FROM":
            self._from(instruction)
        elif not self._stages:
            name, default = self._argument(instruction, self._global)
            self._global[name] = self._given.get(name, default or "")
        elif keyword not in IGNORED:
            if keyword in EXPANDED:
                variables = self._stages[-1].variables()
                flags = {name: expand(value, variables) for name, value in instruction.flags.items()}
                instruction = replace(instruction, text=expand(instruction.text, variables), flags=flags)
            getattr(self, f"_{keyword.lower()}")(instruction, self._stages[-1])

    def _argument(self, instruction: Instruction, variables: Mapping[str, str]) -> tuple[str, str | None]:
        name, separator, default = expand(instruction.text, variables).partition("=")
        return name, default.strip("\"'") if separator else None

    def _from(self, instruction: Instruction) -> None:
        words = expand(instruction.text, self._global).split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise self._fail(instruction, f"FROM takes an image and may take AS and a name, not {instruction.text!r}")
        if not words[0] or words[0].startswith("$"):
            raise self._fail(instruction, "FROM names no image: is its build argument set?")
        name = words[2].lower() if len(words) == 3 else ""
        parent = self._find(words[0])
        self._stages.append(parent.child(name) if parent else Stage(name=name))

    def _arg(self, instruction: Instruction, stage: Stage) -> None:
        name, default = self._argument(instruction, stage.variables())
        inherited = self._global.get(name) if default is None else default
        value = self._given.get(name, inherited)
        if value is not None:
            stage.arguments[name] = value

    def _env(self, instruction: Instruction, stage: Stage) -> None:
        stage.environment.update(pairs(instruction, self._path))

    def _workdir(self, instruction: Instruction, stage: Stage) -> None:
        stage.working_directory = posixpath.normpath(
            posixpath.join(stage.working_directory, instruction.text.strip("\"'"))
        )
        self._make_folders(stage, stage.working_directory)

    def _user(self, instruction: Instruction, stage: Stage) -> None:
        stage.user = instruction.text

    def _shell(self, instruction: Instruction, stage: Stage) -> None:
        words = instruction.json_words()
        if not words:
            raise self._fail(instruction, "SHELL takes a JSON list of strings")
        stage.shell = tuple(words)

    def _run(self, instruction: Instruction, stage: Stage) -> None:
        del instruction
        stage.ran = True

    def _entrypoint(self, instruction: Instruction, stage: Stage) -> None:
        stage.entry_point = instruction.json_words() or [*stage.shell, instruction.text]
        stage.command = None

    def _cmd(self, instruction: Instruction, stage: Stage) -> None:
        stage.command = instruction.json_words() or [*stage.shell, instruction.text]

    def _add(self, instruction: Instruction, stage: Stage) -> None:
        sources = self._words(instruction)[:-1]
        for source in sources:
            if re.match(r"(?:[a-z]+://|git@)", source) or re.search(r"\.(?:tar|tar\.\w+|tgz|tbz2|txz)$", source):
                raise self._fail(
                    instruction, f"ADD of {source!r}: only plain files and folders are supported; use COPY"
                )
        self._copy(instruction, stage)

    def _words(self, instruction: Instruction) -> list[str]:
        try:
            words = instruction.words()
        except ValueError as error:
            raise self._fail(instruction, str(error)) from error
        if len(words) < 2:
            raise self._fail(instruction, f"{instruction.keyword} takes one source or more, and a destination")
        return words

    def _copy(self, instruction: Instruction, stage: Stage) -> None:
        # Who owns a file is of no meaning where all belongs to who runs it.
        unknown = instruction.flags.keys() - {"from", "chown", "chmod", "link"}
        if unknown:
            raise self._fail(instruction, f"{instruction.keyword} --{', '.join(sorted(unknown))} is not supported")
        *sources, destination = self._words(instruction)
        files, may_miss = self._source(instruction)
        is_folder = destination.endswith("/") or destination in (".", "..") or len(sources) > 1
        place = posixpath.normpath(posixpath.join(stage.working_directory, destination))
        for source in sources:
            wanted = posixpath.normpath(source.lstrip("/")).removeprefix("./")
            if wanted.startswith(".."):
                raise self._fail(instruction, f"{source!r} is outside of the build context")
            matches = _matches(files, wanted)
            # Docker takes a pattern without a match as no file, where another source is there.
            optional = may_miss or (_is_pattern(wanted) and len(sources) > 1)
            if not matches and not optional:
                raise self._fail(instruction, f"{source!r} is not in the build context (is it in .dockerignore?)")
            for match in matches:
                self._place(instruction, stage, files, match, place, is_folder or len(matches) > 1)

    def _source(self, instruction: Instruction) -> tuple[Mapping[str, Entry], bool]:
        """The files that are copied from, and whether one may be missing as an unexecuted `RUN` would make it."""
        name = instruction.flags.get("from")
        if name is None:
            return self._context, False
        other = self._find(name)
        if other is None:
            raise self._fail(
                instruction, f"--from={name}: there is no such stage; files of other images are not available here"
            )
        return {path.lstrip("/"): entry for path, entry in other.files.items()}, other.ran

    def _place(
        self, instruction: Instruction, stage: Stage, files: Mapping[str, Entry], source: str, place: str, into: bool
    ) -> None:
        entry = files.get(source, Entry("folder", 0o755))
        if entry.kind == "folder":
            self._make_folders(stage, place)
            prefix = f"{source}/" if source != "." else ""
            for path, member in files.items():
                if path.startswith(prefix):
                    self._put(instruction, stage, posixpath.join(place, path[len(prefix) :]), member)
        else:
            exists = place in stage.files and stage.files[place].kind == "folder"
            target = posixpath.join(place, posixpath.basename(source)) if into or exists else place
            self._put(instruction, stage, target, entry)

    def _put(self, instruction: Instruction, stage: Stage, path: str, entry: Entry) -> None:
        self._make_folders(stage, posixpath.dirname(path))
        mode = entry.mode
        if "chmod" in instruction.flags and entry.kind != "link":
            if not re.fullmatch(r"0?[0-7]{3,4}", instruction.flags["chmod"]):
                raise self._fail(instruction, f"--chmod={instruction.flags['chmod']} is no octal mode")
            mode = int(instruction.flags["chmod"], 8)
        stage.files[path] = replace(entry, mode=mode)

    @staticmethod
    def _make_folders(stage: Stage, path: str) -> None:
        parts = [part for part in path.split("/") if part]
        for count in range(1, len(parts) + 1):
            stage.files.setdefault("/" + "/".join(parts[:count]), Entry("folder", 0o755))


def _is_pattern(wanted: str) -> bool:
    return any(character in wanted for character in "*?[")


def _matches(files: Mapping[str, Entry], wanted: str) -> list[str]:
    if wanted == ".":
        return ["."]
    if not _is_pattern(wanted):
        known = wanted in files or any(path.startswith(f"{wanted}/") for path in files)
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
                archive.addfile(member)
            elif entry.kind == "link":
                member.type, member.linkname = tarfile.SYMTYPE, entry.content.decode()
                archive.addfile(member)
            else:
                member.size = len(entry.content)
                archive.addfile(member, io.BytesIO(entry.content))
    plain = buffer.getvalue()
    return gzip.compress(plain, compresslevel=6, mtime=0), digest_of(plain)


def image_of(stage: Stage, platform: str, created: str) -> Image:
    """The image of a finished stage."""
    layer, diff_id = layer_of(stage.files)
    system, _, architecture = platform.partition("/")
    settings: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in stage.environment.items()],
        "Entrypoint": stage.entry_point,
        "Cmd": stage.command,
        "WorkingDir": stage.working_directory,
        "User": stage.user,
    }
    configuration = _json(
        {
            "architecture": architecture.split("/")[0],
            "os": system,
            "created": created,
            "config": {name: value for name, value in settings.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": created, "created_by": "archive of the build context"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "size": len(configuration), "digest": digest_of(configuration)},
            "layers": [{"mediaType": LAYER_TYPE, "size": len(layer), "digest": digest_of(layer)}],
        }
    )
    return Image(manifest, {digest_of(configuration): configuration, digest_of(layer): layer})


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
