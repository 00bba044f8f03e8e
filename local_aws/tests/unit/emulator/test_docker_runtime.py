"""What the docker runtime asks of the engine, and how it reads the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local_aws.emulator.runtimes import Exit, ImageNotFound, ImageReference, PulledImage
from local_aws.emulator.runtimes.docker import (
    OUT_OF_MEMORY,
    DockerContainer,
    DockerRuntime,
    exit_of,
    host_lost,
)

IMAGE = PulledImage("sha256:" + "a" * 64, "sha256:" + "b" * 64)


def test_a_container_out_of_memory_has_its_reason() -> None:
    assert exit_of({"ExitCode": 137, "OOMKilled": True}) == Exit(137, OUT_OF_MEMORY)
    assert exit_of({"ExitCode": 137, "OOMKilled": False}) == Exit(137)


class LostEngine:
    """A container whose engine is gone."""

    id = "c" * 64

    def __getattr__(self, name: str) -> Any:
        raise requests.exceptions.ConnectionError("gone")


def test_a_container_whose_engine_is_gone_has_no_exit_code_and_can_still_be_stopped() -> None:
    container = DockerContainer(LostEngine(), "h")  # type: ignore[arg-type]
    assert container.wait() == Exit(None, host_lost("h"))
    container.stop(0)
    container.remove()
    assert list(container.output()) == []


def test_an_image_of_an_engine_that_is_gone_is_not_found(fake_engine: Any, docker_host: Path) -> None:
    fake_engine.answers = {"GET /version": (200, {"ApiVersion": "1.43"}), "GET /v1.43/info": (200, {"Name": "h"})}
    runtime = DockerRuntime(str(docker_host), 1, Path("folder"))
    docker_host.unlink()
    with pytest.raises(ImageNotFound, match="job: "):
        runtime.pull(ImageReference("job", "123456789012", "eu-west-1", "team/job", "v1"))
    runtime.close()


class Talking:
    """A container with output in pieces, whose engine goes away."""

    id = "d" * 64

    def logs(self, **_options: bool) -> Iterator[bytes]:
        yield from (b"one\r\ntw", b"o\nth", "\xe4".encode("latin-1"))
        raise requests.exceptions.ChunkedEncodingError("gone")


def test_output_that_ends_early_is_there_as_far_as_it_came() -> None:
    assert list(DockerContainer(Talking(), "h").output()) == ["one", "two", "th\ufffd"]  # type: ignore[arg-type]
