"""Where the Pulumi CLI comes from, with executables of our own."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from local_aws import pulumi_cli
from local_aws.pulumi_cli import (
    PULUMI_VERSION,
    PulumiCli,
    PulumiUnavailable,
    add_language_host,
    default_cache_dir,
    ensure,
)


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def says(version: str) -> str:
    return f"echo {version}"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "echo Downloading; echo error: no network; exit 1"
    monkeypatch.setattr(pulumi_cli, "install_command", lambda _root: ["/bin/sh", "-c", script])


def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin"}


def test_a_cli_on_path_is_taken_if_it_is_new_enough(tmp_path: Path, lines: list[str]) -> None:
    found = executable(tmp_path / "path" / "pulumi", says("v3.300.1"))
    cli = ensure(tmp_path / "cache", progress=lines.append, environment=environment(tmp_path))
    assert cli == PulumiCli(found, "path", "3.300.1")
    assert lines == []


def test_the_cache_is_next(tmp_path: Path, lines: list[str]) -> None:
    executable(tmp_path / "path" / "pulumi", says("v3.100.0"))
    root = tmp_path / "cache" / f"pulumi-{PULUMI_VERSION}"
    cached = executable(root / "bin" / "pulumi", says(f"v{PULUMI_VERSION}"))
    cli = ensure(tmp_path / "cache", progress=lines.append, environment=environment(tmp_path))
    assert cli == PulumiCli(cached, "cache", PULUMI_VERSION)
    assert cli.root == root


@pytest.mark.parametrize(
    ("built", "beside", "added"), [(True, False, True), (True, True, True), (False, True, False), (False, False, True)]
)
def test_a_cli_without_a_language_host_gets_one_of_this_checkout_elsewhere(
    tmp_path: Path, built: bool, beside: bool, added: bool
) -> None:
    root = tmp_path / "cache" / f"pulumi-{PULUMI_VERSION}"
    cli = executable(root / "bin" / "pulumi", says("v1.2.3"))
    if built:
        (root / "built-from-source").touch()
    if beside:
        executable(root / "bin" / "pulumi-language-python", "echo another checkout's")
    add_language_host(cli, tmp_path / "bin", {"PATH": str(tmp_path / "path")})

    host = tmp_path / "bin" / "pulumi-language-python"
    assert host.exists() == added
    assert not added or f"{sys.executable} -m local_aws.language_host" in host.read_text()
    assert (root / "bin" / "pulumi-language-python").exists() == beside


def test_a_download_goes_to_the_cache(tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    new = executable(tmp_path / "new", says(f"v{PULUMI_VERSION}"))
    script = f"mkdir {{root}}/bin && cp {new} {{root}}/bin/pulumi"
    monkeypatch.setattr(pulumi_cli, "install_command", lambda root: ["/bin/sh", "-c", script.format(root=root)])
    first = ensure(tmp_path / "cache", progress=lines.append, environment=environment(tmp_path))
    assert (first.origin, first.version) == ("download", PULUMI_VERSION)
    assert "Downloading the official release…" in lines
    again = ensure(tmp_path / "cache", progress=lines.append, environment=environment(tmp_path))
    assert (again.origin, again.path) == ("cache", first.path)
    assert not (first.path.parent / "pulumi-language-python").exists()


@pytest.mark.usefixtures("no_download")
def test_without_a_download_it_is_built_with_its_version(tmp_path: Path, lines: list[str]) -> None:
    go = 'while [ "$1" != -o ]; do echo "$1" >> "$OUT"; shift; done\n'
    go += f'printf "#!/bin/sh\\necho v{PULUMI_VERSION}\\n" > "$2"; chmod +x "$2"; pwd >> "$OUT"'
    executable(tmp_path / "path" / "go", go)
    cli = ensure(
        tmp_path / "cache",
        progress=lines.append,
        environment={**environment(tmp_path), "OUT": str(tmp_path / "out")},
    )
    assert cli.origin == "build"
    recorded = (tmp_path / "out").read_text()
    assert f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI_VERSION}" in recorded
    assert recorded.rstrip().endswith("/go")
    assert (cli.root / "built-from-source").exists()
    assert any("error: no network" in line for line in lines)
    assert [item.name for item in (tmp_path / "cache").iterdir() if item.name.startswith(".new")] == []


def test_a_download_that_takes_too_long_is_ended_before_anything_is_built(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started, alive = tmp_path / "started", tmp_path / "alive"
    os.mkfifo(started)
    os.mkfifo(alive)
    script = f"exec 3> {alive}\necho started > {started}\nread never < {started}"
    monkeypatch.setattr(pulumi_cli, "install_command", lambda _root: ["/bin/sh", "-c", script])

    def too_long(_process: object) -> bool:
        started.read_text()
        return False

    monkeypatch.setattr(pulumi_cli, "_downloaded", too_long)
    held_by_the_download = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(PulumiUnavailable, match="download: it did not end within 300 s"):
        ensure(tmp_path / "cache", progress=lines.append, environment={"PATH": str(tmp_path / "path")})

    ended, _, _ = select.select([held_by_the_download], [], [], 60)
    assert ended and os.read(held_by_the_download, 1) == b"", "the download goes on"
    os.close(held_by_the_download)
    assert not list((tmp_path / "cache").glob(".new-*"))


@pytest.mark.usefixtures("no_download")
def test_when_no_way_works_all_are_told(tmp_path: Path, lines: list[str]) -> None:
    executable(tmp_path / "path" / "pulumi", says("v2.0.0"))
    executable(tmp_path / "path" / "go", "echo 'go: no such module'; exit 1")
    executable(tmp_path / "cache" / f"pulumi-{PULUMI_VERSION}" / "bin" / "pulumi", "echo broken")
    with pytest.raises(PulumiUnavailable) as failure:
        ensure(tmp_path / "cache", progress=lines.append, environment=environment(tmp_path))
    text = str(failure.value)
    assert "PATH: " in text
    assert f"is version 2.0.0, {PULUMI_VERSION} or a later 3 is needed" in text
    assert "cache: " in text
    assert "does not say its version" in text
    assert "download: error: no network" in text
    assert "build: go build ended with 1: go: no such module" in text
    assert "put it on PATH" in text


@pytest.mark.usefixtures("no_download")
def test_without_go_there_is_no_build(tmp_path: Path, lines: list[str]) -> None:
    bare = {"PATH": str(tmp_path / "path")}
    executable(tmp_path / "path" / "pulumi", "exit 3")
    with pytest.raises(PulumiUnavailable, match="build: there is no go on PATH"):
        ensure(tmp_path / "cache", progress=lines.append, environment=bare)


def test_two_at_once_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds the lock taken, waits, and finds the first one's work in the cache."""
    program = """
import sys
from pathlib import Path
from local_aws import pulumi_cli
def install_command(root):
    return ["/bin/sh", "-c", f"read go < {sys.argv[2]} && mkdir {root}/bin && cp {sys.argv[3]} {root}/bin/pulumi"]
pulumi_cli.install_command = install_command
def say(line):
    print(line, flush=True)
cli = pulumi_cli.ensure(Path(sys.argv[1]), progress=say, environment={"PATH": "/usr/bin:/bin"})
print(cli.origin)
"""
    os.mkfifo(tmp_path / "go")
    new = executable(tmp_path / "new", says(f"v{PULUMI_VERSION}"))
    arguments = [sys.executable, "-c", program, str(tmp_path / "cache"), str(tmp_path / "go"), str(new)]
    first = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert "getting version" in first.stdout.readline()
    second = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert second.stdout is not None
    assert "Another process is getting the Pulumi CLI" in second.stdout.readline()
    (tmp_path / "go").write_text("go\n")
    assert first.communicate(timeout=60)[0].split()[-1] == "download"
    assert second.communicate(timeout=60)[0].split()[-1] == "cache"


def test_another_process_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi_cli, "_OTHER_TIMEOUT_SECONDS", 0.0)
    with pulumi_cli._lock(tmp_path, print):
        with pytest.raises(PulumiUnavailable, match=r"another process has held \S+/pulumi.lock for 0 min"):
            with pulumi_cli._lock(tmp_path, print):
                pass


def test_a_build_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi_cli, "_BUILD_TIMEOUT_SECONDS", 0.0)
    monkeypatch.setattr(pulumi_cli, "_PROGRESS_INTERVAL_SECONDS", 0.01)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as build:
        with pytest.raises(pulumi_cli._NotThisWay, match="go build did not end within 0 min"):
            pulumi_cli._follow(build, print)
        build.kill()


def test_the_cache_follows_the_environment(tmp_path: Path) -> None:
    assert default_cache_dir({"XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/x/pulumi-local-aws")
    assert default_cache_dir({"HOME": "/h"}) == Path("/h/.cache/pulumi-local-aws")


def test_the_module_file_names_the_same_version() -> None:
    module = (Path(pulumi_cli.__file__).parent / "go" / "go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{PULUMI_VERSION}" in module
    assert f"github.com/pulumi/pulumi/sdk/v3 v{PULUMI_VERSION}" in module


def test_a_root_needs_a_folder_named_bin() -> None:
    with pytest.raises(ValueError, match="is not in a folder named bin"):
        _ = PulumiCli(Path("/usr/local/pulumi"), "path", "3.0.0").root


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), 9)"], ids=["it ends", "it is killed"])
def test_a_build_does_not_outlive_the_driver(tmp_path: Path, end: str) -> None:
    """The driver ends while a thread of its builds: another part of the set-up was refused, or somebody killed it."""
    started, alive = tmp_path / "started", tmp_path / "alive"
    os.mkfifo(started)
    os.mkfifo(alive)
    executable(tmp_path / "path" / "go", f"exec 3> {alive}\necho started > {started}\nread never < {started}")
    driver = f"""
import os, sys, threading
from pathlib import Path
from local_aws import pulumi_cli

def follow(process, progress):
    building.set()
    process.wait()

pulumi_cli.install_command = lambda root: ["false"]
pulumi_cli._follow = follow
building = threading.Event()
folder = Path(sys.argv[1])
environment = {{"PATH": f"{{folder / 'path'}}:/usr/bin:/bin"}}
arguments = {{"progress": lambda line: None, "environment": environment}}
threading.Thread(target=pulumi_cli.ensure, args=[folder / "cache"], kwargs=arguments, daemon=True).start()
(folder / "started").read_text()
building.wait()
{end}
"""
    held_by_the_build = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)

    done = subprocess.run([sys.executable, "-c", driver, str(tmp_path)], timeout=120, check=False)

    assert done.returncode == (0 if end == "pass" else -9)
    ended, _, _ = select.select([held_by_the_build], [], [], 60)
    assert ended and os.read(held_by_the_build, 1) == b"", "the build goes on"
    os.close(held_by_the_build)
    with pulumi_cli._lock(tmp_path / "cache", print), pulumi_cli._fresh(tmp_path / "cache") as new:
        assert list((tmp_path / "cache").glob(".new-*")) == [new], "what a killed driver left is removed by the next"
    assert not list((tmp_path / "cache").glob(".new-*"))
