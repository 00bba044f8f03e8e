"""What the docker janitor makes of the engine's answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local_aws import ContainersStay, remove_containers
from local_aws.emulator.runtimes import docker_janitor

RUNNING, STUCK = "a" * 64, "b" * 64


@pytest.fixture
def engine(fake_engine: Any, docker_host: Path) -> str:
    """The socket of an engine with two containers, one of which it does not remove."""
    fake_engine.answers = {
        "GET ": (200, [{"Id": RUNNING}, {"Id": STUCK}]),
        f"DELETE /containers/{RUNNING}": (204, None),
        f"DELETE /containers/{STUCK}": (500, {"message": "driver failed to remove root filesystem"}),
        "DELETE /images/used": (409, {"message": "conflict: unable to remove repository reference"}),
        "DELETE /images/gone": (404, {"message": "No such image: gone"}),
    }
    return str(docker_host)


def test_what_the_engine_does_not_remove_is_told(engine: str) -> None:
    with pytest.raises(docker_janitor.StillThere) as told:
        docker_janitor.clean(engine, "label=x", {"used", "gone"})
    assert str(told.value).splitlines() == [
        "container bbbbbbbbbbbb: 500 driver failed to remove root filesystem",
        "image used: 409 conflict: unable to remove repository reference",
    ]


def test_the_janitor_says_it_in_the_emulators_log(engine: str) -> None:
    command = [sys.executable, "-I", "-S", docker_janitor.__file__, engine, "label=x"]
    done = subprocess.run(command, input="gone\n", text=True, capture_output=True, check=True)
    assert done.stderr == (
        "docker janitor: not removed: container bbbbbbbbbbbb: 500 driver failed to remove root filesystem\n"
    )


def test_a_removal_that_is_under_way_is_a_removal() -> None:
    answer = {"message": f"removal of container {RUNNING} is already in progress"}
    assert docker_janitor.refusal(409, answer) is None


@pytest.mark.usefixtures("engine")
def test_an_emulators_containers_are_found_by_their_label_and_one_that_stays_is_an_error(fake_engine: Any) -> None:
    with pytest.raises(ContainersStay, match=r"label local-aws\.emulator=one could not be removed: container b+: 500"):
        remove_containers("one")
    (listing,) = (each for each in fake_engine.asked if each.startswith("GET "))
    assert '{"label": ["local-aws.emulator=one"]}' in listing


@pytest.mark.usefixtures("docker_host")
def test_without_an_engine_no_container_is_removed() -> None:
    assert remove_containers("one") == 0
