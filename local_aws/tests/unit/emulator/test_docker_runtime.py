"""What the docker runtime decides before it asks the engine, and how it reads the engine's answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local_aws.emulator.aws_behaviour.ecs_tasks import why_stopped
from local_aws.emulator.runtimes import ContainerSpec, Exit, PulledImage
from local_aws.emulator.runtimes.docker import OUT_OF_MEMORY, DockerContainer, create_arguments, exit_of, host_lost

IMAGE = PulledImage("sha256:" + "a" * 64, "sha256:" + "b" * 64)


def arguments(**fields: Any) -> dict[str, Any]:
    return create_arguments(ContainerSpec(name="app", task_id="1234", image=IMAGE, **fields), {"of": "emulator"})


def test_a_container_is_on_the_hosts_network_and_carries_the_runtimes_label() -> None:
    made = arguments(labels={"com.amazonaws.ecs.task-arn": "arn"})
    assert (made["image"], made["name"], made["network_mode"]) == (IMAGE.handle, "ecs-1234-app", "host")
    assert made["labels"] == {"com.amazonaws.ecs.task-arn": "arn", "of": "emulator"}


def test_memory_is_a_hard_limit_without_swap_and_units_are_parts_of_a_processor() -> None:
    made = arguments(memory_mib=512, cpu_units=256)
    assert (made["mem_limit"], made["memswap_limit"], made["nano_cpus"]) == (512 << 20, 512 << 20, 250_000_000)


def test_what_a_definition_leaves_to_the_image_is_left_to_it() -> None:
    assert not {"entrypoint", "command", "working_dir", "user", "mem_limit", "nano_cpus"} & set(arguments())


def test_what_a_definition_says_replaces_the_images() -> None:
    made = arguments(entry_point=("a",), command=("b",), working_directory="/c", user="1:1", read_only=True)
    assert [made[key] for key in ("entrypoint", "command", "working_dir", "user", "read_only")] == [
        ["a"],
        ["b"],
        "/c",
        "1:1",
        True,
    ]


def test_init_and_dropped_capabilities_are_handed_on() -> None:
    made = arguments(init=True, dropped_capabilities=("ALL",))
    assert (made["init"], made["cap_drop"]) == (True, ["ALL"])


def test_a_container_out_of_memory_has_its_reason() -> None:
    assert exit_of({"ExitCode": 137, "OOMKilled": True}) == Exit(137, OUT_OF_MEMORY)
    assert exit_of({"ExitCode": 137, "OOMKilled": False}) == Exit(137)


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"exitCode": 0}, ("Essential container exited", "EssentialContainerExited")),
        ({"exitCode": 137, "reason": OUT_OF_MEMORY}, (OUT_OF_MEMORY, "EssentialContainerExited")),
        ({"exitCode": None, "reason": host_lost("h")}, ("Host EC2 (instance h) terminated.", "TerminationNotice")),
    ],
    ids=["exited", "out of memory", "host lost"],
)
def test_why_a_task_stopped_follows_from_its_container(container: dict[str, Any], expected: tuple[str, str]) -> None:
    assert why_stopped(container) == expected


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


class Talking:
    """A container with output in pieces, whose engine goes away."""

    id = "d" * 64

    def logs(self, **_options: bool) -> Iterator[bytes]:
        yield from (b"one\r\ntw", b"o\nth", "\xe4".encode("latin-1"))
        raise requests.exceptions.ChunkedEncodingError("gone")


def test_output_that_ends_early_is_there_as_far_as_it_came() -> None:
    assert list(DockerContainer(Talking(), "h").output()) == ["one", "two", "th\ufffd"]  # type: ignore[arg-type]
