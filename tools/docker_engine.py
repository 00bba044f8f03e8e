"""A Docker engine and a base image for a command, on a machine that may have neither.

    python -m tools.docker_engine COMMAND [ARGUMENT …]

runs the command with `DOCKER_HOST`, `KIT_BASE_IMAGE` and `LOCAL_AWS_BASE_IMAGE` set. The engine is one that answers, or
one that root on Debian gets for the command alone (`local_aws.testing.docker_engine`). Where the kit's base image
neither exists nor can be pulled, one is made of Debian's packages. The packages that the image installs are downloaded
here, as wheels: a build container needs no package index. Everything that was made is removed at the end.
"""

import contextlib
import fcntl
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from local_aws.emulator.runtimes import selection
from local_aws.emulator.runtimes.docker_janitor import call
from local_aws.testing.docker_engine import EngineMissing, engine, install, run, say
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
