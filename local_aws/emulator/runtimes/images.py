"""Images in the emulator's own registry, as files.

An image is unpacked once per digest: its layers are laid over each other as the OCI image specification says
(https://github.com/opencontainers/image-spec/blob/main/layer.md), white-outs included.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from local_aws.emulator.runtimes import ImageNotFound, ImageReference

_REFERENCE = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9][a-z0-9._/-]*?)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?$"
)
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True)
class ImageConfig:
    """What an image says about running it (OCI image configuration, `config`)."""

    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"


@dataclass(frozen=True)
class UnpackedImage:
    """An image on disk: its manifest's digest, the folder with its root file system, and how to run it."""

    digest: str
    root: Path
    config: ImageConfig


class Registry(Protocol):
    """Where manifests and layers are; None stands for what is not there."""

    def manifest(self, image: ImageReference) -> tuple[str, bytes] | None:
        """The digest and the bytes of the manifest."""

    def blob(self, image: ImageReference, digest: str) -> bytes | None:
        """The bytes of a layer or a configuration."""


def parse_reference(name: str) -> ImageReference | None:
    """An image in a private Amazon ECR registry, None for any other name."""
    found = _REFERENCE.match(name)
    if found is None:
        return None
    return ImageReference(
        name=name,
        account=found["account"],
        region=found["region"],
        repository=found["repository"],
        reference=found["digest"] or found["tag"] or "latest",
    )


class ImageStore:
    """Images of a registry, unpacked below a folder, one folder per digest."""

    architecture = "amd64"
    """Which entry of an image index is taken, in OCI's words."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self._folder = folder
        self._registry = registry
        self._lock = threading.Lock()
        self._unpacked: dict[str, UnpackedImage] = {}

    def get(self, digest: str) -> UnpackedImage:
        """An image that was pulled."""
        return self._unpacked[digest]

    def pull(self, image: ImageReference) -> UnpackedImage:
        """The image, unpacked unless it was before; `ImageNotFound` where the registry lacks it or one of its parts."""
        digest, manifest = self._manifest(image)
        with self._lock:
            if digest not in self._unpacked:
                self._unpacked[digest] = self._unpack(image, digest, manifest)
            return self._unpacked[digest]

    def _manifest(self, image: ImageReference) -> tuple[str, dict[str, Any]]:
        found = self._registry.manifest(image)
        if found is None:
            raise ImageNotFound(f"{image.name}: not found")
        digest, raw = found
        document: dict[str, Any] = json.loads(raw)
        entries = document.get("manifests")
        if entries is None:
            return digest, document
        for entry in entries:
            platform = entry.get("platform", {})
            if platform.get("os", "linux") == "linux" and platform.get("architecture") == self.architecture:
                return self._manifest(dataclasses.replace(image, reference=entry["digest"]))
        raise ImageNotFound(
            f"{image.name}: image Manifest does not contain descriptor matching platform 'linux/{self.architecture}'"
        )

    def _unpack(self, image: ImageReference, digest: str, manifest: dict[str, Any]) -> UnpackedImage:
        def blob(of: str) -> bytes:
            data = self._registry.blob(image, of)
            if data is None:
                raise ImageNotFound(f"{image.name}: blob {of}: not found")
            return data

        config = parse_config(json.loads(blob(manifest["config"]["digest"])))
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=self._folder, prefix="partial-"))
        for layer in manifest.get("layers", []):
            apply_layer(partial, blob(layer["digest"]))
        (partial / config.working_directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
        root = self._folder / digest.replace(":", "-")
        shutil.rmtree(root, ignore_errors=True)
        partial.rename(root)
        return UnpackedImage(digest=digest, root=root, config=config)


def parse_config(document: Mapping[str, Any]) -> ImageConfig:
    """The `config` of an OCI image configuration."""
    config = document.get("config") or {}
    return ImageConfig(
        entry_point=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        environment=dict(entry.split("=", 1) for entry in config.get("Env") or () if "=" in entry),
        working_directory=config.get("WorkingDir") or "/",
    )


def apply_layer(root: Path, layer: bytes) -> None:
    """Lay one layer, a tar archive, over what is in `root`; `tarfile.TarError` where it reaches outside of it."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if path.name == _OPAQUE:
                _empty(root / path.parent)
            elif path.name.startswith(_WHITEOUT):
                _remove(root / path.parent / path.name.removeprefix(_WHITEOUT))
            elif member.isdev():
                continue
            else:
                target = root / path
                if not member.isdir() and (target.is_symlink() or target.exists()):
                    _remove(target)
                archive.extract(member, root, set_attrs=True, filter=_keep_inside)


def _keep_inside(member: tarfile.TarInfo, root: str) -> tarfile.TarInfo | None:
    # Absolute links are ordinary in an image, where the root is another; the standard filter refuses them.
    if member.issym() and member.linkname.startswith("/"):
        depth = len(PurePosixPath(member.name).parts) - 1
        inside = "../" * depth + member.linkname.lstrip("/")
        member = member.replace(linkname=inside or ".", deep=False)
    return tarfile.tar_filter(member, root)


def _empty(folder: Path) -> None:
    if folder.is_dir():
        for entry in folder.iterdir():
            _remove(entry)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
