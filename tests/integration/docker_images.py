"""Images for the tests that run real containers: built by the engine on the task's own image."""

from __future__ import annotations

import functools
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automation.local.emulator.runtimes import selection
from automation.local.plugins.docker.engine import Engine
from automation.local.plugins.docker.registry import Credentials, Reference
from components.program import KitConfig
from components.task_image import stage_context

REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"


def base_image() -> str:
    """What images are built on."""
    return os.environ.get("KIT_BASE_IMAGE") or KitConfig().base_image


@functools.cache
def problem() -> str | None:
    """Why real containers cannot be tested here, None where they can."""
    found = selection.docker_problem()
    if found is None:
        found = selection.base_image_problem(selection.docker_socket(), base_image())
    return found


@functools.cache
def engine() -> Engine:
    """The engine."""
    return Engine()


@functools.cache
def task_image(services: str = "dynamodb s3") -> str:
    """The task's image, built once.

    Args:
        services: the AWS services that it can call.
    """
    name = f"ecs-step-functions-kit/task:tests-{services.replace(' ', '-')}"
    context = stage_context()
    build = {"args": {"BASE_IMAGE": base_image(), "AWS_SERVICES": services}, "platform": "linux/amd64"}
    engine().build(name, build, context.path.as_posix(), context.dockerfile.as_posix())
    return name


def push(endpoint_url: str, repository: str, tag: str, files: Mapping[str, str], config: Mapping[str, Any]) -> str:
    """Build an image that adds files to the task's, and push it; answers with its name by digest.

    A PATH is left out: a container needs it to find its interpreter, which a local process does not.
    """
    variables = [entry for entry in config.get("Env", []) if not entry.startswith("PATH=")]
    entry_point = [re.sub(r"^python$", "python3", word) for word in config["Entrypoint"]]
    lines = [
        f"FROM {task_image('dynamodb s3 sts')}",
        "COPY files /",
        *(f"ENV {entry}" for entry in variables),
        f"WORKDIR {config['WorkingDir']}",
        f"ENTRYPOINT {json.dumps(entry_point)}",
    ]
    reference = Reference(REGISTRY, repository, tag)
    name = f"{reference.repository_name}:{tag}"
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            file = Path(folder, "files", path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        dockerfile = Path(folder, "Dockerfile")
        dockerfile.write_text("\n".join(lines))
        engine().build(name, {}, folder, str(dockerfile))
    return f"{reference.repository_name}@{engine().push(name, reference, endpoint_url, Credentials())}"
