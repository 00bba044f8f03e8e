"""`docker:index/image:Image`: its inputs, and what is asked of registries and engines."""

import itertools
import socket
from pathlib import Path
from typing import Any

import pytest

from local_aws.plugins.docker.build import Image as BuiltImage
from local_aws.plugins.docker.engine import buildkit_command, pushed_digest, registry_host
from local_aws.plugins.docker.errors import BuildFailed, RegistryError
from local_aws.plugins.docker.image import Image, builds_with_engine
from local_aws.plugins.docker.registry import Reference, address_of, push
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.values import UNKNOWN, Secret, reveal
from local_aws.tests.unit.plugins.playing import Aborted, Engine, image_engine, image_inputs

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
TOKEN = Image.token
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def engine() -> Engine:
    return image_engine()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    return image_inputs(tmp_path, ECR, "repository")


def test_an_unreachable_registry_is_named() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(RegistryError, match=f"the registry at {address} cannot be reached"):
            push(BuiltImage(b"{}", {}), Reference.parse(f"{ECR}/repository"), address)


def test_credentials_are_kept_secret_and_not_compared(engine: Engine, program: dict[str, Any]) -> None:
    old = engine.check(TOKEN, program)
    assert isinstance(old["registry"], Secret)
    for registry, differing in (
        ({**program["registry"], "password": Secret("other"), "username": "ME"}, []),
        ({**program["registry"], "password": UNKNOWN}, []),
        ({"server": "https://other"}, ["registry"]),
    ):
        new = engine.check(TOKEN, {**program, "registry": registry})
        assert list(engine.diff(TOKEN, old, new).diffs) == differing


def test_an_image_without_a_push_has_the_engine_s_id_and_a_refresh_changes_nothing(
    engine: Engine, program: dict[str, Any]
) -> None:
    inputs = engine.check(TOKEN, {**program, "skipPush": True})
    resource_id, state = engine.create(TOKEN, inputs)
    assert state["repoDigest"].startswith("sha256:")
    assert engine.read(TOKEN, resource_id, state, inputs) == (resource_id, state, inputs)
    engine.delete(TOKEN, resource_id, state)


def test_the_default_platform_is_this_machine_s(engine: Engine, program: dict[str, Any]) -> None:
    inputs = engine.check(TOKEN, {**program, "build": {"context": "app"}})
    assert reveal(inputs)["build"]["platform"].startswith("linux/")


@pytest.mark.parametrize(
    ("changed", "dockerfile", "reason"),
    [
        ({"imageName": "repository:one"}, "", "imageName 'repository:one' is not <registry host>/<repository>:<tag>"),
        ({"build": {"context": "app", "dockerfile": "Dockerfile"}}, "", "so try 'app/Dockerfile'"),
        ({"build": {"context": "none"}}, "", "there is no Dockerfile 'none/Dockerfile' (in "),
        ({"skipPush": UNKNOWN}, "", "skipPush has to be known in a preview"),
        ({}, "FROM x\nCOPY none /x\n", "app/Dockerfile, line 2: 'none' is not in the build context"),
    ],
)
def test_wrong_inputs_are_refused_at_check(
    engine: Engine, program: dict[str, Any], changed: dict[str, Any], dockerfile: str, reason: str
) -> None:
    if dockerfile:
        Path("app/Dockerfile").write_text(dockerfile)
    with pytest.raises(Aborted) as failure:
        engine.check(TOKEN, {**program, **changed})
    assert reason in failure.value.details


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
def test_the_address_of_a_registry(name: str, server: str, environment: dict[str, str], address: str) -> None:
    assert address_of(Reference.parse(name), server, environment) == address


def test_the_builder_is_the_one_that_the_environment_names() -> None:
    assert builds_with_engine({"LOCAL_AWS_IMAGE_BUILDER": "docker"})
    assert not builds_with_engine({"LOCAL_AWS_IMAGE_BUILDER": "archive"}) and not builds_with_engine({})
    with pytest.raises(ProviderError, match="archive or docker"):
        builds_with_engine({"LOCAL_AWS_IMAGE_BUILDER": "kaniko"})


def test_a_registry_on_this_machine_is_localhost_which_engines_trust() -> None:
    addresses = ("http://127.0.0.1:4566", "http://localhost", f"https://{ECR}")
    assert [registry_host(address) for address in addresses] == ["localhost:4566", "localhost:80", ECR]


def test_buildkit_gets_arguments_and_platform_and_makes_no_attestation() -> None:
    build = {"args": {"B": "2", "A": "1 1"}, "platform": "linux/arm64"}
    command = buildkit_command("name:tag", build, "context", "context/Dockerfile")
    assert command[:3] == ["docker", "buildx", "build"] and command[-1] == "context"
    assert "--provenance=false" in command
    assert set(itertools.pairwise(command)) >= {
        ("--build-arg", "A=1 1"),
        ("--build-arg", "B=2"),
        ("--platform", "linux/arm64"),
        ("--tag", "name:tag"),
        ("--file", "context/Dockerfile"),
    }


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": "tag invalid: The image tag 't' is immutable"}, "refused: tag invalid.*; .*push under another tag"),
        ({"error": "The repository with name 'n' does not exist"}, "refused: The .*; create the repository first"),
        ({"error": "denied: not you"}, "docker push was refused: denied: not you$"),
        ({"status": "Pushed"}, "without naming a digest"),
    ],
)
def test_a_push_answers_with_its_digest_or_says_why_it_failed_and_what_to_do(answer: dict[str, str], said: str) -> None:
    pushed = [{"status": "Pushed"}, {"aux": {"Tag": "t", "Digest": DIGEST, "Size": 1}}]
    assert pushed_digest(pushed, "n:t") == DIGEST
    with pytest.raises(RegistryError, match=f"n:t: .*{said}"):
        pushed_digest([answer], "n:t")


def test_a_build_that_reaches_no_index_is_told_of_the_wheels() -> None:
    log = ["Collecting boto3", "ERROR: No matching distribution found for boto3", "pip ended"]
    assert "make wheels" in str(BuildFailed("Dockerfile", "ended with 1", log))
    assert "make wheels" not in str(BuildFailed("Dockerfile", "ended with 1", ["compileall failed"]))
