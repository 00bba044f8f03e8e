"""Containers as processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local_aws.emulator.runtimes import ContainerSpec, ContainerStartError, PulledImage
from local_aws.emulator.runtimes.images import UnpackedImage
from local_aws.emulator.runtimes.process import command_line, container_environment

IMAGE = PulledImage("sha256:0", "sha256:0")


def image(root: Path, **config: object) -> UnpackedImage:
    return UnpackedImage("sha256:0", root, config)


def spec(**more: object) -> ContainerSpec:
    return ContainerSpec(name="app", task_id="task", image=IMAGE, **more)  # type: ignore[arg-type]


def test_the_command_line_is_the_images_unless_replaced(tmp_path: Path) -> None:
    unpacked = image(tmp_path, Entrypoint=["run"], Cmd=["default"])
    assert command_line(unpacked, spec()) == ["run", "default"]
    assert command_line(unpacked, spec(command=["mine"])) == ["run", "mine"]
    assert command_line(unpacked, spec(entry_point=["other"])) == ["other"]
    assert command_line(unpacked, spec(entry_point=["other"], command=["mine"])) == ["other", "mine"]


@pytest.mark.parametrize("program", ["python", "python3", "python3.13", "/usr/local/bin/python3"])
def test_python_is_this_interpreter(tmp_path: Path, program: str) -> None:
    assert command_line(image(tmp_path, Entrypoint=[program, "-m", "job"]), spec()) == [sys.executable, "-m", "job"]


def test_paths_of_the_image_are_looked_up_in_it(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/run.sh").touch()
    unpacked = image(tmp_path, Entrypoint=["/app/run.sh", "/etc/hostname"])
    assert command_line(unpacked, spec()) == [str(tmp_path / "app/run.sh"), "/etc/hostname"]


def test_an_image_without_a_command_cannot_start(tmp_path: Path) -> None:
    with pytest.raises(ContainerStartError, match="no command specified"):
        command_line(image(tmp_path), spec())


def test_the_environment_is_the_images_and_what_is_given(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    unpacked = image(tmp_path, Env=["PATH=/x", "PYTHONPATH=/packages:/none", "A=1=2", "B=image"])
    variables = container_environment(unpacked, {"B": "given"}, tmp_path / "home")
    assert (variables["A"], variables["B"], variables["HOME"]) == ("1=2", "given", str(tmp_path / "home"))
    assert variables["PYTHONPATH"] == f"{tmp_path / 'packages'}:/none"
    assert "/usr/bin" in variables["PATH"]
    assert "/x" not in variables["PATH"].split(":")
