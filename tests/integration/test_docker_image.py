"""The task's image: its content, its size, how it runs."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import pytest

from ecs_kit.components.task_image import stage_context
from local_aws.emulator.runtimes import selection
from local_aws.emulator.runtimes.docker_janitor import call
from local_aws.testing import docker_images
from tests.unit.model.dynamodb import create_table

pytestmark = [pytest.mark.integration, pytest.mark.docker]

MEGABYTE = 1_000_000
MOST_ABOVE_BASE = 25 * MEGABYTE
MOST_CPU_SECONDS = 1.0
HARDENED = {"read_only": True, "user": "10001:10001", "cap_drop": ["ALL"], "network_mode": "none"}


@functools.cache
def task_image(services: str = "dynamodb s3") -> str:
    """The task's image, which can call these AWS services, built once."""
    name = f"ecs-step-functions-kit/task:tests-{services.replace(' ', '-')}"
    context = stage_context()
    build = {"args": {"BASE_IMAGE": docker_images.base_image(), "AWS_SERVICES": services}, "platform": "linux/amd64"}
    docker_images.engine().build(name, build, context.path.as_posix(), context.dockerfile.as_posix())
    return name


@pytest.fixture(scope="module")
def image(container_runtime: str) -> str:
    return task_image()


@pytest.fixture
def client() -> Any:
    return docker_images.engine()._client


def test_it_is_at_most_25_megabytes_above_its_base(image: str, client: Any) -> None:
    base = client.images.get(docker_images.base_image()).attrs["Size"]
    assert client.images.get(image).attrs["Size"] - base <= MOST_ABOVE_BASE


def test_it_runs_read_only_as_its_user_without_capabilities(image: str, client: Any) -> None:
    config = client.images.get(image).attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.base.name"] == docker_images.base_image()
    assert client.containers.run(image, ["--version"], remove=True, **HARDENED).startswith(b"ecs-step-functions-kit")


def test_its_history_shows_no_secret(image: str) -> None:
    history = json.dumps(call(selection.docker_socket(), "GET", f"/images/{image}/history"))
    assert not re.search(r"secret|password|token|AKIA|ASIA|https?://[^/\s]*@", history, re.IGNORECASE)


def test_it_has_no_cache_and_no_package_of_a_package_manager(image: str, client: Any) -> None:
    listing = (
        "ls -A /root/.cache /tmp 2>/dev/null; find /packages /app -name '*.whl' -o -name pip -o -name wheels;"
        " find / -xdev -name '*.deb' 2>/dev/null; ls -A /var/lib/apt/lists 2>/dev/null"
    )
    found = client.containers.run(image, ["-c", listing], entrypoint="sh", remove=True, **HARDENED)
    assert [line for line in found.decode().splitlines() if line and not line.endswith(":")] == []


def test_a_copy_takes_less_than_a_second_of_cpu(aws: Any, fargate: Any) -> None:
    s3, bucket, table = aws.client("s3"), aws.name("bucket"), aws.name("details")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="in/object.txt", Body=b"content")
    create_table(aws.client("dynamodb"), table, "workflow_details")
    aws.policy(aws.name("task"), {"Effect": "Allow", "Action": ["s3:*", "dynamodb:*"], "Resource": "*"})
    settings = {
        "KIT_STATE_MACHINE": "kit",
        "KIT_DETAILS_TABLE": table,
        "KIT_TARGET_BUCKET": bucket,
        "KIT_TARGET_PREFIX": "copies",
        "KIT_TASK_TIMEOUT_SECONDS": "60",
        "KIT_LOG_STREAM_PREFIX": "ecs",
        "KIT_CONTAINER_NAME": "app",
        "KIT_WORKFLOW_NAME": "workflow",
        "KIT_WORKFLOW_RUN_ID": "1",
        "KIT_TASK_NAME": "task",
        "KIT_ATTEMPT": "1",
        "KIT_SOURCE_BUCKET": bucket,
        "KIT_SOURCE_KEY": "in/object.txt",
    }
    config = {"Entrypoint": ["sh"], "WorkingDir": "/app"}
    endpoint_url, base = aws.emulator.endpoint_url, task_image("dynamodb s3 sts")
    image = docker_images.push(endpoint_url, fargate.repository, "as-it-is", {"app/empty": ""}, config, base=base)
    definition = fargate.define(
        image=image,
        # The shell's `times`: what it used itself, then what its children used, each as user and system time.
        entryPoint=["sh", "-c", "python3 -m ecs_kit.runtime.task; status=$?; times; exit $status"],
        environment=[{"name": name, "value": value} for name, value in settings.items()],
    )
    task = fargate.finish(definition)
    log = fargate.log(task["taskArn"])
    assert task["containers"][0]["exitCode"] == 0, log
    (copy,) = s3.list_objects_v2(Bucket=bucket, Prefix="copies/")["Contents"]
    assert s3.get_object(Bucket=bucket, Key=copy["Key"])["Body"].read() == b"content"
    used = sum(float(minutes) * 60 + float(seconds) for minutes, seconds in re.findall(r"(\d+)m([\d.]+)s", log[-1]))
    print(f"CPU of the copy: {used:.2f} s")
    assert used < MOST_CPU_SECONDS
