"""Unpacking images."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local_aws.emulator.runtimes import ImageNotFound, ImageReference
from local_aws.emulator.runtimes.images import ImageStore, parse_reference
from local_aws.plugins.docker.build import digest_of

NAME = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/job"
DIGEST = "sha256:" + "a" * 64


def tar_of(name: str, text: str = "", link: str = "") -> bytes:
    """A layer of one file or symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size, info.linkname, info.type = len(text), link, tarfile.SYMTYPE if link else tarfile.REGTYPE
        archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "reference"),
    [(f"{NAME}:v1", "v1"), (f"{NAME}@{DIGEST}", DIGEST), (NAME, "latest")],
)
def test_an_image_in_ecr_is_known_by_its_tag_or_digest(name: str, reference: str) -> None:
    found = parse_reference(name)
    assert found == ImageReference(name, "123456789012", "eu-west-1", "team/job", reference)


@pytest.mark.parametrize("name", ["python:3.13", "localhost:5000/x", f"{NAME}:", ""])
def test_other_images_are_not_in_ecr(name: str) -> None:
    assert parse_reference(name) is None


class Registry:
    """A registry in memory, by digest and tag, that counts the blobs that are read."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.reads = 0

    def put(self, data: bytes, tag: str = "") -> str:
        digest = digest_of(data)
        self.content |= {digest: data, tag or digest: data}
        return digest

    def put_document(self, document: dict[str, Any], tag: str = "") -> str:
        return self.put(json.dumps(document).encode(), tag)

    def image(self, tag: str, *layers: bytes) -> str:
        config = self.put_document({"config": {"WorkingDir": "/app"}})
        entries = [{"digest": self.put(layer)} for layer in layers]
        return self.put_document({"config": {"digest": config}, "layers": entries}, tag)

    def manifest(self, image: ImageReference) -> tuple[str, bytes] | None:
        raw = self.content.get(image.reference)
        return None if raw is None else (digest_of(raw), raw)

    def blob(self, _image: ImageReference, digest: str) -> bytes | None:
        self.reads += 1
        return self.content.get(digest)


def reference(tag: str) -> ImageReference:
    found = parse_reference(f"{NAME}:{tag}")
    assert found is not None
    return found


def test_an_image_is_unpacked_once_per_digest_a_later_layer_over_an_earlier_one(tmp_path: Path) -> None:
    registry = Registry()
    digest = registry.image("one", tar_of("file", "old"), tar_of("other", "kept"), tar_of("file", "new"))
    registry.content["two"] = registry.content["one"]
    store = ImageStore(tmp_path, registry)
    first = store.pull(reference("one"))
    reads = registry.reads
    assert store.pull(reference("two")) is first
    assert registry.reads == reads
    assert (first.digest, (first.root / "file").read_text(), (first.root / "other").read_text()) == (
        digest,
        "new",
        "kept",
    )
    assert first.working_directory == "/app"


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (tar_of("app/.wh.file"), "removes a file of another layer"),
        (tar_of("../../outside", "x"), "outside the destination"),
        (tar_of("link", link="/etc/passwd"), "absolute path"),
    ],
    ids=["white-out", "outside", "absolute link"],
)
def test_a_layer_that_only_an_engine_can_unpack_is_refused(tmp_path: Path, layer: bytes, reason: str) -> None:
    registry = Registry()
    registry.image("one", layer)
    with pytest.raises(ImageNotFound, match=f"{reason}.*docker container runtime"):
        ImageStore(tmp_path / "images", registry).pull(reference("one"))
    assert not (tmp_path / "outside").exists()


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    registry, layer = Registry(), tar_of("file", "x")
    registry.image("holed", layer)
    del registry.content[digest_of(layer)]
    registry.put_document({"manifests": []}, "many")
    for tag, reason in (("absent", "absent: not found"), ("holed", "blob sha256:"), ("many", "an index of images")):
        with pytest.raises(ImageNotFound, match=reason):
            ImageStore(tmp_path, registry).pull(reference(tag))
