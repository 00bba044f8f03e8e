"""Getting the Pulumi CLI: from PATH, from the cache, by the official download, or built from its Go module.

A build from source has no language hosts; `add_language_host` adds ours.
"""

import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from semver import VersionInfo

from local_aws import leash
from local_aws.locks import in_turn
from local_aws.plugins import write_executable

PULUMI_VERSION: Final = "3.259.0"
"""The version that is downloaded or built; go/go.mod names the same."""

Progress = Callable[[str], None]

_TOOLS: Final = Path(__file__).resolve().parent / "go"
_PACKAGE: Final = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_NOT_OPTIMIZED: Final = (
    "cloud.google.com/...",
    "github.com/Azure/...",
    "github.com/alecthomas/...",
    "github.com/aws/...",
    "github.com/envoyproxy/...",
    "github.com/google/...",
    "github.com/pb33f/...",
    "github.com/pulumi/pulumi/pkg/v3/cmd/...",
    "go.opentelemetry.io/...",
    "google.golang.org/api/...",
)
"""What a deployment on a local AWS hardly runs: other state backends and secrets providers, commands, telemetry."""
COMPILER_OPTIONS: Final = (
    "-trimpath",
    "-gcflags=all=-dwarf=false",
    *(f"-gcflags={each}=-N -l -dwarf=false" for each in _NOT_OPTIMIZED),
)
"""Of `go build`: a third less time for the CLI. What is built with the same ones uses its compiled packages."""
_VERSION_SYMBOL: Final = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_VERSION_TIMEOUT_SECONDS: Final = 30.0
_DOWNLOAD_TIMEOUT_SECONDS: Final = 300.0
_BUILD_TIMEOUT_SECONDS: Final = 3600.0
_OTHER_TIMEOUT_SECONDS: Final = _DOWNLOAD_TIMEOUT_SECONDS + _BUILD_TIMEOUT_SECONDS
"""How long to wait for another process that downloads or builds the CLI."""
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
_BUILT_MARK: Final = "built-from-source"


@dataclass(frozen=True)
class PulumiCli:
    """A working CLI: its executable, and its version without the `v`."""

    path: Path
    version: str

    @property
    def root(self) -> Path:
        """The folder that `pulumi.automation.PulumiCommand` takes: the one above `bin`, or else `ValueError`."""
        if self.path.parent.name != "bin":
            raise ValueError(f"{self.path} is not in a folder named bin")
        return self.path.parent.parent


class PulumiUnavailable(Exception):
    """There is no CLI and none can be downloaded or built; `tried` says why each way failed."""

    def __init__(self, tried: list[str]) -> None:
        self.tried = tried
        ways = "\n".join(f"  - {way}" for way in tried)
        super().__init__(
            f"the Pulumi CLI is needed and could not be had:\n{ways}\n"
            f"Install Pulumi {PULUMI_VERSION} or later and put it on PATH (pulumi.com/docs/install), "
            "or install Go so that it can be built here."
        )


class _NotThisWay(Exception):
    """One way to a CLI failed."""


def default_cache_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the CLI is kept between runs: `$XDG_CACHE_HOME`, or `~/.cache`, and this package's name."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "pulumi-local-aws"


def ensure(
    cache_dir: Path | None = None, *, progress: Progress, environment: Mapping[str, str] = os.environ
) -> PulumiCli:
    """A working CLI, downloaded or built if there is none. Of two processes at once, one does so and the other waits.

    It is kept in `cache_dir`, by default `default_cache_dir`; `progress` is told what is being done, a line each.

    `PulumiUnavailable`: no way worked; the message says what was tried and what to do.
    """
    cache_dir = cache_dir or default_cache_dir(environment)
    root = cache_dir / f"pulumi-{PULUMI_VERSION}"
    tried: list[str] = []

    def attempt(way: str, get: Callable[[], PulumiCli]) -> PulumiCli | None:
        try:
            return get()
        except _NotThisWay as reason:
            tried.append(f"{way}: {reason}")
            return None

    cached = functools.partial(_from_cache, root, environment)
    found = attempt("PATH", lambda: _from_path(environment)) or attempt("cache", cached)
    if found:
        return found
    with _lock(cache_dir, progress):
        with suppress(_NotThisWay):
            return cached()
        progress(f"There is no Pulumi CLI here yet: getting version {PULUMI_VERSION}.")
        found = attempt("download", lambda: _by_download(root, environment, progress))
        if found:
            return found
        progress(f"The {tried[-1]}.")
        found = attempt("build", lambda: _by_build(root, environment, progress))
    if found is None:
        raise PulumiUnavailable(tried)
    return found


def add_language_host(cli: Path, bin_dir: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Write our `pulumi-language-python` into `bin_dir` for a CLI that has none, so that `pulumi up` works.

    Not beside the CLI, which all checkouts share: it runs this checkout with this interpreter. `bin_dir` goes before
    everything else on PATH.
    """
    search = os.pathsep.join([str(cli.parent), environment.get("PATH", os.defpath)])
    was_built = (cli.parent.parent / _BUILT_MARK).exists()
    bin_dir.mkdir(parents=True, exist_ok=True)
    if was_built or shutil.which(_LANGUAGE_HOST, path=search) is None:
        write_executable(bin_dir / _LANGUAGE_HOST, "local_aws.language_host")


def _version_of(executable: Path | str, environment: Mapping[str, str]) -> VersionInfo:
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
    version = _version_of(found, environment)
    least = VersionInfo.parse(PULUMI_VERSION)
    if version.major != least.major or version.compare(least) < 0:
        raise _NotThisWay(f"{found} is version {version}, {least} or a later {least.major} is needed")
    return PulumiCli(Path(found), str(version))


def _from_cache(root: Path, environment: Mapping[str, str]) -> PulumiCli:
    executable = root / "bin" / "pulumi"
    if not executable.exists():
        raise _NotThisWay(f"there is no {executable}")
    version = _version_of(executable, environment)
    if str(version) != PULUMI_VERSION:
        raise _NotThisWay(f"{executable} is version {version}")
    return PulumiCli(executable, PULUMI_VERSION)


@contextmanager
def _lock(cache_dir: Path, progress: Progress) -> Generator[None, None, None]:
    waiting = functools.partial(progress, "Another process is getting the Pulumi CLI: waiting for it.")
    with in_turn(cache_dir / "pulumi.lock", waiting=waiting, limit_seconds=_OTHER_TIMEOUT_SECONDS) as held:
        if not held:
            minutes = f"{_OTHER_TIMEOUT_SECONDS / 60:g} min"
            raise PulumiUnavailable([f"cache: another process has held {cache_dir / 'pulumi.lock'} for {minutes}"])
        yield


def install_command(root: Path) -> list[str]:
    """The command that downloads the CLI into a folder: the Automation API's own installer."""
    return [sys.executable, "-c", _INSTALL, str(root), PULUMI_VERSION]


def _by_download(root: Path, environment: Mapping[str, str], progress: Progress) -> PulumiCli:
    progress("Downloading the official release…")
    with _fresh(root.parent) as new:
        _run("the installer", install_command(new), new, environment, _DOWNLOAD_TIMEOUT_SECONDS)
        _take(new, root, environment)
    return _from_cache(root, environment)


def _by_build(root: Path, environment: Mapping[str, str], progress: Progress) -> PulumiCli:
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise _NotThisWay("there is no go on PATH")
    progress("Building it from its Go module (once; 3 to 6 minutes on two cores)…")
    with _fresh(root.parent) as new:
        variables = {**environment, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTMPDIR": str(new / "tmp")}
        # Without its version the Automation API refuses it.
        flags = f"-s -w -X {_VERSION_SYMBOL}=v{PULUMI_VERSION}"
        output = str(new / "bin" / "pulumi")
        command = [go, "build", *COMPILER_OPTIONS, "-mod=readonly", "-ldflags", flags, "-o", output, _PACKAGE]
        _run("go build", command, new, variables, _BUILD_TIMEOUT_SECONDS)
        (new / _BUILT_MARK).touch()
        _take(new, root, environment)
    return _from_cache(root, environment)


@contextmanager
def _fresh(cache_dir: Path) -> Generator[Path, None, None]:
    """A folder to make a CLI in, removed afterwards if it is still there.

    Only the holder of the lock makes one: all others were left by processes that were killed.
    """
    folder = cache_dir / f".new-{os.getpid()}"
    for left in cache_dir.glob(".new-*"):
        shutil.rmtree(left, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take(new: Path, root: Path, environment: Mapping[str, str]) -> None:
    """Move a new CLI that works to its place in the cache."""
    _version_of(new / "bin" / "pulumi", environment)
    shutil.rmtree(new / "tmp", ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)
    new.rename(root)


def _run(what: str, command: list[str], folder: Path, environment: Mapping[str, str], limit_seconds: float) -> None:
    """Run a command that makes a CLI in a folder. It ends with this process, however this one ends."""
    log = folder / "tmp" / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-I", "-S", leash.__file__, *command],
            cwd=_TOOLS,
            env={**environment, "TMPDIR": str(folder / "tmp")},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            process.wait(limit_seconds)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _NotThisWay(f"{what} did not end within {limit_seconds / 60:g} min") from error
            raise
    if process.returncode != 0:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise _NotThisWay(f"{what} ended with {process.returncode}: {' / '.join(lines[-5:])}")
