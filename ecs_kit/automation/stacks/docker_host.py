"""The Docker engine that builds the task's image: one for the `docker` CLI and for Pulumi's `docker` plugin.

The CLI follows its contexts (https://docs.docker.com/engine/manage-resources/contexts/). The plugin ignores them for
images: it uses `DOCKER_HOST`, else the default socket, else Docker Desktop's (pulumi-docker 4.11.2,
`configureDockerClient` in provider/image.go). So the plugin gets the context's endpoint as `DOCKER_HOST`, and that
endpoint is checked. The plugin accepts `ssh://` as the CLI does.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_kit.automation.errors import BadInput

_ANSWER_SECONDS = 20
_TLS_FILES = frozenset(("ca.pem", "cert.pem", "key.pem"))
_REMOTE = ("tcp:", "http:", "https:")
_PLATFORMS = re.compile(r"^\s*Platforms:(.*)$", re.MULTILINE)


def engine_environment(environ: Mapping[str, str], platform: str | None = None) -> dict[str, str]:
    """The variables that make Pulumi's docker plugin use the docker CLI's engine, which is checked.

    It has to build an image for `platform`, like `linux/amd64`; None: nothing will be built.

    Raises:
        BadInput: no engine answers, the plugin cannot reach the CLI's, or it cannot build for the platform.
    """
    docker = shutil.which("docker", path=environ.get("PATH"))
    if docker is None:
        raise _no_engine("there is no `docker` on PATH")
    if environ.get("DOCKER_HOST"):
        additions = host_environment(environ)
    else:
        contexts = _ask_json([docker, "context", "inspect"], environ)
        if not contexts:
            raise _no_engine("`docker context inspect` names no context")
        additions = context_environment(contexts[0])
    if environ.get("DOCKER_CONTEXT"):
        # The CLI prefers DOCKER_HOST to it; other parts of the plugin prefer it to DOCKER_HOST.
        additions["DOCKER_CONTEXT"] = ""
    environ = {**environ, **additions}
    server = _ask_json([docker, "version", "--format", "{{json .Server}}"], environ)
    if not server:
        raise _no_engine("`docker version` names no server")
    native = f"{server.get('Os')}/{server.get('Arch')}"
    if platform not in (None, native):
        _check_builder(docker, environ, str(platform), native)
    return additions


def _check_builder(docker: str, environ: Mapping[str, str], platform: str, native: str) -> None:
    """Check that the engine's own builder, which is the plugin's, emulates another platform."""
    try:
        builder = _ask([docker, "buildx", "inspect", "default"], environ)
    except BadInput as error:
        raise BadInput(
            f"the task's image is for {platform}, as cpuArchitecture says, and the Docker engine is {native}. Whether "
            f"it emulates {platform}, only `docker buildx inspect default` could tell, which fails. Install Docker's "
            "buildx plugin, or set cpuArchitecture to the engine's own."
        ) from error
    # A `*` marks what the user has added.
    offered = [name.strip().rstrip("*") for line in _PLATFORMS.findall(builder) for name in line.split(",")]
    if platform not in offered:
        processor = platform.rpartition("/")[2]
        raise BadInput(
            f"the task's image is for {platform}, as cpuArchitecture says, and the Docker engine is {native} without "
            f"an emulator for {processor} that `docker buildx inspect default` would show. Install one with `docker "
            f"run --privileged --rm tonistiigi/binfmt --install {processor}`, or set cpuArchitecture to the engine's "
            "own."
        )


def host_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What to add where the user has set `DOCKER_HOST`, so that the plugin uses the same certificates as the CLI.

    Both read DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, but only the CLI has a default for the folder, and only the plugin
    uses TLS for a folder alone.

    Raises:
        BadInput: there is a folder alone.
    """
    if not environ["DOCKER_HOST"].startswith(_REMOTE):
        return {}
    verify, folder = environ.get("DOCKER_TLS_VERIFY"), environ.get("DOCKER_CERT_PATH")
    if folder and not verify:
        raise _unusable("DOCKER_CERT_PATH is set and DOCKER_TLS_VERIFY is not: set it to 1, or unset both")
    if verify and not folder:
        config = environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or Path.home()) / ".docker"
        return {"DOCKER_CERT_PATH": str(config)}
    return {}


def context_environment(context: Mapping[str, Any]) -> dict[str, str]:
    """The variables for the engine of a context, as `docker context inspect` prints it.

    Raises:
        BadInput: variables cannot express it.
    """
    name = context.get("Name")
    endpoint = (context.get("Endpoints") or {}).get("docker") or {}
    host = endpoint.get("Host")
    if not host:
        raise _unusable(f"the context {name!r} names no engine: choose another with `docker context use`")
    files = set((context.get("TLSMaterial") or {}).get("docker") or ())
    if not host.startswith(_REMOTE) or not (files or endpoint.get("SkipTLSVerify")):
        return {"DOCKER_HOST": host}
    if endpoint.get("SkipTLSVerify") or files != _TLS_FILES:
        raise _unusable(
            f"the context {name!r} uses TLS without checking, or without all of {', '.join(sorted(_TLS_FILES))}: "
            "give it all three, or use another with `docker context use`"
        )
    folder = Path(context["Storage"]["TLSPath"]) / "docker"
    return {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}


def _ask_json(command: Sequence[str], environ: Mapping[str, str]) -> Any:
    answer = _ask(command, environ)
    try:
        return json.loads(answer)
    except ValueError:
        raise _no_engine(f"`docker {' '.join(command[1:])}` printed no JSON") from None


def _ask(command: Sequence[str], environ: Mapping[str, str]) -> str:
    asked = f"`docker {' '.join(command[1:3])}`"
    try:
        answer = subprocess.run(
            list(command), env=dict(environ), capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _no_engine(f"{asked} did not answer within {_ANSWER_SECONDS} s") from None
    if answer.returncode != 0:
        said = answer.stderr.strip().splitlines()
        raise _no_engine(said[-1] if said else f"{asked} failed")
    return answer.stdout


def _no_engine(reason: str) -> BadInput:
    return BadInput(
        f"the published provider plugins build the task's image with Docker, and no Docker daemon answers ({reason}). "
        "Start Docker, or set DOCKER_HOST."
    )


def _unusable(reason: str) -> BadInput:
    return BadInput(f"the published provider plugins build the task's image with Docker: {reason}.")
