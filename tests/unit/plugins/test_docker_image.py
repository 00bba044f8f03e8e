"""`docker:index/image:Image` and the registry, against a small registry of our own."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from automation.local.plugins.docker.build import MANIFEST_TYPE
from automation.local.plugins.docker.build import Image as BuiltImage
from automation.local.plugins.docker.errors import RegistryError
from automation.local.plugins.docker.image import DockerProvider, Image
from automation.local.plugins.docker.registry import Credentials, Reference, Registry, address_of
from automation.local.plugins.framework.servicer import ProviderServicer
from automation.local.plugins.framework.values import UNKNOWN, Secret, from_struct, reveal, to_struct
from tests.unit.plugins.playing import URN, Aborted, call, check, diff

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
IMAGE = URN.format(token=Image.token, name="it")
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
def servicer() -> ProviderServicer[DockerProvider]:
    return ProviderServicer(DockerProvider(), "4.11.2")


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


def create(servicer: ProviderServicer[Any], inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    response = call(servicer.Create, provider_pb2.CreateRequest(urn=IMAGE, properties=to_struct(inputs)))
    return response.id, from_struct(response.properties)


def test_an_image_is_pushed_with_the_program_s_credentials(
    servicer: ProviderServicer[Any], program: dict[str, Any], registry: SmallRegistry
) -> None:
    inputs, failures = check(servicer, Image.token, program)
    assert failures == []
    resource_id, state = create(servicer, inputs)
    assert resource_id == f"{ECR}/repository:one"
    assert state["repoDigest"] == f"{ECR}/repository@{registry.tags['one']}"
    assert state["registryServer"] == f"https://{ECR}"
    assert (state["context"], state["dockerfile"]) == ("app", "app/Dockerfile")
    assert len(registry.blobs) == 2
    assert {host for _, _, host, _ in registry.requests} == {ECR}
    expected = "Basic " + base64.b64encode(b"AWS:hush").decode()
    assert {authorization for *_, authorization in registry.requests} == {expected}


def test_an_image_that_is_built_again_is_another_one_and_refused(
    servicer: ProviderServicer[Any], program: dict[str, Any], registry: SmallRegistry
) -> None:
    inputs, _ = check(servicer, Image.token, program)
    create(servicer, inputs)
    with pytest.raises(Aborted, match="TAG_INVALID the tag is immutable; the tag one is another image already"):
        create(servicer, inputs)


def test_credentials_are_kept_secret_and_not_compared(servicer: ProviderServicer[Any], program: dict[str, Any]) -> None:
    old, _ = check(servicer, Image.token, program)
    assert isinstance(old["registry"], Secret)
    later = {**program, "registry": {**program["registry"], "password": Secret("other"), "username": "ME"}}
    new, _ = check(servicer, Image.token, later, old)
    assert list(diff(servicer, Image.token, old, new).diffs) == []
    unknown = {**program, "registry": {**program["registry"], "password": UNKNOWN}}
    new, _ = check(servicer, Image.token, unknown, old)
    assert list(diff(servicer, Image.token, old, new).diffs) == []
    moved = {**program, "registry": {"server": "https://other"}}
    assert list(diff(servicer, Image.token, old, check(servicer, Image.token, moved, old)[0]).diffs) == ["registry"]


def test_a_changed_file_is_an_update(servicer: ProviderServicer[Any], program: dict[str, Any], tmp_path: Path) -> None:
    old, _ = check(servicer, Image.token, program)
    (tmp_path / "app" / "job.py").write_text("print(2)\n")
    new, _ = check(servicer, Image.token, program, old)
    response = diff(servicer, Image.token, old, new)
    assert (list(response.detailedDiff), list(response.replaces)) == (["build.contextDigest"], [])


def test_an_update_pushes_again(
    servicer: ProviderServicer[Any], program: dict[str, Any], registry: SmallRegistry, tmp_path: Path
) -> None:
    old, _ = check(servicer, Image.token, program)
    _, state = create(servicer, old)
    (tmp_path / "app" / "job.py").write_text("print(2)\n")
    new, _ = check(servicer, Image.token, {**program, "imageName": f"{ECR}/repository:two"}, old)
    request = provider_pb2.UpdateRequest(
        id="x", urn=IMAGE, olds=to_struct(state), old_inputs=to_struct(old), news=to_struct(new)
    )
    foreseen = provider_pb2.UpdateRequest()
    foreseen.CopyFrom(request)
    foreseen.preview = True
    assert from_struct(call(servicer.Update, foreseen).properties)["repoDigest"] is UNKNOWN
    updated = from_struct(call(servicer.Update, request).properties)
    assert updated["repoDigest"] == f"{ECR}/repository@{registry.tags['two']}"
    assert registry.tags["one"] != registry.tags["two"]


def test_a_tag_that_cannot_change_says_what_to_do(
    servicer: ProviderServicer[Any], program: dict[str, Any], registry: SmallRegistry
) -> None:
    registry.tags["one"] = "sha256:other"
    inputs, _ = check(servicer, Image.token, program)
    with pytest.raises(Aborted, match="TAG_INVALID the tag is immutable; the tag one is another image already"):
        create(servicer, inputs)


def test_a_refusal_names_the_repository(
    servicer: ProviderServicer[Any], program: dict[str, Any], registry: SmallRegistry
) -> None:
    inputs, _ = check(servicer, Image.token, {**program, "imageName": f"{ECR}/missing:one"})
    with pytest.raises(Aborted, match=r"missing: POST /v2/missing/blobs/uploads/ was refused with 404: NAME_UNKNOWN"):
        create(servicer, inputs)


def test_a_registry_out_of_reach_is_named() -> None:
    with SmallRegistry() as closed:
        address = closed.url
    reference = Reference.parse(f"{ECR}/repository")
    with pytest.raises(RegistryError, match=f"the registry at {address} cannot be reached"):
        Registry(reference, address, Credentials()).push(EMPTY)


def test_without_a_push_the_digest_is_the_engine_s(servicer: ProviderServicer[Any], program: dict[str, Any]) -> None:
    inputs, _ = check(servicer, Image.token, {**program, "skipPush": True})
    assert create(servicer, inputs)[1]["repoDigest"].startswith("sha256:")


def test_whether_to_push_has_to_be_known_in_a_preview(servicer: ProviderServicer[Any], program: dict[str, Any]) -> None:
    with pytest.raises(Aborted, match="skipPush has to be known in a preview"):
        check(servicer, Image.token, {**program, "skipPush": UNKNOWN})


def test_a_refresh_and_a_deletion_leave_everything(servicer: ProviderServicer[Any], program: dict[str, Any]) -> None:
    inputs, _ = check(servicer, Image.token, {**program, "skipPush": True})
    resource_id, state = create(servicer, inputs)
    request = provider_pb2.ReadRequest(id=resource_id, urn=IMAGE, properties=to_struct(state), inputs=to_struct(inputs))
    response = call(servicer.Read, request)
    assert (response.id, from_struct(response.properties)) == (resource_id, state)
    assert from_struct(response.inputs) == inputs
    call(servicer.Delete, provider_pb2.DeleteRequest(id=resource_id, urn=IMAGE, properties=to_struct(state)))


def test_the_platform_is_this_machine_s_where_none_is_given(
    servicer: ProviderServicer[Any], program: dict[str, Any]
) -> None:
    inputs, _ = check(servicer, Image.token, {**program, "build": {"context": "app"}})
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
    servicer: ProviderServicer[Any], program: dict[str, Any], changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Aborted) as failure:
        check(servicer, Image.token, {**program, **changed})
    assert reason in failure.value.details


def test_a_dockerfile_that_cannot_be_followed_is_refused_at_check(
    servicer: ProviderServicer[Any], program: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "app" / "Dockerfile").write_text("FROM x\nCOPY none /x\n")
    with pytest.raises(Aborted, match="app/Dockerfile, line 2: 'none' is not in the build context"):
        check(servicer, Image.token, program)


def test_unknown_names_and_contexts_wait_for_the_deployment(
    servicer: ProviderServicer[Any], program: dict[str, Any]
) -> None:
    inputs, failures = check(
        servicer, Image.token, {**program, "imageName": UNKNOWN, "build": {"context": UNKNOWN}, "registry": UNKNOWN}
    )
    assert failures == []
    request = provider_pb2.CreateRequest(urn=IMAGE, properties=to_struct(inputs), preview=True)
    state = from_struct(call(servicer.Create, request).properties)
    assert state["repoDigest"] is UNKNOWN
    assert state["registryServer"] is UNKNOWN


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
