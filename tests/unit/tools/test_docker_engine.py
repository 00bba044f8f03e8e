"""Bringing an engine along: what is decided about the machine, and what is never touched on it."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

from local_aws.emulator.runtimes import selection
from tools import docker_engine


def test_a_command_s_exit_status_is_handed_on_and_it_finds_the_engine(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selection, "docker_problem", lambda: None)
    monkeypatch.setattr(selection, "docker_socket", lambda: "/run/engine.sock")
    monkeypatch.setattr(selection, "base_image_problem", lambda *_: None)
    monkeypatch.setattr(docker_engine, "wheels", contextlib.nullcontext)
    monkeypatch.setenv("KIT_BASE_IMAGE", "base:1")
    script = "import os, sys; print(*map(os.environ.get, sys.argv[1:])); sys.exit(7)"
    asked = ["DOCKER_HOST", "KIT_BASE_IMAGE", "LOCAL_AWS_BASE_IMAGE"]
    assert docker_engine.main([sys.executable, "-c", script, *asked]) == 7
    assert capfd.readouterr().out == "unix:///run/engine.sock base:1 base:1\n"


def test_packages_that_cannot_be_had_are_an_error_with_what_pip_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selection, "docker_problem", lambda: None)
    monkeypatch.setattr(selection, "base_image_problem", lambda *_: None)
    monkeypatch.setattr(
        docker_engine, "wheels", lambda: docker_engine.run(sys.executable, "-c", "import sys; sys.exit('no index')")
    )
    assert docker_engine.main(["true"]) == 2
    said = capfd.readouterr().err
    assert "no index" in said and "error: Command" in said and "Traceback" not in said


def test_without_an_engine_and_without_root_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selection, "docker_problem", lambda: "there is no socket")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert docker_engine.main(["true"]) == 2
    assert "no Docker engine answers (there is no socket): start Docker" in capfd.readouterr().err


def test_wheels_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "one.whl").touch()
    with docker_engine.wheels(tmp_path):
        pass
    assert (tmp_path / "one.whl").exists()


def test_wheels_that_were_fetched_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "wheels"
    monkeypatch.setattr(docker_engine, "fetch_wheels", lambda place: place.mkdir())
    with docker_engine.wheels(folder):
        assert folder.exists()
    assert not folder.exists()


def test_wheels_stay_until_the_last_command_that_uses_them_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "wheels"
    monkeypatch.setattr(docker_engine, "fetch_wheels", lambda place: place.mkdir())
    first, second = docker_engine.wheels(folder), docker_engine.wheels(folder)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert folder.exists()
    second.__exit__(None, None, None)
    assert not folder.exists()
