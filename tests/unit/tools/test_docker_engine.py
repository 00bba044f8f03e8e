"""A command with a Docker engine: its environment, exit status and wheels, and an engine that is started for it."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

from local_aws.emulator.runtimes import selection
from tools import docker_engine

ENGINE = Path("/tmp/docker-x")


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


@pytest.mark.usefixtures("engine")
def test_packages_that_cannot_be_downloaded_are_an_error_with_pip_s_own(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    failing_pip = (sys.executable, "-c", "import sys; sys.exit('no index')")
    monkeypatch.setattr(docker_engine, "wheels", lambda: docker_engine.run(*failing_pip))
    assert docker_engine.main(["true"]) == 2
    printed = capfd.readouterr().err
    assert "no index" in printed and "error: Command" in printed and "Traceback" not in printed


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


def process(folder: Path, number: int, name: str, *words: str) -> None:
    (folder / str(number)).mkdir()
    (folder / str(number) / "comm").write_text(f"{name}\n")
    (folder / str(number) / "cmdline").write_text("\0".join(words))


def test_an_engine_keeps_to_its_folder_and_leaves_the_firewall_alone() -> None:
    command = docker_engine.daemon_command(ENGINE, alone=True)
    paths = [word.partition("=")[2].removeprefix("unix://") for word in command if str(ENGINE) in word]
    assert len(paths) == 4 and all(path.startswith(f"{ENGINE}/") for path in paths)
    assert {"--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none"} <= set(command)


def test_an_engine_beside_another_does_not_take_its_bridge() -> None:
    assert "--bridge=none" not in docker_engine.daemon_command(ENGINE, alone=False)


def test_another_engine_is_found_by_its_name(tmp_path: Path) -> None:
    process(tmp_path, 1, "init")
    assert not docker_engine.another_runs(tmp_path)
    process(tmp_path, 2, "dockerd")
    assert docker_engine.another_runs(tmp_path)


def test_only_processes_that_name_the_engines_folder_are_its_own(tmp_path: Path) -> None:
    process(tmp_path, 10, "shim", "shim", "-address", "/tmp/docker-x/exec/containerd.sock")
    process(tmp_path, 11, "shim", "shim", "-address", "/tmp/docker-xy/exec/containerd.sock")
    process(tmp_path, 12, "editor", "vi", "docker-x")
    assert docker_engine.processes_of(ENGINE, tmp_path) == [10]


def test_what_is_installed_already_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_engine, "run", lambda *command, **_: pytest.fail(f"ran {command}"))
    docker_engine.install({"sh": "dash"})
