"""The Pulumi CLI as a child process that a Ctrl-C in the terminal does not reach unless the driver passes it on."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pulumi import automation
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from ecs_kit.automation.host.interruption import LOOK_SECONDS, Interruption, wait_for
from ecs_kit.automation.host.log_file import LogFile

_READ_BYTES = 1024 * 1024
FINISHING = "interrupted: Pulumi finishes what it has begun, and what was made is destroyed (once more: stop at once)"
INTERRUPT_GRACE_SECONDS = 20.0
"""How long an engine that was told to stop may take after a second Ctrl-C before it is killed."""


class PulumiProcess(automation.PulumiCommand):
    """Runs Pulumi commands in a session of their own.

    The engine and its plugins would otherwise get the terminal's SIGINT together with the driver: plugins die with
    requests in flight and the engine loses track of what they made. Here only the engine is told, once, and
    finishes what is in flight, as `pulumi up` does on Ctrl-C
    (https://www.pulumi.com/docs/iac/cli/commands/pulumi_cancel/ describes the harder way).

    It writes to files, not to pipes: were the driver killed, a pipe would take the engine along in the middle of its
    work, and what it was just making would be in no state. So it finishes the command, writes down what it made, and
    gives its lock back; `clean` and the next run tell it to stop earlier.

    Args:
        executable: path of the `pulumi` executable.
        version: what `pulumi version` says of it, like `3.259.0`.
        environment: the whole environment of the CLI; what the workspace adds goes on top.
        interruption: what a Ctrl-C means at the moment.
        log_file: receives every command and all that it printed.
        say: told that a command which was told to stop takes its time.

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
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.command = str(executable)
        self.environment = dict(environment)
        self.interruption = interruption
        self.died = False
        self._say = say
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
        child = _Child(self._say)
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

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
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
        with tempfile.TemporaryFile() as out_file, tempfile.TemporaryFile() as err_file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
            )
            self._process = process
            out, err = _Output(out_file, on_output), _Output(err_file, on_error)
            follower = threading.Thread(target=_follow, args=(process, out, err), daemon=True)
            follower.start()
            try:
                if self._told:
                    process.send_signal(signal.SIGINT)
                wait_for(follower, until=lambda: self._told)
                if follower.is_alive():
                    self._say(FINISHING)
                    wait_for(follower)
            except BaseException:
                self._end(process)
                # It reads the files until the process has ended; then they are closed.
                follower.join(INTERRUPT_GRACE_SECONDS)
                raise
        return automation.CommandResult(stdout=out.text, stderr=err.text, code=process.returncode)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=INTERRUPT_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class _Output:
    """What a child has written to a file so far, and who wants to hear of it line by line."""

    def __init__(self, file: IO[bytes], on_line: Callable[[str], Any] | None) -> None:
        self.on_line = on_line
        self._descriptor = file.fileno()
        self._offset = 0
        self._rest = b""
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """All of it, as it was read."""
        return "\n".join(self._lines)

    def read(self, *, ended: bool) -> None:
        """Take in what is new; a line without an end counts only when the child has ended."""
        # The child shares the file's position: reading must not move it.
        while new := os.pread(self._descriptor, _READ_BYTES, self._offset):
            self._offset += len(new)
            *lines, self._rest = (self._rest + new).split(b"\n")
            for line in lines:
                self._take(line)
        if ended and self._rest:
            self._take(self._rest)

    def _take(self, raw: bytes) -> None:
        line = raw.decode("utf-8", errors="replace").rstrip()
        if self.on_line is not None:
            self.on_line(line)
        self._lines.append(line)


def _follow(process: "subprocess.Popen[bytes]", *outputs: _Output) -> None:
    """Read what a child writes until it has ended; at once where nobody wants to hear of it before."""
    heard = any(output.on_line is not None for output in outputs)
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=LOOK_SECONDS if heard else None)
        ended = process.returncode is not None
        for output in outputs:
            output.read(ended=ended)
        if ended:
            return
