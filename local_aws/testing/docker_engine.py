"""A Docker engine for tests, on a machine that may have none.

An engine that answers is used. Without one, root on Debian gets Debian's own for the tests alone, with its data and its
socket in a temporary folder, without a bridge and without firewall rules. Only its package stays.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from local_aws.emulator.runtimes import selection
from local_aws.emulator.runtimes.docker_janitor import call

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.2


class EngineMissing(Exception):
    """There is no Docker engine and none can be started here."""


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """The socket of an engine that answers; one that was started here ends with the context.

    `EngineMissing`: there is none, and none can be started here.
    """
    problem = selection.docker_problem()
    if problem is None:
        yield selection.docker_socket()
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise EngineMissing(f"no Docker engine answers ({problem}): start Docker, or run this as root on Debian")
    say(f"no Docker engine answers ({problem}): starting one for this command")
    install({"dockerd": "docker.io"})
    with tempfile.TemporaryDirectory(prefix="docker-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        command = daemon_command(folder, alone=not another_runs())
        with (folder / "dockerd.log").open("wb") as log:
            daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            _await(daemon, folder)
            yield str(folder / "docker.sock")
        finally:
            daemon.terminate()
            try:
                daemon.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
            for process in processes_of(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            unmount_below(folder)


def another_runs(processes: Path = Path("/proc")) -> bool:
    """Whether an engine runs on this machine at another address than `DOCKER_HOST`."""
    for file in processes.glob("[0-9]*/comm"):
        # A process may end between the two looks.
        with contextlib.suppress(OSError):
            if file.read_text().strip() == "dockerd":
                return True
    return False


def daemon_command(folder: Path, *, alone: bool) -> list[str]:
    """The command line of an engine that writes only below a folder and does not change the machine's network.

    With another engine (not `alone`) it keeps its bridge: an engine without one removes `docker0`, the other's.
    """
    return [
        "dockerd",
        f"--host=unix://{folder}/docker.sock",
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/dockerd.pid",
        *(["--bridge=none"] if alone else []),
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        "--log-level=warn",
    ]


def _await(daemon: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while daemon.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            call(str(folder / "docker.sock"), "GET", "/info")
            return
        time.sleep(_POLL_SECONDS)
    lines = (folder / "dockerd.log").read_text(errors="replace").splitlines()[-10:]
    raise EngineMissing("\n".join(["dockerd did not come up; the last lines of its log:", *lines]))


def processes_of(folder: Path, processes: Path = Path("/proc")) -> list[int]:
    """The ids of the helpers that a killed daemon left: their command lines name its folder."""
    found = []
    for file in processes.glob("[0-9]*/cmdline"):
        # A process may end between the two looks.
        with contextlib.suppress(OSError):
            words = file.read_text(errors="replace").split("\0")
            if any(Path(word).is_relative_to(folder) for word in words if word.startswith("/")):
                found.append(int(file.parent.name))
    return sorted(found)


def unmount_below(folder: Path) -> None:
    """Unmount what a daemon left mounted, the innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted((point for point in points if Path(point).is_relative_to(folder)), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False)


def install(packages: Mapping[str, str]) -> None:
    """Install the Debian packages of the programs that are missing, given by program."""
    missing = sorted(package for program, package in packages.items() if shutil.which(program) is None)
    if missing:
        say(f"installing {', '.join(missing)}")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "-qq", environment=quiet)
        run("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *missing, environment=quiet)


def run(*command: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a command; its output is shown if it fails; `subprocess.CalledProcessError`: it fails."""
    done = subprocess.run(
        list(command), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise subprocess.CalledProcessError(done.returncode, command[0])


def say(line: str) -> None:
    """Print to standard error."""
    print(line, file=sys.stderr, flush=True)
