"""Unpacking images (https://github.com/opencontainers/image-spec/blob/main/layer.md)."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local_aws.emulator.runtimes import ImageNotFound, ImageReference
from local_aws.emulator.runtimes.images import ImageStore, apply_layer, parse_config, parse_reference
from local_aws.plugins.docker.build import digest_of

NAME = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/job"
DIGEST = "sha256:" + "a" * 64


def tar_of(*members: tuple[str, str | None] | tarfile.TarInfo, mode: str = "w") -> bytes:
    """A layer; a member without text is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            data = (member[1] or "").encode()
            info.size = len(data)
            if member[1] is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


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


def test_a_later_layer_lies_over_an_earlier_one(tmp_path: Path) -> None:
    apply_layer(tmp_path, tar_of(("app", None), ("app/a", "old"), ("app/b", "b"), mode="w:gz"))
    apply_layer(tmp_path, tar_of(("app/a", "new")))
    assert {each.name: each.read_text() for each in (tmp_path / "app").iterdir()} == {"a": "new", "b": "b"}


def test_a_whiteout_removes_a_file_and_an_opaque_one_a_folders_content(tmp_path: Path) -> None:
    apply_layer(tmp_path, tar_of(("app", None), ("app/a", "1"), ("app/b", "2"), ("lib", None), ("lib/x", "3")))
    apply_layer(tmp_path, tar_of(("app/.wh.a", ""), ("lib/.wh..wh..opq", ""), ("lib/y", "4")))
    assert [each.name for each in (tmp_path / "app").iterdir()] == ["b"]
    assert [each.name for each in (tmp_path / "lib").iterdir()] == ["y"]


def test_an_absolute_link_stays_in_the_image(tmp_path: Path) -> None:
    apply_layer(tmp_path, tar_of(("etc", None), ("etc/real", "here"), ("usr", None), link("usr/alias", "/etc/real")))
    assert (tmp_path / "usr/alias").read_text() == "here"


def test_a_layer_that_reaches_outside_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(tarfile.TarError):
        apply_layer(root, tar_of(("../outside", "x")))
    assert not (tmp_path / "outside").exists()


def test_the_configuration_says_how_to_run() -> None:
    config = parse_config({"config": {"Entrypoint": ["a"], "Cmd": ["b"], "Env": ["X=1=2", "Y="], "WorkingDir": "/w"}})
    assert (config.entry_point, config.command, config.working_directory) == (("a",), ("b",), "/w")
    assert config.environment == {"X": "1=2", "Y": ""}


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

    def image(self, tag: str, text: str) -> str:
        config = self.put_document({"config": {"WorkingDir": "/app"}})
        layer = self.put(tar_of(("file", text)))
        return self.put_document({"config": {"digest": config}, "layers": [{"digest": layer}]}, tag)

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


def test_an_image_is_unpacked_once_per_digest(tmp_path: Path) -> None:
    registry = Registry()
    digest = registry.image("one", "same")
    registry.content["two"] = registry.content["one"]
    store = ImageStore(tmp_path, registry)
    first = store.pull(reference("one"))
    reads = registry.reads
    assert store.pull(reference("two")) is first
    assert registry.reads == reads
    assert (first.digest, (first.root / "file").read_text()) == (digest, "same")
    assert (first.root / "app").is_dir()


def test_an_index_is_resolved_to_this_platform(tmp_path: Path) -> None:
    registry = Registry()
    arm, amd = registry.image("", "arm"), registry.image("", "amd")
    entries = [
        {"digest": arm, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": amd, "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    registry.put_document({"manifests": entries}, "many")
    assert (ImageStore(tmp_path, registry).pull(reference("many")).root / "file").read_text() == "amd"
    registry.put_document({"manifests": entries[:1]}, "one")
    with pytest.raises(ImageNotFound, match="linux/amd64"):
        ImageStore(tmp_path, registry).pull(reference("one"))


def test_a_tag_or_a_layer_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    registry = Registry()
    with pytest.raises(ImageNotFound, match="absent: not found"):
        ImageStore(tmp_path, registry).pull(reference("absent"))
    registry.image("holed", "x")
    del registry.content[digest_of(tar_of(("file", "x")))]
    with pytest.raises(ImageNotFound, match="blob sha256:"):
        ImageStore(tmp_path, registry).pull(reference("holed"))
