"""The Docker engine that the driver checks is the one that Pulumi's plugin uses."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.cli import e2e, e2e_options
from ecs_kit.automation.errors import BadInput, DockerEndpointUnusable, DockerNeeded
from ecs_kit.automation.stacks import docker_host
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.target import PulumiInstallation, Target
from ecs_kit.components.program import check_config

COLIMA = "unix:///home/me/.colima/docker.sock"
TLS = ("ca.pem", "cert.pem", "key.pem")
BUILDER = """Name:          default
Driver:        docker

Nodes:
Name:             default
Endpoint:         default
Status:           running
BuildKit version: v0.21.0
Platforms:        linux/amd64, linux/amd64/v2, linux/arm64*, linux/386
"""


def context(host: str, files: tuple[str, ...] = (), *, skip: bool = False) -> dict[str, Any]:
    """A context as `docker context inspect` prints it."""
    return {
        "Name": "mine",
        "Metadata": {},
        "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": skip}},
        "TLSMaterial": {"docker": list(files)} if files else {},
        "Storage": {"MetadataPath": "/c/meta/1", "TLSPath": "/c/tls/1"},
    }


class Docker:
    """A `docker` on PATH that answers from files, and notes what it was asked, and for which engine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        executable = folder / "docker"
        executable.write_text(
            "#!/bin/sh\n"
            f'cd {folder}; echo "$1 $2 ${{DOCKER_HOST:-none}}" >> asked\n'
            'test -f "$1" || { echo "docker: $1 does not work" >&2; exit 1; }\n'
            'cat "$1"\n'
        )
        executable.chmod(0o755)
        self.answers(context=[context(COLIMA)], version={"Version": "28.0", "Os": "linux", "Arch": "amd64"})

    def answers(self, **answers: Any) -> None:
        for command, answer in answers.items():
            text = answer if isinstance(answer, str) else json.dumps(answer)
            (self._folder / command).write_text(text)

    def fails(self, command: str) -> None:
        (self._folder / command).unlink()

    @property
    def asked(self) -> list[str]:
        return (self._folder / "asked").read_text().splitlines()

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{self._folder}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": "/home/me", **more}


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)


def test_the_context_s_engine_is_checked_and_handed_on(docker: Docker) -> None:
    assert docker_host.engine_environment(docker.environment()) == {"DOCKER_HOST": COLIMA}
    assert docker.asked == ["context inspect none", f"version --format {COLIMA}"]


def test_docker_host_goes_before_contexts(docker: Docker) -> None:
    environment = docker.environment(DOCKER_HOST="unix:///mine", DOCKER_CONTEXT="colima")
    assert docker_host.engine_environment(environment) == {"DOCKER_CONTEXT": ""}
    assert docker.asked == ["version --format unix:///mine"]


def test_docker_context_is_resolved_once(docker: Docker) -> None:
    added = docker_host.engine_environment(docker.environment(DOCKER_CONTEXT="colima"))
    assert added == {"DOCKER_HOST": COLIMA, "DOCKER_CONTEXT": ""}


@pytest.mark.parametrize("command", ["context", "version"])
def test_a_docker_that_does_not_answer_is_named(docker: Docker, command: str) -> None:
    docker.fails(command)
    with pytest.raises(DockerNeeded, match=f"docker: {command} does not work"):
        docker_host.engine_environment(docker.environment())


@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("version", "null", "names no server"),
        ("version", "Server: 28", "printed no JSON"),
        ("context", "[]", "names no context"),
    ],
)
def test_an_answer_that_is_not_docker_s_is_named(docker: Docker, command: str, answer: str, reason: str) -> None:
    docker.answers(**{command: answer})
    with pytest.raises(DockerNeeded, match=reason):
        docker_host.engine_environment(docker.environment())


def test_no_docker_at_all(tmp_path: Path) -> None:
    with pytest.raises(DockerNeeded, match="no `docker` on PATH"):
        docker_host.engine_environment({"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (context("ssh://me@host"), {"DOCKER_HOST": "ssh://me@host"}),
        (context("tcp://host:2375"), {"DOCKER_HOST": "tcp://host:2375"}),
        (
            context("tcp://host:2376", TLS),
            {"DOCKER_HOST": "tcp://host:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c/tls/1/docker"},
        ),
    ],
    ids=["ssh", "plain", "tls"],
)
def test_remote_contexts_become_variables(given: Mapping[str, Any], expected: dict[str, str]) -> None:
    assert docker_host.context_environment(given) == expected


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (context(""), "names no engine"),
        (context("tcp://host:2376", ("ca.pem",)), "without all of ca.pem, cert.pem, key.pem"),
        (context("tcp://host:2376", TLS, skip=True), "TLS without checking"),
    ],
    ids=["nothing", "a part", "unchecked"],
)
def test_a_context_that_variables_cannot_express_is_refused(given: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(DockerEndpointUnusable, match=rf"'mine'.*{reason}.*`docker context use`"):
        docker_host.context_environment(given)


def test_a_host_s_certificates_are_the_same_for_both() -> None:
    remote = {"HOME": "/home/me", "DOCKER_HOST": "tcp://host:2376"}
    assert docker_host.host_environment(remote) == {}
    verified = {**remote, "DOCKER_TLS_VERIFY": "1"}
    assert docker_host.host_environment(verified) == {"DOCKER_CERT_PATH": "/home/me/.docker"}
    assert docker_host.host_environment({**verified, "DOCKER_CONFIG": "/c"}) == {"DOCKER_CERT_PATH": "/c"}
    assert docker_host.host_environment({**verified, "DOCKER_CERT_PATH": "/certs"}) == {}
    with pytest.raises(DockerEndpointUnusable, match="DOCKER_TLS_VERIFY is not: set it to 1"):
        docker_host.host_environment({**remote, "DOCKER_CERT_PATH": "/certs"})


def test_an_image_for_another_processor_than_the_engine_s_needs_an_emulator(docker: Docker) -> None:
    docker_host.engine_environment(docker.environment(), "linux/amd64")
    assert len(docker.asked) == 2
    docker.answers(buildx=BUILDER)
    docker_host.engine_environment(docker.environment(), "linux/arm64")
    assert docker.asked[-1] == f"buildx inspect {COLIMA}"
    docker.answers(buildx=BUILDER.replace(", linux/arm64*", ""))
    with pytest.raises(BadInput, match=r"for linux/arm64.* is linux/amd64 without .*binfmt --install arm64`"):
        docker_host.engine_environment(docker.environment(), "linux/arm64")
    docker.fails("buildx")
    with pytest.raises(BadInput, match="set cpuArchitecture"):
        docker_host.engine_environment(docker.environment(), "linux/arm64")


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aws: AwsClients) -> Callable[..., Target]:
    """The driver's check of `--target aws` with a configuration, where PATH is a folder."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)

    def made(path: str, **config: str) -> Target:
        monkeypatch.setenv("PATH", path)
        options = e2e_options.parse(["--target", "aws", "--yes"])
        target = e2e._target(options, tmp_path, check_config(config))
        target.check()
        return target

    return made


def test_pulumi_and_the_user_s_shell_get_the_engine_that_was_checked(
    docker: Docker, check: Callable[..., Target], tmp_path: Path
) -> None:
    made = check(docker.environment()["PATH"])
    made.pulumi = PulumiInstallation(tmp_path / "pulumi", "3.259.0")
    assert made.environment["DOCKER_HOST"] == COLIMA
    assert f"export DOCKER_HOST={COLIMA}" in made.how_to_remove("e2e", tmp_path)


def test_the_image_is_for_the_configured_processor(docker: Docker, check: Callable[..., Target]) -> None:
    with pytest.raises(BadInput, match="linux/arm64"):
        check(docker.environment()["PATH"], cpuArchitecture="ARM64")


def test_a_ready_image_needs_no_docker(check: Callable[..., Target], tmp_path: Path) -> None:
    check(str(tmp_path), jobImage="123456789012.dkr.ecr.eu-west-1.amazonaws.com/job:1")
    with pytest.raises(DockerNeeded, match="no `docker` on PATH"):
        check(str(tmp_path))
