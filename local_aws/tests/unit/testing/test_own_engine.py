"""Bringing an engine along: what is decided about the machine, and what is never touched on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_aws.testing import docker_engine

ENGINE = Path("/tmp/docker-x")


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
