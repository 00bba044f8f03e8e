"""A Docker engine and a base image for a command, on a machine that may have neither.

    python -m tools.docker_engine COMMAND [ARGUMENT …]

runs the command with `DOCKER_HOST`, `KIT_BASE_IMAGE` and `LOCAL_AWS_BASE_IMAGE` set. An engine that answers is used.
Without one, root on Debian gets Debian's own for the command alone, with its data and its socket in a temporary folder,
without a bridge and without firewall rules. Where the kit's base image neither exists nor can be pulled, one is made of
Debian's packages. The packages that the image installs are downloaded here, as wheels: a build container needs no
package index. Everything but the Debian packages is removed at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from local_aws.emulator.runtimes import selection
from local_aws.emulator.runtimes.docker_janitor import call
from local_aws.testing.docker_images import VARIABLE

ROOT = Path(__file__).resolve().parents[1]
WHEELS = ROOT / "ecs_kit" / "runtime" / "task" / "wheels"
REQUIREMENTS = ROOT / "ecs_kit" / "runtime" / "task" / "requirements.txt"
BASE_PACKAGES = {"debootstrap": "debootstrap"}
BASE_CONTENT = ("python3", "python3-pip", "ca-certificates")
"""The least that the Dockerfile needs of its base: an interpreter with its whole library, pip, and trusted roots."""
BASE_NAME = "ecs-step-functions-kit/base"
_NOT_IN_BASE = ("./var/cache/apt/*", "./var/lib/apt/lists/*", "./var/log/*", "./dev/*", "./proc/*", "./sys/*")
_FETCHED = ".fetched"
"""Marks wheels that were downloaded for a command and are removed after it."""
_NO_ENGINE = 2
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.2


class EngineMissing(Exception):
    """There is no Docker engine and none can be started here."""


class BaseImageMissing(Exception):
    """There is no base image and none can be made here."""


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status, or 2 where there is no engine for it."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return _NO_ENGINE
    # As SystemExit, so that what was started ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with engine() as socket_path, base_image(socket_path) as image, wheels():
            images = dict.fromkeys(("KIT_BASE_IMAGE", VARIABLE), image)
            environment = {**os.environ, "DOCKER_HOST": f"unix://{socket_path}", **images}
            return subprocess.run(list(arguments), cwd=ROOT, env=environment, check=False).returncode
    except (EngineMissing, BaseImageMissing, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _NO_ENGINE


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """The socket of an engine that answers; one that was started here ends with the context.

    Raises:
        EngineMissing: there is none, and none can be started here.
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
    """Run a command; its output is shown if it fails.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    done = subprocess.run(
        list(command), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise subprocess.CalledProcessError(done.returncode, command[0])


def say(line: str) -> None:
    """Print to standard error."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def base_image(socket_path: str) -> Iterator[str]:
    """The image to build on: `KIT_BASE_IMAGE`, else the kit's own, else one made of Debian's packages.

    Raises:
        BaseImageMissing: there is none, and this machine cannot make one.
    """
    from ecs_kit.components.program import KitConfig

    wanted = os.environ.get("KIT_BASE_IMAGE") or KitConfig().base_image
    problem = selection.base_image_problem(socket_path, wanted)
    if problem is None:
        yield wanted
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BaseImageMissing(f"{problem}: pull it, or name another one in KIT_BASE_IMAGE")
    say(f"{problem}: making one of Debian's packages")
    install(BASE_PACKAGES)
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    name = f"{BASE_NAME}:{release}"
    environment = {**os.environ, "DOCKER_HOST": f"unix://{socket_path}"}
    with tempfile.TemporaryDirectory(prefix="base-") as folder:
        # In a mount namespace of its own, with which debootstrap's mounts end.
        bootstrap = ("debootstrap", "--variant=minbase", f"--include={','.join(BASE_CONTENT)}", release)
        run("unshare", "--mount", *bootstrap, f"{folder}/root", mirror(release))
        excluded = " ".join(f"--exclude='{path}'" for path in _NOT_IN_BASE)
        subprocess.run(
            f"tar --create --numeric-owner {excluded} . | docker import - {name} > /dev/null",
            shell=True,
            cwd=Path(folder) / "root",
            env=environment,
            check=True,
        )
    try:
        yield name
    finally:
        call(socket_path, "DELETE", f"/images/{name}?force=true")


def mirror(release: str) -> str:
    """The address of this machine's apt repository of a release; empty for debootstrap's own choice."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    pairs = [line.split(" ", 1) for line in listed.splitlines() if " " in line]
    return next((address for suite, address in pairs if suite == release), "")


@contextlib.contextmanager
def wheels(folder: Path = WHEELS) -> Iterator[None]:
    """The image's packages as wheels in its build context; existing ones are kept.

    Of several commands at once, the last one removes what the first one downloaded.

    Raises:
        subprocess.CalledProcessError: pip cannot fetch them.
    """
    mark = folder / _FETCHED
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        # Shared by all commands that use the wheels, exclusive to the one that removes them.
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".wheels-") as partial:
                fetch_wheels(Path(partial) / "whole")
                (Path(partial) / "whole" / _FETCHED).touch()
                # Another command may have been first: its wheels are the same.
                with contextlib.suppress(OSError):
                    (Path(partial) / "whole").rename(folder)
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if mark.exists():
                    shutil.rmtree(folder)


def fetch_wheels(folder: Path = WHEELS) -> None:
    """Download the wheels of the image's packages; their hashes are checked."""
    run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"),
        *("--no-deps", "--only-binary", ":all:", "--dest", str(folder), "--requirement", str(REQUIREMENTS)),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
