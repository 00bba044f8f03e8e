"""Images in the emulator's own registry, as files: those that were built without Docker, unpacked once per digest."""

from __future__ import annotations

import io
import json
import re
import tarfile
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from local_aws.emulator.runtimes import ImageNotFound, ImageReference

_REFERENCE = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9][a-z0-9._/-]*?)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?$"
)
_WHITEOUT = ".wh."
"""https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts"""


@dataclass(frozen=True)
class UnpackedImage:
    """An image on disk: its manifest's digest, the folder with its root file system, and its OCI `config`."""

    digest: str
    root: Path
    config: Mapping[str, Any]

    @property
    def working_directory(self) -> str:
        """Where its command runs."""
        return str(self.config.get("WorkingDir") or "/")


class Registry(Protocol):
    """Where manifests and layers are; None for what is not there."""

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
        found = self._registry.manifest(image)
        if found is None:
            raise ImageNotFound(f"{image.name}: not found")
        digest, manifest = found
        with self._lock:
            if digest not in self._unpacked:
                self._unpacked[digest] = self._unpack(image, digest, json.loads(manifest))
            return self._unpacked[digest]

    def _unpack(self, image: ImageReference, digest: str, manifest: dict[str, Any]) -> UnpackedImage:
        if "layers" not in manifest:
            raise ImageNotFound(f"{image.name}: an index of images; the docker container runtime may have it")

        def blob(of: str) -> bytes:
            data = self._registry.blob(image, of)
            if data is None:
                raise ImageNotFound(f"{image.name}: blob {of}: not found")
            return data

        config = json.loads(blob(manifest["config"]["digest"])).get("config") or {}
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=self._folder, prefix="partial-"))
        for layer in manifest["layers"]:
            try:
                with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as archive:
                    archive.extractall(partial, filter=_checked)
            except tarfile.TarError as error:
                raise ImageNotFound(f"{image.name}: {error}; the docker container runtime may have it") from error
        root = self._folder / digest.replace(":", "-")
        partial.rename(root)
        return UnpackedImage(digest=digest, root=root, config=config)


def _checked(member: tarfile.TarInfo, root: str) -> tarfile.TarInfo | None:
    """Refuse what reaches outside of the image, and layers that remove files: of such images an engine built."""
    if PurePosixPath(member.name).name.startswith(_WHITEOUT):
        raise tarfile.ReadError(f"{member.name} removes a file of another layer")
    return tarfile.data_filter(member, root)
