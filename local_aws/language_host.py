"""`pulumi-language-python` for a CLI that was built from source and so has none.

Enough for `pulumi preview`, `up`, `refresh` and `destroy` of a program like this one: it serves the engine's
`LanguageRuntime` protocol on a loopback port, prints the port, and runs `__main__.py` in this interpreter, as the
published one's `pulumi-language-python-exec` does. It installs nothing and creates no virtual environment; the
project's packages are this interpreter's.
"""

import asyncio
import importlib.metadata
import json
import logging
import os
import re
import runpy
import signal
import sys
import traceback
from concurrent import futures
from pathlib import Path
from typing import Final

import grpc
from google.protobuf import empty_pb2
from pulumi import RunError, log, runtime
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from local_aws.plugins.framework.serve import end_with_parent
from local_aws.pulumi_cli import PULUMI_VERSION

_PLUGIN_FILE: Final = "pulumi-plugin.json"
_MESSAGE_BYTES: Final = 400 * 1024 * 1024
_ENTRY: Final = "__main__.py"
_THREADS_PER_OPERATION: Final = 4
"""As many as `pulumi-language-python-exec` has."""


def packages() -> list[plugin_pb2.PluginDependency]:
    """The plugins of the installed Pulumi packages that no other of them brings along.

    The engine gets the rest when the program first uses them. Each package says what its plugin is in its
    `pulumi-plugin.json`.
    """
    found: dict[str, plugin_pb2.PluginDependency] = {}
    brought: set[str] = set()
    for distribution in importlib.metadata.distributions():
        name = _normal(distribution.metadata["Name"] or "")
        plugin = _plugin(distribution) if name.startswith("pulumi-") else None
        if plugin is not None:
            found[name] = plugin
            brought |= {_normal(re.split(r"[^\w.-]", item, maxsplit=1)[0]) for item in distribution.requires or ()}
    return [plugin for name, plugin in sorted(found.items()) if name not in brought]


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def _plugin(distribution: importlib.metadata.Distribution) -> plugin_pb2.PluginDependency | None:
    for file in distribution.files or ():
        if file.name == _PLUGIN_FILE:
            plugin = json.loads(Path(str(file.locate())).read_text())
            version = plugin.get("version") or distribution.version
            if plugin.get("resource"):
                return plugin_pb2.PluginDependency(
                    name=plugin["name"], kind="resource", version=f"v{version}", server=plugin.get("server", "")
                )
    return None


class ProgramHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs a project's program.

    Args:
        engine_address: where the engine takes the program's messages.
    """

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """Agree to talk."""
        del request, context
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version: the CLI's, as language hosts come with it."""
        del request, context
        return plugin_pb2.PluginInfo(version=PULUMI_VERSION)

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """The plugins that the program's packages need."""
        del request, context
        required = [
            plugin_pb2.PackageDependency(name=item.name, kind=item.kind, version=item.version, server=item.server)
            for item in packages()
        ]
        return language_pb2.GetRequiredPackagesResponse(packages=required)

    def GetRequiredPlugins(
        self, request: language_pb2.GetRequiredPluginsRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPluginsResponse:
        """The same, for engines that ask in the older way."""
        del request, context
        return language_pb2.GetRequiredPluginsResponse(plugins=packages())

    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        """What `pulumi about` shows."""
        del request, context
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        """Run the program in the project's folder; what it raises is shown with its traceback."""
        del context
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
        # Tasks that a failed program leaves unfinished are none of its user's business.
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
        # The engine has been told already: told again by the response, it would show the error twice.
        return language_pb2.RunResponse(bail=True)

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Nothing to undo: the engine ends this process next."""
        del request, context
        return empty_pb2.Empty()


def program_file(folder: Path, entry_point: str) -> Path:
    """The file that a program starts with.

    Args:
        folder: the project's folder.
        entry_point: a file or folder below it, or `.`.
    """
    entry = folder / entry_point if entry_point else folder
    return entry / _ENTRY if entry.is_dir() else entry


def users_part(error: Exception, entry: Path) -> str:
    """An error with its traceback from the first line of the program on; all of it where none of its lines is there.

    Args:
        error: what the program raised.
        entry: the program's file.
    """
    frames = traceback.extract_tb(error.__traceback__)
    users = next((index for index, frame in enumerate(frames) if Path(frame.filename) == entry), 0)
    return "".join(traceback.format_exception(error, limit=users - len(frames))).rstrip()


def run_program(entry: Path) -> None:
    """Run a program as `python <file>` would.

    Args:
        entry: the file.

    Raises:
        RunError: there is no program, or it ends with an exit status.
    """
    if not entry.is_file():
        raise RunError(f"there is no program {entry}")
    sys.path.insert(0, str(entry.parent))
    try:
        runpy.run_path(str(entry), run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise RunError(f"the program ended with exit status {end.code}") from end


def main() -> None:
    """Serve until the CLI ends this process, which it does with SIGINT, or is gone itself."""
    signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(0))
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=8),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(ProgramHost(sys.argv[-1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    end_with_parent()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
