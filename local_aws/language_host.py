"""`pulumi-language-python` for a CLI that was built from source and so has none.

It serves the engine's `LanguageRuntime` protocol on a loopback port, prints the port, and runs `__main__.py` in this
interpreter, as the published one's `pulumi-language-python-exec` does. That is enough for `pulumi preview`, `up`,
`refresh` and `destroy`, and for plugins that are a folder with a `PulumiPlugin.yaml`. It installs nothing and creates
no virtual environment: the project's packages are this interpreter's, and the engine loads a plugin when the program
first uses it.
"""

import asyncio
import logging
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Final

import grpc
from google.protobuf import empty_pb2
from pulumi import RunError, log, runtime
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from local_aws.plugins.framework.serve import exit_on_signals, make_server, run
from local_aws.pulumi_cli import PULUMI_VERSION

_ENTRY: Final = "__main__.py"
_WORKERS: Final = 8
_THREADS_PER_OPERATION: Final = 4
"""As many as `pulumi-language-python-exec` has."""


class ProgramHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs a project's program, whose messages go to the engine at `engine_address`."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address

    def Handshake(
        self, _request: language_pb2.LanguageHandshakeRequest, _context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """Accept the engine."""
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version: the CLI's, as language hosts come with it."""
        return plugin_pb2.PluginInfo(version=PULUMI_VERSION)

    def GetRequiredPackages(
        self, _request: language_pb2.GetRequiredPackagesRequest, _context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """None in advance."""
        return language_pb2.GetRequiredPackagesResponse()

    def About(self, _request: language_pb2.AboutRequest, _context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        """What `pulumi about` shows."""
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def Run(self, request: language_pb2.RunRequest, _context: grpc.ServicerContext) -> language_pb2.RunResponse:
        """Run the program in the project's folder; an exception is shown with its traceback."""
        folder = Path(request.info.program_directory or request.pwd or ".").resolve()
        entry = program_file(folder, request.info.entry_point)
        os.chdir(folder)
        runtime.configure(
            runtime.Settings(
                project=request.project,
                stack=request.stack,
                monitor=request.monitor_address,
                engine=self._engine_address,
                parallel=request.parallel,
                dry_run=request.dryRun,
                organization=request.organization or "organization",
                root_directory=request.info.root_directory,
            )
        )
        runtime.set_all_config(dict(request.config), list(request.configSecretKeys))
        # No warnings about tasks that a failed program leaves unfinished.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        loop = asyncio.new_event_loop()
        with futures.ThreadPoolExecutor(max(request.parallel, 1) * _THREADS_PER_OPERATION) as executor:
            loop.set_default_executor(executor)
            try:
                loop.run_until_complete(runtime.run_in_stack(lambda: run_program(entry)))
            except RunError as error:
                log.error(str(error))
            except Exception as error:  # noqa: BLE001  a program may raise anything; its user is shown it
                log.error(f"Program failed with an unhandled exception:\n{users_part(error, entry)}")
            else:
                return language_pb2.RunResponse()
        # The engine has the error already and would show it twice.
        return language_pb2.RunResponse(bail=True)

    def InstallDependencies(
        self, _request: language_pb2.InstallDependenciesRequest, _context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """None: the packages are this interpreter's."""
        yield language_pb2.InstallDependenciesResponse()

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a plugin's folder in a process of its own, which ends with the call."""
        command = [sys.executable, request.info.program_directory, *request.args]
        environment = {**os.environ, **dict(variable.split("=", 1) for variable in request.env)}
        with subprocess.Popen(
            command, cwd=request.pwd or None, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            context.add_callback(process.terminate)
            assert process.stdout is not None
            for line in process.stdout:
                yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=process.returncode)

    def Cancel(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Nothing: the engine ends this process next."""
        return empty_pb2.Empty()


def program_file(folder: Path, entry_point: str) -> Path:
    """The file that a program starts with; the entry point is a file or folder below the project's folder, or `.`."""
    entry = folder / entry_point if entry_point else folder
    return entry / _ENTRY if entry.is_dir() else entry


def users_part(error: Exception, entry: Path) -> str:
    """An error with its traceback from the first line of the program on; the whole one if none is the program's."""
    frames = traceback.extract_tb(error.__traceback__)
    users = next((index for index, frame in enumerate(frames) if Path(frame.filename) == entry), 0)
    return "".join(traceback.format_exception(error, limit=users - len(frames))).rstrip()


def run_program(entry: Path) -> None:
    """Run a program as `python <file>` would; `RunError`: there is no program, or it ends with an exit status."""
    if not entry.is_file():
        raise RunError(f"there is no program {entry}")
    sys.path.insert(0, str(entry.parent))
    sys.argv = [str(entry)]
    try:
        runpy.run_path(str(entry), run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise RunError(f"the program ended with exit status {end.code}") from end


def main() -> None:
    """Serve until the CLI ends this process with SIGINT, or has ended itself."""
    exit_on_signals()
    server = make_server(_WORKERS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(ProgramHost(sys.argv[-1]), server)
    run(server)


if __name__ == "__main__":
    main()
