"""The Pulumi CLI as a child process that a Ctrl-C in the terminal does not reach unless the driver passes it on."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pulumi import automation
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from automation.interruption import LOOK_SECONDS, Interruption, wait_for
from automation.log_file import LogFile

INTERRUPT_GRACE_SECONDS = 20.0
"""How long an engine that was told to stop may take after a second Ctrl-C before it is killed."""


class PulumiProcess(automation.PulumiCommand):
    """Runs Pulumi commands in a session of their own.

    The engine and its plugins would otherwise get the terminal's SIGINT together with the driver: plugins die with
    requests in flight and the engine loses track of what they made. Here only the engine is told, once, and
    finishes what is in flight, as `pulumi up` does on Ctrl-C
    (https://www.pulumi.com/docs/iac/cli/commands/pulumi_cancel/ describes the harder way).

    Args:
        executable: path of the `pulumi` executable.
        version: what `pulumi version` says of it, like `3.259.0`.
        environment: the whole environment of the CLI; what the workspace adds goes on top.
        interruption: what a Ctrl-C means at the moment.
        log_file: receives every command and all that it printed.

    Attributes:
        died: whether a command was ended by a signal, so that it may have left its lock behind.
    """

    def __init__(
        self,
        executable: Path,
        *,
        version: str,
        environment: Mapping[str, str],
        interruption: Interruption,
        log_file: Path | None = None,
    ) -> None:
        self.command = str(executable)
        self.environment = dict(environment)
        self.interruption = interruption
        self.died = False
        self._log_file = None if log_file is None else LogFile(log_file)
        self.version = VersionInfo.parse(version.removeprefix("v"))

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> automation.CommandResult:
        """Run one command to its end and return what it printed.

        Raises:
            CommandError: it failed; the subclass tells how, as with the SDK's own class.
            Interrupted: it was told to stop by the first signal, and has stopped.
            InterruptedAgain: a second signal came; the command was ended within `INTERRUPT_GRACE_SECONDS`.
        """
        command = [self.command, "--non-interactive", *(arg for arg in args if arg != "--non-interactive")]
        environment = {**self.environment, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        child = _Child()
        with self.interruption.passing_on(child.tell):
            result = child.run(command, cwd, environment, on_output, on_error)
        self.died = self.died or result.code < 0
        self._log(command, result)
        self.interruption.check()
        if result.code != 0:
            raise create_command_error(result)
        return result

    def _log(self, command: list[str], result: automation.CommandResult) -> None:
        if self._log_file is not None:
            shown = f"$ {' '.join(command)}\n{result.stdout}\n{result.stderr}\n[exit {result.code}]\n\n"
            self._log_file.write(shown)


class _Child:
    """One child process and the signals that reach it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._told = False

    def tell(self) -> None:
        """Ask the engine to finish what is in flight and stop."""
        self._told = True
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def run(
        self,
        command: list[str],
        cwd: str,
        environment: Mapping[str, str],
        on_output: Callable[[str], Any] | None,
        on_error: Callable[[str], Any] | None,
    ) -> automation.CommandResult:
        out: list[str] = []
        err: list[str] = []
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=dict(environment),
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._process = process
        try:
            if self._told:
                process.send_signal(signal.SIGINT)
            assert process.stdout is not None and process.stderr is not None
            readers = [
                threading.Thread(target=_read, args=(process.stdout, on_output, out), daemon=True),
                threading.Thread(target=_read, args=(process.stderr, on_error, err), daemon=True),
            ]
            for reader in readers:
                reader.start()
            for reader in readers:
                wait_for(reader)
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=LOOK_SECONDS)
        except BaseException:
            self._end(process)
            raise
        return automation.CommandResult(stdout="\n".join(out), stderr="\n".join(err), code=process.returncode)

    def _end(self, process: "subprocess.Popen[str]") -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=INTERRUPT_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _read(stream: IO[str], callback: Callable[[str], Any] | None, lines: list[str]) -> None:
    for line in stream:
        stripped = line.rstrip()
        if callback is not None:
            callback(stripped)
        lines.append(stripped)
    stream.close()
