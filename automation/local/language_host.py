"""`pulumi-language-python` for a CLI that was built from source and so has none.

Enough for `pulumi preview`, `up`, `refresh` and `destroy` of a program like this one: it serves the engine's
`LanguageRuntime` protocol on a loopback port, prints the port, and runs `__main__.py` in this interpreter. It installs
nothing and creates no virtual environment; the project's packages are this interpreter's.
"""

import importlib.metadata
import json
import os
import re
import runpy
import signal
import sys
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi import RunError
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from automation.local.plugins.framework.serve import end_with_parent
from automation.local.pulumi_cli import PULUMI_VERSION

_PLUGIN_FILE: Final = "pulumi-plugin.json"
_MESSAGE_BYTES: Final = 400 * 1024 * 1024
_ENTRY: Final = "__main__.py"


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
    """Runs a project's program."""

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
        folder = Path(request.info.program_directory or request.pwd or ".").resolve()
        host: Any = LanguageServer(lambda: run_program(folder, request.info.entry_point))
        os.chdir(folder)
        response: language_pb2.RunResponse = host.Run(request, context)
        # The SDK's host has sent the error to the engine's log already, which shows it: told again, it is shown twice.
        return language_pb2.RunResponse(bail=True) if response.error else response

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Nothing to undo: the engine ends this process next."""
        del request, context
        return empty_pb2.Empty()


def run_program(folder: Path, entry_point: str) -> None:
    """Run a program as `python <folder>` would.

    Args:
        folder: the project's folder.
        entry_point: a file or folder below it, or `.`.

    Raises:
        RunError: there is no program.
    """
    entry = folder / entry_point if entry_point else folder
    if entry.is_dir():
        entry = entry / _ENTRY
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
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(ProgramHost(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    end_with_parent()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
