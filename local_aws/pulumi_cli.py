"""Getting the Pulumi CLI: from PATH, from the cache, by the official download, or built from its Go module.

A build from source has no language hosts; `add_language_host` makes up for that.
"""

import atexit
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from semver import VersionInfo

from local_aws import leash
from local_aws.locks import in_turn
from local_aws.plugins import write_executable

PULUMI_VERSION: Final = "3.259.0"
"""The version that is downloaded or built; go/go.mod names the same."""

Origin = Literal["path", "cache", "download", "build"]
Progress = Callable[[str], None]

_TOOLS: Final = Path(__file__).resolve().parent / "go"
_PACKAGE: Final = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_VERSION_SYMBOL: Final = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_VERSION_TIMEOUT_SECONDS: Final = 30.0
_DOWNLOAD_TIMEOUT_SECONDS: Final = 300.0
_PROGRESS_INTERVAL_SECONDS: Final = 30.0
_BUILD_TIMEOUT_SECONDS: Final = 3600.0
_OTHER_TIMEOUT_SECONDS: Final = _DOWNLOAD_TIMEOUT_SECONDS + _BUILD_TIMEOUT_SECONDS
"""How long another process may take to get the CLI for all."""
_SCRATCH: Final = "tmp"
_INSTALL: Final = """
import subprocess, sys
from pulumi.automation import PulumiCommand
from semver import VersionInfo
try:
    PulumiCommand.install(sys.argv[1], VersionInfo.parse(sys.argv[2]))
except subprocess.CalledProcessError as error:
    sys.exit(error.output.decode(errors="replace"))
"""
_LANGUAGE_HOST: Final = "pulumi-language-python"


@dataclass(frozen=True)
class PulumiCli:
    """A CLI that works.

    Attributes:
        path: the executable.
        origin: where it came from.
        version: what it says it is, without the `v`.
    """

    path: Path
    origin: Origin
    version: str

    @property
    def root(self) -> Path:
        """The folder that `pulumi.automation.PulumiCommand` takes: the one above `bin`.

        Raises:
            ValueError: the executable is not in a folder named `bin`.
        """
        if self.path.parent.name != "bin":
            raise ValueError(f"{self.path} is not in a folder named bin")
        return self.path.parent.parent


class PulumiUnavailable(Exception):
    """No way led to a CLI.

    Attributes:
        tried: each way and why it failed.
    """

    def __init__(self, tried: list[str]) -> None:
        self.tried = tried
        ways = "\n".join(f"  - {way}" for way in tried)
        super().__init__(
            f"the Pulumi CLI is needed and could not be had:\n{ways}\n"
            f"Install Pulumi {PULUMI_VERSION} or later and put it on PATH (pulumi.com/docs/install), "
            "or install Go so that it can be built here."
        )


class _NotThisWay(Exception):
    """One way to a CLI is closed."""


def default_cache_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the CLI is kept between runs: `$XDG_CACHE_HOME`, or `~/.cache`, and this package's name."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "pulumi-local-aws"


def ensure(
    cache_dir: Path | None = None, *, progress: Progress, environment: Mapping[str, str] = os.environ
) -> PulumiCli:
    """A CLI that works, downloaded or built if there is none.

    Two processes at once do not clash: one makes it, the other waits and finds it in the cache.

    Args:
        cache_dir: where a CLI is kept between runs; `default_cache_dir` where None.
        progress: told what is being done, a line each.
        environment: the variables to look things up in and to run things with.

    Raises:
        PulumiUnavailable: no way worked; the message says what was tried and what to do.
    """
    cache_dir = cache_dir or default_cache_dir(environment)
    tried: list[str] = []
    try:
        return _from_path(environment)
    except _NotThisWay as reason:
        tried.append(f"PATH: {reason}")
    root = cache_dir / f"pulumi-{PULUMI_VERSION}"
    try:
        return _from_cache(root, environment)
    except _NotThisWay as reason:
        tried.append(f"cache: {reason}")
    with _lock(cache_dir, progress):
        try:
            return _from_cache(root, environment)
        except _NotThisWay:
            progress(f"There is no Pulumi CLI here yet: getting version {PULUMI_VERSION}.")
        try:
            return _by_download(cache_dir, root, environment, progress)
        except _NotThisWay as reason:
            tried.append(f"download: {reason}")
            progress(f"The download did not work ({reason}).")
        try:
            return _by_build(cache_dir, root, environment, progress)
        except _NotThisWay as reason:
            tried.append(f"build: {reason}")
    raise PulumiUnavailable(tried)


def add_language_host(cli: Path, bin_dir: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Write a `pulumi-language-python` of ours into `bin_dir` for a CLI that has none, so that `pulumi up` works.

    It is not put beside the CLI, which all checkouts share: it runs this checkout with this interpreter.

    Args:
        cli: the CLI's executable.
        bin_dir: goes before everything else on PATH.
        environment: whose PATH is searched for another one.
    """
    search = os.pathsep.join([str(cli.parent), environment.get("PATH", os.defpath)])
    was_built = (cli.parent.parent / _BUILT_MARK).exists()
    bin_dir.mkdir(parents=True, exist_ok=True)
    if was_built or shutil.which(_LANGUAGE_HOST, path=search) is None:
        write_executable(bin_dir / _LANGUAGE_HOST, "local_aws.language_host")


def version_of(executable: Path | str, environment: Mapping[str, str] = os.environ) -> VersionInfo:
    """What `pulumi version` answers.

    Raises:
        _NotThisWay: it cannot be run, or says nothing that is a version.
    """
    try:
        answer = subprocess.run(
            [str(executable), "version"],
            env={**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_SECONDS,
            check=True,
        ).stdout.strip()
        return VersionInfo.parse(answer.removeprefix("v"))
    except (OSError, subprocess.SubprocessError) as error:
        raise _NotThisWay(f"{executable} does not run: {error}") from error
    except ValueError as error:
        raise _NotThisWay(f"{executable} does not say its version: {error}") from error


def _from_path(environment: Mapping[str, str]) -> PulumiCli:
    found = shutil.which("pulumi", path=environment.get("PATH"))
    if found is None:
        raise _NotThisWay("there is no pulumi on it")
    version = version_of(found, environment)
    least = VersionInfo.parse(PULUMI_VERSION)
    if version.major != least.major or version.compare(least) < 0:
        raise _NotThisWay(f"{found} is version {version}, {least} or a later {least.major} is needed")
    return PulumiCli(Path(found), "path", str(version))


def _from_cache(root: Path, environment: Mapping[str, str]) -> PulumiCli:
    executable = root / "bin" / "pulumi"
    if not executable.exists():
        raise _NotThisWay(f"there is no {executable}")
    version = version_of(executable, environment)
    if str(version) != PULUMI_VERSION:
        raise _NotThisWay(f"{executable} is version {version}")
    return PulumiCli(executable, "cache", PULUMI_VERSION)


_BUILT_MARK: Final = "built-from-source"


@contextmanager
def _lock(cache_dir: Path, progress: Progress) -> Generator[None, None, None]:
    """One process at a time."""
    waiting = functools.partial(progress, "Another process is getting the Pulumi CLI: waiting for it.")
    with in_turn(cache_dir / "pulumi.lock", waiting=waiting, limit_seconds=_OTHER_TIMEOUT_SECONDS) as held:
        if not held:
            minutes = f"{_OTHER_TIMEOUT_SECONDS / 60:g} min"
            raise PulumiUnavailable([f"cache: another process has held {cache_dir / 'pulumi.lock'} for {minutes}"])
        yield


@contextmanager
def _fresh(cache_dir: Path) -> Generator[Path, None, None]:
    """A folder to make things in, beside where they go in the end; gone afterwards.

    Only who has the lock makes one: any that is there was left by a process that was killed.
    """
    folder = cache_dir / f".new-{os.getpid()}"
    for left in cache_dir.glob(".new-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(new: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    new.rename(root)


def install_command(root: Path) -> list[str]:
    """The command that downloads the CLI into a folder: the Automation API's own installer."""
    return [sys.executable, "-c", _INSTALL, str(root), PULUMI_VERSION]


def _by_download(cache_dir: Path, root: Path, environment: Mapping[str, str], progress: Progress) -> PulumiCli:
    progress("Downloading the official release…")
    with _fresh(cache_dir) as new:
        log = new / "install.log"
        with _leashed(install_command(new), folder=new, log=log, environment=environment) as process:
            if not _downloaded(process):
                raise _NotThisWay(f"it did not end within {_DOWNLOAD_TIMEOUT_SECONDS:g} s")
        if process.returncode != 0:
            raise _NotThisWay((_last_lines(log, 1) or [f"the installer ended with {process.returncode}"])[0])
        version_of(new / "bin" / "pulumi", environment)
        log.unlink()
        _move(new, root)
        new.mkdir()
    return PulumiCli(root / "bin" / "pulumi", "download", PULUMI_VERSION)


def _downloaded(process: "subprocess.Popen[bytes]") -> bool:
    """Wait for the installer; answers whether it has ended in time."""
    try:
        process.wait(_DOWNLOAD_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _last_lines(log: Path, number: int) -> list[str]:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-number:]


def build_command(go: str, output: Path) -> list[str]:
    """The command that builds the CLI; without its version the Automation API refuses it."""
    flags = f"-s -w -X {_VERSION_SYMBOL}=v{PULUMI_VERSION}"
    return [go, "build", "-trimpath", "-mod=readonly", "-ldflags", flags, "-o", str(output), _PACKAGE]


def _by_build(cache_dir: Path, root: Path, environment: Mapping[str, str], progress: Progress) -> PulumiCli:
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise _NotThisWay("there is no go on PATH")
    progress("Building it from its Go module (once; 4 to 8 minutes on two cores)…")
    with _fresh(cache_dir) as new:
        executable = new / "bin" / "pulumi"
        executable.parent.mkdir()
        log = new / "build.log"
        variables = {**environment, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTMPDIR": str(new / _SCRATCH)}
        command = build_command(go, executable)
        with _leashed(command, folder=new, log=log, environment=variables, cwd=_TOOLS) as process:
            _follow(process, progress)
        if process.returncode != 0:
            raise _NotThisWay(f"go build ended with {process.returncode}: {' / '.join(_last_lines(log, 5))}")
        version_of(executable, environment)
        (new / _BUILT_MARK).touch()
        log.unlink()
        _move(new, root)
        new.mkdir()
    return PulumiCli(root / "bin" / "pulumi", "build", PULUMI_VERSION)


@contextmanager
def _leashed(
    command: list[str], *, folder: Path, log: Path, environment: Mapping[str, str], cwd: Path | None = None
) -> Generator["subprocess.Popen[bytes]", None, None]:
    """A command that makes something in a folder. It outlives neither the block nor this process, however they end.

    Args:
        command: what is run.
        folder: where it works.
        log: where its output goes.
        environment: its variables; `TMPDIR` is a folder that is gone afterwards.
        cwd: its working directory.
    """
    scratch = folder / _SCRATCH
    scratch.mkdir()
    with log.open("wb") as output:
        process = subprocess.Popen(
            # A driver that is killed takes the command along.
            [sys.executable, "-I", "-S", leash.__file__, *command],
            cwd=cwd,
            env={**environment, "TMPDIR": str(scratch)},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        # A driver that gives up for another reason ends without waiting for the thread that runs this.
        abandon = functools.partial(_abandon, process, folder)
        atexit.register(abandon)
        try:
            yield process
        except BaseException:
            _kill(process)
            raise
        finally:
            atexit.unregister(abandon)
            shutil.rmtree(scratch, ignore_errors=True)


def _follow(process: "subprocess.Popen[bytes]", progress: Progress) -> None:
    """Wait for the build, telling every half minute that it goes on."""
    started = time.monotonic()
    while True:
        try:
            process.wait(_PROGRESS_INTERVAL_SECONDS)
            return
        except subprocess.TimeoutExpired:
            waited = time.monotonic() - started
            if waited > _BUILD_TIMEOUT_SECONDS:
                raise _NotThisWay(f"go build did not end within {_BUILD_TIMEOUT_SECONDS / 60:g} min") from None
            progress(f"Still building the Pulumi CLI ({waited:.0f} s)…")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _abandon(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    _kill(process)
    shutil.rmtree(folder, ignore_errors=True)
