"""Building and pushing with a Docker engine: `docker build` and `docker push`, with BuildKit where it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import BuildError, DockerException

from local_aws.plugins.docker.errors import BuildFailed, EngineUnavailable, RegistryError
from local_aws.plugins.docker.registry import Credentials, Reference

_SECONDS = 600
_LAST_LINES = 25
_BUILDING = threading.Lock()


class Engine:
    """The engine that `DOCKER_HOST` names, or the machine's own.

    Raises:
        EngineUnavailable: no daemon answers.
    """

    def __init__(self) -> None:
        try:
            self._client = docker.from_env(timeout=_SECONDS)
            self._client.ping()
        except (DockerException, requests.exceptions.RequestException) as error:
            raise EngineUnavailable(str(error)) from error

    def build(self, name: str, build: Mapping[str, Any], context: str, dockerfile: str) -> None:
        """Build an image and give it a name.

        One build at a time: two of the same context are one build and one look into the cache.

        Args:
            name: of the image, with its tag.
            build: `build` of the resource.
            context: the context's folder.
            dockerfile: the Dockerfile.

        Raises:
            BuildFailed: a step failed.
            EngineUnavailable: the daemon went away.
        """
        with _BUILDING:
            if has_buildkit():
                _build_with_buildkit(name, build, context, dockerfile)
            else:
                self._build(name, build, context, dockerfile)

    def image_id(self, name: str) -> str:
        """By which the engine knows an image, `sha256:…`.

        Raises:
            EngineUnavailable: the daemon went away, or the image is not there.
        """
        try:
            return str(self._client.images.get(name).id)
        except (DockerException, requests.exceptions.RequestException) as error:
            raise EngineUnavailable(str(error)) from error

    def push(self, name: str, reference: Reference, address: str, credentials: Credentials) -> str:
        """Push an image to where its registry is.

        Args:
            name: of the image in the engine.
            reference: its name in the registry.
            address: the registry's URL.
            credentials: who pushes.

        Returns:
            The digest of the pushed manifest.

        Raises:
            RegistryError: the push was refused.
            EngineUnavailable: the daemon went away.
        """
        repository = f"{registry_host(address)}/{reference.repository}"
        login = {"username": credentials.user_name, "password": credentials.password}
        temporary = repository != reference.repository_name
        try:
            if temporary:
                self._client.images.get(name).tag(repository, tag=reference.tag)
            answers = self._client.images.push(
                repository,
                tag=reference.tag,
                stream=True,
                decode=True,
                auth_config=login if credentials.user_name else None,
            )
            return pushed_digest(answers, f"{reference.repository_name}:{reference.tag}")
        except (DockerException, requests.exceptions.RequestException) as error:
            raise EngineUnavailable(str(error)) from error
        finally:
            if temporary:
                self._forget(f"{repository}:{reference.tag}")

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
        except requests.exceptions.RequestException as error:
            raise EngineUnavailable(str(error)) from error

    def _forget(self, name: str) -> None:
        try:
            self._client.images.remove(name, noprune=True)
        except docker.errors.ImageNotFound:
            return
        except (DockerException, requests.exceptions.RequestException) as error:
            raise EngineUnavailable(str(error)) from error


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
    done = subprocess.run(
        buildkit_command(name, build, context, dockerfile), capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.splitlines()
        raise BuildFailed(dockerfile, f"docker buildx build ended with {done.returncode}", lines[-_LAST_LINES:])


def registry_host(address: str) -> str:
    """The registry's name in an image reference: an engine trusts `localhost`, by that name, without TLS.

    Args:
        address: the registry's URL.
    """
    parts = urlsplit(address)
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return f"localhost:{parts.port or 80}"
    return parts.netloc


def pushed_digest(answers: Iterable[Mapping[str, Any]], name: str) -> str:
    """The manifest's digest from what the engine says of a push.

    Args:
        answers: the engine's messages, one after the other.
        name: of the image, for errors.

    Raises:
        RegistryError: the registry refused.
    """
    digest = ""
    for answer in answers:
        if "error" in answer:
            raise RegistryError(refusal(name, str(answer["error"])))
        digest = (answer.get("aux") or {}).get("Digest") or digest
    if not digest:
        raise RegistryError(f"{name}: the engine pushed it and told no digest")
    return digest


def refusal(name: str, reason: str) -> str:
    """A sentence for a push that was refused: what, why, and what to do where that is known."""
    message = f"{name}: docker push was refused: {reason}"
    if "immutable" in reason or "TAG_INVALID" in reason:
        return f"{message}; the tag is another image already, push under another tag"
    if "does not exist" in reason or "NAME_UNKNOWN" in reason or "name unknown" in reason:
        return f"{message}; create the repository first"
    return message
