"""The Docker engine that the driver checks is the one that Pulumi's plugin uses."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.cli import e2e
from ecs_kit.automation.cli.options import parse
from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.stacks import docker_host
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.target import PulumiInstallation, Target
from ecs_kit.components.program import KitConfig

COLIMA = "unix:///home/me/.colima/docker.sock"
REMOTE = "tcp://host:2376"
VERIFIED = {"DOCKER_HOST": REMOTE, "DOCKER_TLS_VERIFY": "1"}
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
    """A `docker` on PATH that answers from files, fails without one, and notes what it was asked for which engine."""

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
            if answer is None:
                (self._folder / command).unlink()
            else:
                (self._folder / command).write_text(answer if isinstance(answer, str) else json.dumps(answer))

    @property
    def asked(self) -> list[str]:
        return (self._folder / "asked").read_text().splitlines()

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{self._folder}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": "/home/me", **more}


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)


@pytest.mark.parametrize(
    ("environment", "given", "added"),
    [
        ({}, context(COLIMA), {"DOCKER_HOST": COLIMA}),
        ({"DOCKER_CONTEXT": "colima"}, context(COLIMA), {"DOCKER_HOST": COLIMA, "DOCKER_CONTEXT": ""}),
        ({}, context("ssh://me@host"), {"DOCKER_HOST": "ssh://me@host"}),
        ({}, context("tcp://host:2375"), {"DOCKER_HOST": "tcp://host:2375"}),
        (
            {},
            context(REMOTE, TLS),
            {"DOCKER_HOST": REMOTE, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c/tls/1/docker"},
        ),
        ({"DOCKER_HOST": "unix:///mine", "DOCKER_CONTEXT": "colima"}, None, {"DOCKER_CONTEXT": ""}),
        ({"DOCKER_HOST": REMOTE}, None, {}),
        (VERIFIED, None, {"DOCKER_CERT_PATH": "/home/me/.docker"}),
        ({**VERIFIED, "DOCKER_CONFIG": "/c"}, None, {"DOCKER_CERT_PATH": "/c"}),
        ({**VERIFIED, "DOCKER_CERT_PATH": "/certs"}, None, {}),
    ],
)
def test_the_engine_of_host_or_context_is_checked_and_becomes_variables(
    docker: Docker, environment: dict[str, str], given: Any, added: dict[str, str]
) -> None:
    """`DOCKER_HOST` goes before contexts."""
    docker.answers(context=[given])
    assert docker_host.engine_environment(docker.environment(**environment)) == added
    looks = [] if given is None else ["context inspect none"]
    assert docker.asked == [*looks, f"version --format {({**environment, **added})['DOCKER_HOST']}"]


@pytest.mark.parametrize(
    ("environment", "given", "reason"),
    [
        ({}, context(""), "'mine'.*names no engine.*`docker context use`"),
        ({}, context(REMOTE, ("ca.pem",)), "'mine'.*without all of ca.pem, cert.pem, key.pem.*`docker context use`"),
        ({}, context(REMOTE, TLS, skip=True), "'mine'.*TLS without checking.*`docker context use`"),
        ({"DOCKER_HOST": REMOTE, "DOCKER_CERT_PATH": "/certs"}, None, "DOCKER_TLS_VERIFY is not: set it to 1"),
    ],
    ids=["nothing", "a part", "unchecked", "certificates that only one would use"],
)
def test_what_the_plugin_cannot_use_is_refused(
    docker: Docker, environment: dict[str, str], given: Any, reason: str
) -> None:
    docker.answers(context=[given])
    with pytest.raises(BadInput, match=reason):
        docker_host.engine_environment(docker.environment(**environment))


@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("context", None, "docker: context does not work"),
        ("version", None, "docker: version does not work"),
        ("version", "null", "names no server"),
        ("version", "Server: 28", "printed no JSON"),
        ("context", "[]", "names no context"),
    ],
)
def test_a_docker_that_gives_no_answer_of_its_own_is_named(
    docker: Docker, command: str, answer: str | None, reason: str
) -> None:
    docker.answers(**{command: answer})
    with pytest.raises(BadInput, match=reason):
        docker_host.engine_environment(docker.environment())


def test_an_image_for_another_processor_than_the_engine_s_needs_an_emulator(docker: Docker) -> None:
    docker_host.engine_environment(docker.environment(), "linux/amd64")
    assert len(docker.asked) == 2
    docker.answers(buildx=BUILDER)
    docker_host.engine_environment(docker.environment(), "linux/arm64")
    assert docker.asked[-1] == f"buildx inspect {COLIMA}"
    docker.answers(buildx=BUILDER.replace(", linux/arm64*", ""))
    with pytest.raises(BadInput, match=r"for linux/arm64.* is linux/amd64 without .*binfmt --install arm64`"):
        docker_host.engine_environment(docker.environment(), "linux/arm64")
    docker.answers(buildx=None)
    with pytest.raises(BadInput, match="Install Docker's buildx plugin, or set cpuArchitecture"):
        docker_host.engine_environment(docker.environment(), "linux/arm64")


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aws: AwsClients) -> Callable[..., Target]:
    """The driver's check of `--target aws` with a configuration, where PATH is a folder."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)

    def made(path: str, **config: str) -> Target:
        monkeypatch.setenv("PATH", path)
        options = parse(["--target", "aws", "--yes"])
        target = e2e._target(options, tmp_path, KitConfig.parse(config))
        target.check()
        return target

    return made


def test_pulumi_and_the_user_s_shell_get_the_engine_that_was_checked(
    docker: Docker, check: Callable[..., Target], tmp_path: Path
) -> None:
    made = check(docker.environment()["PATH"])
    made.pulumi = PulumiInstallation(tmp_path / "pulumi", "3.259.0")
    assert made.environment["DOCKER_HOST"] == COLIMA
    assert f"export DOCKER_HOST={COLIMA}" in made.how_to_remove("e2e")


def test_the_image_is_for_the_configured_processor(docker: Docker, check: Callable[..., Target]) -> None:
    with pytest.raises(BadInput, match="linux/arm64"):
        check(docker.environment()["PATH"], cpuArchitecture="ARM64")


def test_a_ready_image_needs_no_docker(check: Callable[..., Target], tmp_path: Path) -> None:
    check(str(tmp_path), jobImage="123456789012.dkr.ecr.eu-west-1.amazonaws.com/job:1")
    with pytest.raises(BadInput, match="no `docker` on PATH"):
        check(str(tmp_path))
