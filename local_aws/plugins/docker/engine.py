"""Building and pushing with a Docker engine: `docker build` and `docker push`, with BuildKit if it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import BuildError, DockerException, ImageNotFound

from local_aws.plugins.docker.errors import BuildFailed, EngineUnavailable, RegistryError
from local_aws.plugins.docker.registry import Login, Reference, advice

_SECONDS = 600
_LAST_LINES = 25
_BUILDING = threading.Lock()


@contextmanager
def _answering() -> Iterator[None]:
    """What the Docker client raises becomes `EngineUnavailable`."""
    try:
        yield
    except (DockerException, requests.exceptions.RequestException) as error:
        raise EngineUnavailable(str(error)) from error


class Engine:
    """The engine that `DOCKER_HOST` names, or the machine's own.

    `EngineUnavailable`: no daemon answers, here and in all calls.
    """

    def __init__(self) -> None:
        with _answering():
            self._client = docker.from_env(timeout=_SECONDS)
            self._client.ping()

    def build(self, name: str, build: Mapping[str, Any], context: str, dockerfile: str) -> None:
        """Build an image and tag it with `name`; `build` is that of the resource. `BuildFailed`: a step failed.

        One build at a time: of two with the same context, the second takes the layers of the first.
        """
        with _BUILDING, _answering():
            if has_buildkit():
                _build_with_buildkit(name, build, context, dockerfile)
            else:
                self._build(name, build, context, dockerfile)

    def image_id(self, name: str) -> str:
        """By which the engine knows an image, `sha256:…`."""
        with _answering():
            return str(self._client.images.get(name).id)

    def push(self, name: str, reference: Reference, address: str, login: Login = ("", "")) -> str:
        """Push the image `name` of the engine to a registry's URL; answers with the digest of the pushed manifest.

        `RegistryError`: the push was refused.
        """
        repository = f"{registry_host(address)}/{reference.repository}"
        auth = {"username": login[0], "password": login[1]} if login[0] else None
        images, temporary = self._client.images, repository != reference.repository_name
        with _answering():
            try:
                if temporary:
                    images.get(name).tag(repository, tag=reference.tag)
                answers = images.push(repository, tag=reference.tag, stream=True, decode=True, auth_config=auth)
                return pushed_digest(answers, f"{reference.repository_name}:{reference.tag}")
            finally:
                if temporary:
                    self._untag(f"{repository}:{reference.tag}")

    def _build(self, name: str, build: Mapping[str, Any], context: str, dockerfile: str) -> None:
        try:
            self._client.images.build(
                path=context,
                dockerfile=str(Path(dockerfile).resolve()),
                tag=name,
                buildargs=dict(build.get("args") or {}),
                platform=build.get("platform"),
                rm=True,
                forcerm=True,
            )
        except BuildError as error:
            log = [str(line.get("stream") or line.get("error") or "").rstrip() for line in error.build_log]
            raise BuildFailed(dockerfile, error.msg, log[-_LAST_LINES:]) from error
        except DockerException as error:
            raise BuildFailed(dockerfile, str(getattr(error, "explanation", None) or error), []) from error

    def _untag(self, name: str) -> None:
        try:
            self._client.images.remove(name, noprune=True)
        except ImageNotFound:
            return


def has_buildkit() -> bool:
    """Whether `docker buildx` is there: the engine's own API builds with the classic builder only."""
    if os.environ.get("DOCKER_BUILDKIT") == "0" or shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0


def buildkit_command(name: str, build: Mapping[str, Any], context: str, dockerfile: str) -> list[str]:
    """The command line of a build with BuildKit.

    Without attestations: with them what is pushed is an index, and two builds of the same input differ.
    """
    command = ["docker", "buildx", "build", "--load", "--provenance=false", "--progress=plain"]
    command += ["--tag", name, "--file", dockerfile]
    for key, value in sorted((build.get("args") or {}).items()):
        command += ["--build-arg", f"{key}={value}"]
    if build.get("platform"):
        command += ["--platform", build["platform"]]
    return [*command, context]


def _build_with_buildkit(name: str, build: Mapping[str, Any], context: str, dockerfile: str) -> None:
    command = buildkit_command(name, build, context, dockerfile)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.splitlines()
        raise BuildFailed(dockerfile, f"docker buildx build ended with {done.returncode}", lines[-_LAST_LINES:])


def registry_host(address: str) -> str:
    """The registry's name in an image reference: an engine trusts `localhost`, by that name, without TLS."""
    parts = urlsplit(address)
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return f"localhost:{parts.port or 80}"
    return parts.netloc


def pushed_digest(answers: Iterable[Mapping[str, Any]], name: str) -> str:
    """The manifest's digest from the engine's messages about a push of the image `name`.

    `RegistryError`: the registry refused, or there is no digest.
    """
    digest = ""
    for answer in answers:
        if "error" in answer:
            reason = str(answer["error"])
            raise RegistryError(f"{name}: docker push was refused: {reason}{advice(reason)}")
        digest = (answer.get("aux") or {}).get("Digest") or digest
    if not digest:
        raise RegistryError(f"{name}: the engine pushed it without naming a digest")
    return digest
