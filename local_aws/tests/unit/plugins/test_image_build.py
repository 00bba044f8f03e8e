"""From a Dockerfile and a context to an image: what is in it, that it is always the same, what is refused."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local_aws.plugins.docker import context
from local_aws.plugins.docker.build import Builder, Image, digest_of, instructions
from local_aws.plugins.docker.context import Entry
from local_aws.plugins.docker.errors import DockerfileError
from local_aws.plugins.framework.errors import ProviderError

FILES = {
    "app.py": Entry("file", 0o644, b"print(1)\n"),
    "run.sh": Entry("file", 0o755, b"#!/bin/sh\n"),
    "lib": Entry("folder", 0o755),
    "lib/a.py": Entry("file", 0o644, b"a"),
    "lib/deep": Entry("folder", 0o755),
    "lib/deep/b.py": Entry("file", 0o600, b"b"),
    "lib/link": Entry("link", 0o777, b"a.py"),
}


def build(text: str, **arguments: str) -> Image:
    return Builder("Dockerfile", FILES, arguments, "linux/arm64/v8").build(text)


def layer(image: Image) -> bytes:
    return gzip.decompress(image.blobs[json.loads(image.manifest)["layers"][0]["digest"]])


def members(image: Image) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer(image))) as archive:
        return {member.name: member for member in archive.getmembers()}


def files(image: Image) -> set[str]:
    return {name for name, member in members(image).items() if not member.isdir()}


def configuration(image: Image) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(image.blobs[image.id])
    return document


TWO_STAGES = """
ARG BASE=python:3.13-slim
FROM ${BASE} AS packages
WORKDIR /packages
COPY lib/a.py /tmp/requirements.txt
RUN pip install --target /packages -r /tmp/requirements.txt
FROM ${BASE}
ARG VERSION=1.0
LABEL version="${VERSION}" title="a task"
ENV PYTHONPATH=/app:/packages \\
    MODE=${VERSION}
WORKDIR /app
COPY --from=packages /packages /packages
COPY --from=packages /made/by/run /app/made
COPY app.py lib ./
USER 10001:10001
EXPOSE 80 53/udp
ENTRYPOINT ["python3", "-m", "app"]
CMD ["--all"]
"""


def test_an_image_holds_what_the_last_stage_says() -> None:
    image = build(TWO_STAGES, VERSION="2.0")
    assert files(image) == {"app/app.py", "app/a.py", "app/deep/b.py", "app/link"}
    assert "packages" in members(image)
    assert configuration(image) == {
        "architecture": "arm64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Env": ["PYTHONPATH=/app:/packages", "MODE=2.0"],
            "Entrypoint": ["python3", "-m", "app"],
            "Cmd": ["--all"],
            "WorkingDir": "/app",
            "User": "10001:10001",
        },
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer(image))]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "archive of the build context"}],
    }
    manifest = json.loads(image.manifest)
    for blob in (manifest["config"], *manifest["layers"]):
        assert digest_of(image.blobs[blob["digest"]]) == blob["digest"]
        assert len(image.blobs[blob["digest"]]) == blob["size"]


def test_the_same_input_is_the_same_image_and_another_is_another() -> None:
    assert build(TWO_STAGES).digest == build(TWO_STAGES).digest != build(TWO_STAGES, VERSION="2.0").digest


def test_a_stage_can_be_built_on_another() -> None:
    image = build("FROM x AS base\nENV A=1\nCOPY app.py /a/\nFROM base\nENV B=2\nCOPY run.sh /a/\nCMD run it")
    assert files(image) == {"a/app.py", "a/run.sh"}
    assert configuration(image)["config"]["Env"] == ["A=1", "B=2"]
    assert configuration(image)["config"]["Cmd"] == ["/bin/sh", "-c", "run it"]


def test_an_entry_point_resets_the_command() -> None:
    image = build("FROM x\nCMD first\nENTRYPOINT second")
    assert configuration(image)["config"] == {"Entrypoint": ["/bin/sh", "-c", "second"], "WorkingDir": "/"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY app.py /x", {"x"}),
        ("COPY app.py /x/", {"x/app.py"}),
        ("COPY app.py run.sh /x", {"x/app.py", "x/run.sh"}),
        ("COPY app.py wheels* /x/", {"x/app.py"}),
        ("COPY *.py /x", {"x"}),
        ("COPY * /x/", {"x/app.py", "x/run.sh", "x/a.py", "x/deep/b.py", "x/link"}),
        ("COPY lib /x", {"x/a.py", "x/deep/b.py", "x/link"}),
        ("COPY . /x", {"x/app.py", "x/run.sh", "x/lib/a.py", "x/lib/deep/b.py", "x/lib/link"}),
        ('COPY ["app.py", "/x y/"]', {"x y/app.py"}),
        ("COPY ./lib/a.py relative/", {"relative/a.py"}),
    ],
)
def test_copying(line: str, expected: set[str]) -> None:
    assert files(build(f"FROM x\n{line}")) == expected


def test_modes_links_and_times() -> None:
    found = members(build("FROM x\nCOPY --chown=me:us run.sh /a\nCOPY app.py /b\nCOPY lib /c"))
    assert (found["a"].mode, found["b"].mode, found["c/deep/b.py"].mode) == (0o755, 0o644, 0o600)
    assert (found["c/link"].issym(), found["c/link"].linkname) == (True, "a.py")
    assert {(member.uid, member.gid, member.mtime) for member in found.values()} == {(0, 0, 0)}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("COPY none.py /x", "'none.py' is not in the build context"),
        ("COPY wheels* /x/", "'wheels*' is not in the build context"),
        ("COPY ../x /x", "'../x' is outside of the build context"),
        ("COPY", "COPY has no arguments"),
        ("COPY app.py", "COPY takes one source or more, and a destination"),
        ('COPY "app.py /x', "No closing quotation"),
        ("COPY --parents app.py /x", "COPY --parents is not supported"),
        ("COPY --from=python:3 /a /b", "--from=python:3: there is no such stage"),
        ("ADD app.py /x", "ADD is not supported; supported are ARG, CMD, COPY"),
        ("ONBUILD RUN y", "ONBUILD is not supported"),
        ("ENV A=1 B", "ENV: 'A=1 B' has a word without a value"),
        ('ENV A="open', "No closing quotation"),
        ("ENV A=${B:-two}", "only $name and ${name} are supported"),
        ("FROM a b c", "FROM takes an image and may take AS and a name"),
        ("FROM $MISSING", "FROM takes an image"),
    ],
)
def test_a_line_that_cannot_be_followed_is_named(line: str, reason: str) -> None:
    with pytest.raises(DockerfileError) as failure:
        build(f"FROM x\n{line}")
    assert str(failure.value).startswith("Dockerfile, line 2: ")
    assert reason in str(failure.value)


@pytest.mark.parametrize(("text", "reason"), [("", "there is no FROM"), ("RUN x\nFROM y", "RUN comes before FROM")])
def test_a_dockerfile_begins_with_from(text: str, reason: str) -> None:
    with pytest.raises(DockerfileError, match=f"^Dockerfile, line 1: {reason}"):
        build(text)


def test_arguments_reach_stages_only_if_they_are_declared() -> None:
    image = build("ARG A=1\nFROM x\nENV SEEN=$A\nARG A\nENV LATER=${A}a$$\nARG TARGETARCH\nENV ARCH=$TARGETARCH", A="2")
    assert configuration(image)["config"]["Env"] == ["SEEN=", "LATER=2a$", "ARCH=arm64"]


def test_lines_comments_and_continuations() -> None:
    text = """\
# syntax=docker/dockerfile:1
ARG BASE=python

from ${BASE} AS one
COPY --chown=1:2 --from=zero a \\
    # a comment within
    b /c/
RUN echo one && \\

    echo two
"""
    assert list(instructions(text)) == [
        (2, "ARG", "BASE=python"),
        (4, "FROM", "${BASE} AS one"),
        (5, "COPY", "--chown=1:2 --from=zero a  b /c/"),
        (8, "RUN", "echo one &&  echo two"),
    ]


def test_quoted_values_of_a_variable() -> None:
    image = build('FROM x\nENV A=1 B="two words" C=a\\ b')
    assert configuration(image)["config"]["Env"] == ["A=1", "B=two words", "C=a b"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "keep").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "keep" / "a.py").write_text("a")
    (tmp_path / "keep" / "a.pyc").write_text("a")
    (tmp_path / "keep" / "b.pyc").write_text("b")
    (tmp_path / "keep" / "link").symlink_to("a.py")
    return tmp_path


def test_a_context_is_its_folder_without_what_is_ignored(folder: Path) -> None:
    kept = {"Dockerfile", "keep", "keep/a.py", "keep/b.pyc", "keep/link"}
    (folder / ".dockerignore").write_text("# no caches\n**/*.pyc\n!keep/b.pyc\n")
    assert set(context.read(folder, folder / "Dockerfile")) == {*kept, ".dockerignore"}
    (folder / "Dockerfile.dockerignore").write_text("keep\n*ocker*\n")
    assert set(context.read(folder, folder / "Dockerfile")) == set()


def test_a_context_s_digest_is_of_names_modes_and_contents(folder: Path) -> None:
    def digest() -> str:
        return context.digest(context.read(folder, folder / "Dockerfile"), b"FROM x")

    first = digest()
    os.utime(folder / "keep" / "a.py", (1, 1))
    assert digest() == first
    (folder / "keep" / "a.py").chmod(0o755)
    second = digest()
    (folder / "keep" / "a.py").write_text("b")
    third = digest()
    (folder / "keep" / "a.py").rename(folder / "keep" / "c.py")
    assert len({first, second, third, digest()}) == 4


def test_an_impossible_context_is_named(folder: Path) -> None:
    with pytest.raises(ProviderError, match="is no folder"):
        context.read(folder / "none", folder / "Dockerfile")
    os.mkfifo(folder / "pipe")
    with pytest.raises(ProviderError, match="pipe is neither a file nor a folder nor a link"):
        context.read(folder, folder / "Dockerfile")
