"""Images for tests that run real containers."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_aws.emulator.runtimes import selection
from local_aws.plugins.docker.engine import Engine
from local_aws.plugins.docker.registry import Reference

VARIABLE = "LOCAL_AWS_BASE_IMAGE"
"""Names the image with Python that images are built on."""
SERVICES = ("dynamodb", "s3", "sts")
"""What the programs in them can call."""
_PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"


def base_image() -> str:
    """What images are built on."""
    return os.environ.get(VARIABLE) or "python:3.13-slim"


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


def copy_packages(folder: Path) -> None:
    """Copy boto3 and its dependencies from this interpreter's packages; all are pure Python. The folder is new."""

    def left_out(place: str, names: list[str]) -> set[str]:
        unwanted = {"__pycache__", "examples"}
        if Path(place).name == "data":
            unwanted |= {name for name in names if "." not in name and name not in SERVICES}
        return unwanted

    for name in _PACKAGES:
        file = Path(str(importlib.util.find_spec(name).origin))  # type: ignore[union-attr]
        if file.name == "__init__.py":
            shutil.copytree(file.parent, folder / name, ignore=left_out)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder)


@functools.cache
def python_image() -> str:
    """An image with Python and boto3, built once."""
    name = "local-aws/tests:python"
    with tempfile.TemporaryDirectory() as folder:
        copy_packages(Path(folder, "packages"))
        dockerfile = Path(folder, "Dockerfile")
        lines = [
            f"FROM {base_image()}",
            "COPY packages /packages",
            "ENV PYTHONPATH=/packages PYTHONUNBUFFERED=1",
            "USER 10001:10001",
        ]
        dockerfile.write_text("\n".join(lines))
        engine().build(name, {"platform": "linux/amd64"}, folder, str(dockerfile))
    return name


def push(
    endpoint_url: str,
    repository: str,
    tag: str,
    files: Mapping[str, str],
    config: Mapping[str, Any],
    *,
    base: str | None = None,
) -> str:
    """Build an image that adds text files to another (`python_image` by default), and push it; answers with its name.

    A `PATH` in `config` is left out: a container needs its own to find its interpreter.
    """
    variables = [entry for entry in config.get("Env", []) if not entry.startswith("PATH=")]
    entry_point = [re.sub(r"^python$", "python3", word) for word in config["Entrypoint"]]
    lines = [
        f"FROM {base or python_image()}",
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
    return f"{reference.repository_name}@{engine().push(name, reference, endpoint_url)}"
