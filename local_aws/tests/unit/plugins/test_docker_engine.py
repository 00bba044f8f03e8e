"""Building and pushing with an engine: what is asked of it, and how its answers are read."""

from __future__ import annotations

import itertools

import pytest

from local_aws.plugins.docker.build import Builder
from local_aws.plugins.docker.context import Entry
from local_aws.plugins.docker.engine import buildkit_command, pushed_digest, registry_host
from local_aws.plugins.docker.errors import BuildFailed, DockerfileError, RegistryError
from local_aws.plugins.docker.image import builds_with_engine
from local_aws.plugins.framework.errors import ProviderError

DIGEST = "sha256:" + "a" * 64


def test_the_builder_is_the_one_that_the_environment_names() -> None:
    assert builds_with_engine({"LOCAL_AWS_IMAGE_BUILDER": "docker"})
    assert not builds_with_engine({"LOCAL_AWS_IMAGE_BUILDER": "archive"})
    assert not builds_with_engine({})
    with pytest.raises(ProviderError, match="archive or docker"):
        builds_with_engine({"LOCAL_AWS_IMAGE_BUILDER": "kaniko"})


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://127.0.0.1:4566", "localhost:4566"),
        ("http://localhost", "localhost:80"),
        ("https://1.dkr.ecr.us-east-1.amazonaws.com", "1.dkr.ecr.us-east-1.amazonaws.com"),
    ],
)
def test_a_registry_on_this_machine_is_localhost_which_engines_trust(address: str, host: str) -> None:
    assert registry_host(address) == host


def test_buildkit_gets_arguments_and_platform_and_makes_no_attestation() -> None:
    build = {"args": {"B": "2", "A": "1 1"}, "platform": "linux/arm64"}
    command = buildkit_command("name:tag", build, "context", "context/Dockerfile")
    assert command[:3] == ["docker", "buildx", "build"]
    assert "--provenance=false" in command
    pairs = list(itertools.pairwise(command))
    for pair in [
        ("--build-arg", "A=1 1"),
        ("--build-arg", "B=2"),
        ("--platform", "linux/arm64"),
        ("--tag", "name:tag"),
        ("--file", "context/Dockerfile"),
    ]:
        assert pair in pairs
    assert command[-1] == "context"


def test_the_digest_is_the_one_that_the_push_tells() -> None:
    answers = [{"status": "Pushed"}, {"status": "digest"}, {"aux": {"Tag": "t", "Digest": DIGEST, "Size": 1}}]
    assert pushed_digest(answers, "n:t") == DIGEST


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("tag invalid: The image tag 't' is immutable", "push under another tag"),
        ("name unknown: The repository with name 'n' does not exist", "create the repository first"),
        ("denied: not you", "denied: not you"),
    ],
)
def test_a_push_that_is_refused_says_why_and_what_to_do(reason: str, advice: str) -> None:
    with pytest.raises(RegistryError, match=f"n:t: docker push was refused: .*{advice}"):
        pushed_digest([{"error": reason}], "n:t")


def test_a_push_without_a_digest_is_no_push() -> None:
    with pytest.raises(RegistryError, match="told no digest"):
        pushed_digest([{"status": "Pushed"}], "n:t")


def test_a_build_that_reaches_no_index_is_told_of_the_wheels() -> None:
    log = ["Collecting boto3", "ERROR: No matching distribution found for boto3", "pip ended"]
    assert "make wheels" in str(BuildFailed("Dockerfile", "ended with 1", log))
    assert "make wheels" not in str(BuildFailed("Dockerfile", "ended with 1", ["compileall failed"]))


def test_a_pattern_without_a_match_is_no_file_where_another_source_is_there() -> None:
    context = {"a.txt": Entry("file", 0o644, b"a")}
    Builder("Dockerfile", context, {}, "linux/amd64").build("FROM base\nCOPY a.txt wheels* /x/\n")
    with pytest.raises(DockerfileError, match="not in the build context"):
        Builder("Dockerfile", context, {}, "linux/amd64").build("FROM base\nCOPY wheels* /x/\n")
