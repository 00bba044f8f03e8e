"""`docker:index/image:Image` and the registry, against a small registry of our own."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local_aws.plugins.docker.build import MANIFEST_TYPE
from local_aws.plugins.docker.build import Image as BuiltImage
from local_aws.plugins.docker.errors import RegistryError
from local_aws.plugins.docker.image import DockerProvider, Image
from local_aws.plugins.docker.registry import Reference, address_of, push
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.plugins.framework.values import UNKNOWN, Secret, reveal
from local_aws.tests.unit.plugins.playing import Aborted, Engine

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
TOKEN = Image.token
EMPTY = BuiltImage(b"{}", {})


class SmallRegistry(ThreadingHTTPServer):
    """Keeps blobs and manifests; tags never change what they are."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.blobs: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.requests: list[tuple[str, str, str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: SmallRegistry

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        host, authorization = self.headers["Host"], self.headers.get("Authorization", "")
        self.server.requests.append((self.command, self.path, host, authorization))
        last = self.path.split("?")[0].rsplit("/", 1)[-1]
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if "/repository/missing/" in self.path or "/missing/" in self.path:
            self.answer(404, body=b'{"errors": [{"code": "NAME_UNKNOWN", "message": "no such repository"}]}')
        elif "/blobs/uploads/" in self.path and self.command == "POST":
            self.answer(202, {"Location": f"{self.path}one?state=x"})
        elif "/blobs/uploads/" in self.path:
            self.server.blobs[digest] = body
            self.answer(201)
        elif "/blobs/" in self.path:
            self.answer(200 if last in self.server.blobs else 404)
        elif self.command == "HEAD":
            found = self.server.tags.get(last)
            self.answer(200 if found else 404, {"Docker-Content-Digest": found} if found else {})
        elif self.server.tags.get(last, digest) != digest:
            self.answer(400, body=b'{"errors": [{"code": "TAG_INVALID", "message": "the tag is immutable"}]}')
        else:
            assert self.headers["Content-Type"] == MANIFEST_TYPE
            self.server.tags[last] = digest
            self.answer(201)

    do_HEAD = do_POST = do_PUT = handle_any

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallRegistry]:
    with SmallRegistry() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.delenv("AWS_ENDPOINT_URL_ECR", raising=False)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def engine() -> Engine:
    return Engine(ProviderServicer(DockerProvider(), "4.11.2"))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text("FROM python\nCOPY job.py /app/\n")
    (tmp_path / "app" / "job.py").write_text("print(1)\n")
    return {
        "imageName": f"{ECR}/repository:one",
        "build": {"context": "app", "platform": "linux/amd64"},
        "registry": {"server": f"https://{ECR}", "username": "AWS", "password": Secret("hush")},
    }


def test_an_image_is_pushed_with_the_program_s_credentials(
    engine: Engine, program: dict[str, Any], registry: SmallRegistry
) -> None:
    inputs = engine.check(TOKEN, program)
    resource_id, state = engine.create(TOKEN, inputs)
    assert resource_id == f"{ECR}/repository:one"
    assert state["repoDigest"] == f"{ECR}/repository@{registry.tags['one']}"
    assert state["registryServer"] == f"https://{ECR}"
    assert (state["context"], state["dockerfile"]) == ("app", "app/Dockerfile")
    assert len(registry.blobs) == 2
    assert {host for _, _, host, _ in registry.requests} == {ECR}
    expected = "Basic " + base64.b64encode(b"AWS:hush").decode()
    assert {authorization for *_, authorization in registry.requests} == {expected}


def test_an_image_that_is_built_again_is_another_one_and_refused(
    engine: Engine, program: dict[str, Any], registry: SmallRegistry
) -> None:
    inputs = engine.check(TOKEN, program)
    engine.create(TOKEN, inputs)
    with pytest.raises(Aborted, match="TAG_INVALID the tag is immutable; the tag one is another image already"):
        engine.create(TOKEN, inputs)


def test_credentials_are_kept_secret_and_not_compared(engine: Engine, program: dict[str, Any]) -> None:
    old = engine.check(TOKEN, program)
    assert isinstance(old["registry"], Secret)
    later = {**program, "registry": {**program["registry"], "password": Secret("other"), "username": "ME"}}
    new = engine.check(TOKEN, later)
    assert list(engine.diff(TOKEN, old, new).diffs) == []
    unknown = {**program, "registry": {**program["registry"], "password": UNKNOWN}}
    new = engine.check(TOKEN, unknown)
    assert list(engine.diff(TOKEN, old, new).diffs) == []
    moved = {**program, "registry": {"server": "https://other"}}
    assert list(engine.diff(TOKEN, old, engine.check(TOKEN, moved)).diffs) == ["registry"]


def test_a_changed_file_is_an_update(engine: Engine, program: dict[str, Any], tmp_path: Path) -> None:
    old = engine.check(TOKEN, program)
    (tmp_path / "app" / "job.py").write_text("print(2)\n")
    new = engine.check(TOKEN, program)
    response = engine.diff(TOKEN, old, new)
    assert (list(response.detailedDiff), list(response.replaces)) == (["build"], [])


def test_an_update_pushes_again(
    engine: Engine, program: dict[str, Any], registry: SmallRegistry, tmp_path: Path
) -> None:
    old = engine.check(TOKEN, program)
    _, state = engine.create(TOKEN, old)
    (tmp_path / "app" / "job.py").write_text("print(2)\n")
    new = engine.check(TOKEN, {**program, "imageName": f"{ECR}/repository:two"})
    assert engine.update(TOKEN, "x", state, old, new, preview=True)["repoDigest"] is UNKNOWN
    updated = engine.update(TOKEN, "x", state, old, new)
    assert updated["repoDigest"] == f"{ECR}/repository@{registry.tags['two']}"
    assert registry.tags["one"] != registry.tags["two"]


def test_a_tag_that_cannot_change_says_what_to_do(
    engine: Engine, program: dict[str, Any], registry: SmallRegistry
) -> None:
    registry.tags["one"] = "sha256:other"
    inputs = engine.check(TOKEN, program)
    with pytest.raises(Aborted, match="TAG_INVALID the tag is immutable; the tag one is another image already"):
        engine.create(TOKEN, inputs)


def test_a_refusal_names_the_repository(engine: Engine, program: dict[str, Any], registry: SmallRegistry) -> None:
    inputs = engine.check(TOKEN, {**program, "imageName": f"{ECR}/missing:one"})
    with pytest.raises(Aborted, match=r"missing: POST /v2/missing/blobs/uploads/ was refused with 404: NAME_UNKNOWN"):
        engine.create(TOKEN, inputs)


def test_a_registry_out_of_reach_is_named() -> None:
    with SmallRegistry() as closed:
        address = closed.url
    reference = Reference.parse(f"{ECR}/repository")
    with pytest.raises(RegistryError, match=f"the registry at {address} cannot be reached"):
        push(EMPTY, reference, address)


def test_without_a_push_the_digest_is_the_engine_s(engine: Engine, program: dict[str, Any]) -> None:
    inputs = engine.check(TOKEN, {**program, "skipPush": True})
    assert engine.create(TOKEN, inputs)[1]["repoDigest"].startswith("sha256:")


def test_whether_to_push_has_to_be_known_in_a_preview(engine: Engine, program: dict[str, Any]) -> None:
    with pytest.raises(Aborted, match="skipPush has to be known in a preview"):
        engine.check(TOKEN, {**program, "skipPush": UNKNOWN})


def test_a_refresh_and_a_deletion_leave_everything(engine: Engine, program: dict[str, Any]) -> None:
    inputs = engine.check(TOKEN, {**program, "skipPush": True})
    resource_id, state = engine.create(TOKEN, inputs)
    assert engine.read(TOKEN, resource_id, state, inputs) == (resource_id, state, inputs)
    engine.delete(TOKEN, resource_id, state)


def test_the_platform_is_this_machine_s_where_none_is_given(engine: Engine, program: dict[str, Any]) -> None:
    inputs = engine.check(TOKEN, {**program, "build": {"context": "app"}})
    assert reveal(inputs)["build"]["platform"].startswith("linux/")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"imageName": "repository:one"}, "imageName 'repository:one' is not <registry host>/<repository>:<tag>"),
        ({"build": {"context": "app", "dockerfile": "Dockerfile"}}, "so try 'app/Dockerfile'"),
        ({"build": {"context": "none"}}, "there is no Dockerfile 'none/Dockerfile' (in "),
    ],
)
def test_what_is_wrong_is_refused_at_check(
    engine: Engine, program: dict[str, Any], changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Aborted) as failure:
        engine.check(TOKEN, {**program, **changed})
    assert reason in failure.value.details


def test_a_dockerfile_that_cannot_be_followed_is_refused_at_check(
    engine: Engine, program: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "app" / "Dockerfile").write_text("FROM x\nCOPY none /x\n")
    with pytest.raises(Aborted, match="app/Dockerfile, line 2: 'none' is not in the build context"):
        engine.check(TOKEN, program)


def test_unknown_names_and_contexts_wait_for_the_deployment(engine: Engine, program: dict[str, Any]) -> None:
    unknown = {"imageName": UNKNOWN, "build": {"context": UNKNOWN}, "registry": UNKNOWN}
    _, state = engine.create(TOKEN, engine.check(TOKEN, {**program, **unknown}), preview=True)
    assert (state["repoDigest"], state["registryServer"]) == (UNKNOWN, UNKNOWN)


def test_references_are_fully_qualified() -> None:
    assert Reference.parse("localhost:5000/a/b:c") == Reference("localhost:5000", "a/b", "c")
    assert Reference.parse(f"{ECR}/a") == Reference(ECR, "a", "latest")
    for name in ("python", "library/python:3", "host.example/UPPER:1"):
        with pytest.raises(RegistryError):
            Reference.parse(name)


@pytest.mark.parametrize(
    ("name", "server", "environment", "address"),
    [
        (f"{ECR}/a", "", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        (f"{ECR}/a", "", {"AWS_ENDPOINT_URL_ECR": "http://x", "AWS_ENDPOINT_URL": "http://y"}, "http://x"),
        (f"{ECR}/a", "http://127.0.0.1:2", {}, "http://127.0.0.1:2"),
        (f"{ECR}/a", f"https://{ECR}", {}, f"https://{ECR}"),
        ("localhost:5000/a", "", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "http://localhost:5000"),
        ("registry.example/a", "", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "https://registry.example"),
    ],
)
def test_where_a_registry_is(name: str, server: str, environment: dict[str, str], address: str) -> None:
    assert address_of(Reference.parse(name), server, environment) == address
