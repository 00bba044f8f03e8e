"""A command with a Docker engine: its environment, exit status and wheels, and an engine that is started for it."""

import contextlib
import sys
from pathlib import Path

import pytest

from local_aws.emulator.runtimes import selection
from tools import docker_engine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that answers, with the base image."""
    monkeypatch.setattr(selection, "docker_problem", lambda: None)
    monkeypatch.setattr(selection, "docker_socket", lambda: "/run/engine.sock")
    monkeypatch.setattr(selection, "base_image_problem", lambda *_: None)


@pytest.mark.usefixtures("engine")
def test_a_command_runs_with_the_engine_and_its_exit_status_is_returned(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docker_engine, "wheels", contextlib.nullcontext)
    monkeypatch.setenv("KIT_BASE_IMAGE", "base:1")
    script = "import os, sys; print(*map(os.environ.get, sys.argv[1:])); sys.exit(7)"
    variables = ["DOCKER_HOST", "KIT_BASE_IMAGE", "LOCAL_AWS_BASE_IMAGE"]
    assert docker_engine.main([sys.executable, "-c", script, *variables]) == 7
    assert capfd.readouterr().out == "unix:///run/engine.sock base:1 base:1\n"


def test_without_an_engine_and_without_root_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selection, "docker_problem", lambda: "there is no socket")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert docker_engine.main(["true"]) == 2
    assert "no Docker engine answers (there is no socket): start Docker" in capfd.readouterr().err


def test_existing_wheels_are_kept(tmp_path: Path) -> None:
    (tmp_path / "one.whl").touch()
    with docker_engine.wheels(tmp_path):
        pass
    assert (tmp_path / "one.whl").exists()


def test_downloaded_wheels_are_removed_by_the_last_command_that_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "wheels"
    monkeypatch.setattr(docker_engine, "fetch_wheels", lambda partial: partial.mkdir())
    with contextlib.ExitStack() as last:
        with docker_engine.wheels(folder):
            last.enter_context(docker_engine.wheels(folder))
        assert folder.exists()
    assert not folder.exists()
