"""Where the Pulumi CLI comes from, with executables of our own."""

import os
import select
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_aws import pulumi_cli
from local_aws.pulumi_cli import PULUMI_VERSION, PulumiCli, PulumiUnavailable, add_language_host, ensure
from local_aws.testing.aws import ask_until

SAYS_VERSION = f"echo v{PULUMI_VERSION}"


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


class Machine:
    """A machine's PATH, cache and download."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.cache = folder / "cache"
        self.root = self.cache / f"pulumi-{PULUMI_VERSION}"
        self.environment = {"PATH": f"{folder / 'path'}:/usr/bin:/bin"}
        self.lines: list[str] = []

    def on_path(self, name: str, script: str) -> Path:
        return executable(self.folder / "path" / name, script)

    def download(self, script: str) -> None:
        self.monkeypatch.setattr(
            pulumi_cli, "install_command", lambda root: ["/bin/sh", "-c", script.format(root=root)]
        )

    def ensure(self) -> PulumiCli:
        return ensure(self.cache, progress=self.lines.append, environment=self.environment)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    made.download("echo Downloading; echo error: no network; exit 1")
    return made


def test_a_cli_on_path_is_used_if_it_is_new_enough_and_else_the_one_in_the_cache(machine: Machine) -> None:
    cached = executable(machine.root / "bin" / "pulumi", SAYS_VERSION)
    found = machine.on_path("pulumi", "echo v3.300.1")
    assert machine.ensure() == PulumiCli(found, "3.300.1")
    machine.on_path("pulumi", "echo v3.100.0")
    cli = machine.ensure()
    assert (cli, cli.root, machine.lines) == (PulumiCli(cached, PULUMI_VERSION), machine.root, [])


@pytest.mark.parametrize(
    ("built", "beside", "added"), [(True, False, True), (True, True, True), (False, True, False), (False, False, True)]
)
def test_a_cli_without_a_language_host_gets_one_of_this_checkout_elsewhere(
    machine: Machine, built: bool, beside: bool, added: bool
) -> None:
    cli = executable(machine.root / "bin" / "pulumi", "echo v1.2.3")
    if built:
        (machine.root / "built-from-source").touch()
    if beside:
        executable(machine.root / "bin" / "pulumi-language-python", "echo another checkout's")
    add_language_host(cli, machine.folder / "bin", {"PATH": str(machine.folder / "path")})

    host = machine.folder / "bin" / "pulumi-language-python"
    assert host.exists() == added
    assert not added or f"{sys.executable} -m local_aws.language_host" in host.read_text()
    assert (machine.root / "bin" / "pulumi-language-python").exists() == beside


def test_a_download_goes_to_the_cache(machine: Machine) -> None:
    new = executable(machine.folder / "new", SAYS_VERSION)
    machine.download(f"mkdir {{root}}/bin && cp {new} {{root}}/bin/pulumi")
    first = machine.ensure()
    assert first == PulumiCli(machine.root / "bin" / "pulumi", PULUMI_VERSION)
    told = [*machine.lines]
    assert told[-1] == "Downloading the official release…"
    assert (machine.ensure(), machine.lines) == (first, told), "from the cache"
    assert sorted(item.name for item in machine.root.iterdir()) == ["bin"]


def test_without_a_download_it_is_built_with_its_version(machine: Machine) -> None:
    go = 'while [ "$1" != -o ]; do echo "$1" >> "$OUT"; shift; done; mkdir -p "$(dirname "$2")"\n'
    go += f'printf "#!/bin/sh\\n{SAYS_VERSION}\\n" > "$2"; chmod +x "$2"; pwd >> "$OUT"'
    machine.on_path("go", go)
    machine.environment["OUT"] = str(machine.folder / "out")
    cli = machine.ensure()
    recorded = (machine.folder / "out").read_text()
    assert f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI_VERSION}" in recorded
    assert recorded.rstrip().endswith("/go")
    assert (cli.root / "built-from-source").exists()
    assert any("error: no network" in line for line in machine.lines)
    assert not list(machine.cache.glob(".new-*"))


def test_if_no_way_works_all_are_named(machine: Machine) -> None:
    machine.on_path("pulumi", "echo v2.0.0")
    machine.on_path("go", "echo 'go: no such module'; exit 1")
    executable(machine.root / "bin" / "pulumi", "echo broken")
    with pytest.raises(PulumiUnavailable) as failure:
        machine.ensure()
    for text in (
        f"PATH: {machine.folder / 'path' / 'pulumi'} is version 2.0.0, {PULUMI_VERSION} or a later 3 is needed",
        f"cache: {machine.root / 'bin' / 'pulumi'} does not say its version",
        "download: the installer ended with 1: Downloading / error: no network",
        "build: go build ended with 1: go: no such module",
        "put it on PATH",
    ):
        assert text in str(failure.value)


def alive(folder: Path) -> int:
    """Waits for the script of `hanging` in a thread of the test's; its end closes the returned descriptor's pipe."""
    return os.open(folder / "alive", os.O_RDONLY | os.O_NONBLOCK)


def hanging(folder: Path) -> str:
    """A script that says that it has started, and then waits for ever."""
    for name in ("started", "alive"):
        os.mkfifo(folder / name)
    return f"exec 3> {folder / 'alive'}\necho started > {folder / 'started'}\nread never < {folder / 'started'}"


def assert_ended(descriptor: int) -> None:
    ended, _, _ = select.select([descriptor], [], [], 60)
    assert ended and os.read(descriptor, 1) == b"", "the command has not ended"
    os.close(descriptor)


def test_a_command_that_takes_too_long_is_killed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.download(hanging(machine.folder))
    machine.environment["PATH"] = str(machine.folder / "path")
    wait = subprocess.Popen.wait

    def impatient(process: "subprocess.Popen[bytes]", timeout: float | None = None) -> int:
        if timeout is not None:
            (machine.folder / "started").read_text()
            timeout = 0
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", impatient)
    descriptor = alive(machine.folder)
    with pytest.raises(PulumiUnavailable, match="download: the installer did not end within 5 min"):
        machine.ensure()
    assert_ended(descriptor)
    assert not list(machine.cache.glob(".new-*"))


def test_of_two_at_once_one_downloads_it_and_the_other_finds_it_in_the_cache(machine: Machine) -> None:
    go = machine.folder / "go"
    os.mkfifo(go)
    new = executable(machine.folder / "new", SAYS_VERSION)
    machine.download(f"read go < {go} && mkdir {{root}}/bin && cp {new} {{root}}/bin/pulumi")
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(machine.ensure) for _ in range(2)]
        waiting = "Another process is getting the Pulumi CLI: waiting for it."
        ask_until(lambda: waiting in machine.lines or None)
        go.write_text("go\n")
    assert both[0].result() == both[1].result()
    assert machine.lines.count("Downloading the official release…") == 1


def test_the_wait_for_another_process_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi_cli, "_OTHER_TIMEOUT_SECONDS", 0.0)
    with pulumi_cli._lock(tmp_path, print):
        with pytest.raises(PulumiUnavailable, match=r"another process has held \S+/pulumi.lock for 0 min"):
            with pulumi_cli._lock(tmp_path, print):
                pass


def test_the_cache_follows_the_environment() -> None:
    assert pulumi_cli.default_cache_dir({"XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/x/pulumi-local-aws")
    assert pulumi_cli.default_cache_dir({"HOME": "/h"}) == Path("/h/.cache/pulumi-local-aws")


def test_the_module_file_names_the_same_version() -> None:
    module = (Path(pulumi_cli.__file__).parent / "go" / "go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{PULUMI_VERSION}" in module
    assert f"github.com/pulumi/pulumi/sdk/v3 v{PULUMI_VERSION}" in module


def test_a_root_needs_a_folder_named_bin() -> None:
    with pytest.raises(ValueError, match="is not in a folder named bin"):
        _ = PulumiCli(Path("/usr/local/pulumi"), "3.0.0").root


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), 9)"], ids=["it ends", "it is killed"])
def test_a_build_does_not_outlive_the_driver(machine: Machine, end: str) -> None:
    """The driver ends while a thread of it builds: another part of the set-up was refused, or it was killed."""
    machine.on_path("go", hanging(machine.folder))
    driver = f"""
import os, sys, threading
from pathlib import Path
from local_aws import pulumi_cli

pulumi_cli.install_command = lambda root: ["false"]
folder = Path(sys.argv[1])
environment = {{"PATH": f"{{folder / 'path'}}:/usr/bin:/bin"}}
arguments = {{"progress": lambda line: None, "environment": environment}}
threading.Thread(target=pulumi_cli.ensure, args=[folder / "cache"], kwargs=arguments, daemon=True).start()
(folder / "started").read_text()
{end}
"""
    descriptor = alive(machine.folder)
    done = subprocess.run([sys.executable, "-c", driver, str(machine.folder)], timeout=120, check=False)

    assert done.returncode == (0 if end == "pass" else -9)
    assert_ended(descriptor)
    with pulumi_cli._lock(machine.cache, print), pulumi_cli._fresh(machine.cache) as new:
        assert list(machine.cache.glob(".new-*")) == [new], "the next driver removes what a killed one left"
    assert not list(machine.cache.glob(".new-*"))
