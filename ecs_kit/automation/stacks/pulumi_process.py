"""The Pulumi CLI as a child process that a Ctrl-C in the terminal does not reach unless the driver passes it on."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from ecs_kit.automation.host.interruption import LOOK_SECONDS, Interruption
from ecs_kit.automation.host.log_file import LogFile

FINISHING = "interrupted: Pulumi finishes what it has begun, and what was made is destroyed (once more: stop at once)"
INTERRUPT_GRACE_SECONDS = 20.0
"""How long an interrupted engine may take after a second Ctrl-C before it is killed."""


class PulumiProcess(automation.PulumiCommand):
    """Runs Pulumi commands, each in a session of its own.

    In the driver's session, the terminal's SIGINT would reach the engine's plugins, too: they would end with requests
    in flight, and the engine would not know what they created. Here the engine alone gets it, once, and finishes what
    is in flight, as `pulumi up` does on Ctrl-C
    (https://www.pulumi.com/docs/iac/cli/commands/pulumi_cancel/ describes the harder way).

    Output goes to files: if the driver is killed, a pipe would end the engine in the middle of its work, and what it
    was creating would be in no state. With files it finishes the command, writes the state and releases its lock.
    `clean` and the next run interrupt it earlier.

    The workspace adds to `environment`, which is the whole one of the CLI. `log_file` receives every command and all
    its output; `say` is told that an interrupted command takes its time. `died` is whether a signal ended a command,
    which may have left its lock behind.
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
        self._log_file = LogFile(log_file or Path(os.devnull))
        self.version = VersionInfo.parse(version.removeprefix("v"))

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,  # noqa: ARG002  the driver reads events instead
        on_error: Callable[[str], Any] | None = None,  # noqa: ARG002
    ) -> automation.CommandResult:
        """Run one command to its end and return its output.

        Raises:
            CommandError: it failed; the subclass tells how, as with the SDK's own class.
            Interrupted: the first signal interrupted it, and it has ended.
            InterruptedAgain: a second signal came; the command was ended within `INTERRUPT_GRACE_SECONDS`.
        """
        command = [self.command, "--non-interactive", *(arg for arg in args if arg != "--non-interactive")]
        environment = {**self.environment, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            code = self._run(command, stdout=out, stderr=err, cwd=cwd, env=environment)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode("utf-8", errors="replace").rstrip())
        result = automation.CommandResult(stdout=texts[0], stderr=texts[1], code=code)
        self.died = self.died or code < 0
        self._log_file.write(f"$ {' '.join(command)}\n{result.stdout}\n{result.stderr}\n[exit {code}]\n\n")
        self.interruption.check()
        if code != 0:
            raise create_command_error(result)
        return result

    def _run(self, command: list[str], **more: Any) -> int:
        """Run a command to its end, interrupted where a signal says so; its exit status."""
        told = threading.Event()
        interrupted = False
        with self.interruption.passing_on(told.set):
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **more)
            try:
                while process.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(LOOK_SECONDS)
                    if told.is_set() and not interrupted and process.returncode is None:
                        interrupted = True
                        process.send_signal(signal.SIGINT)
                        self._say(FINISHING)
            except BaseException:
                _end(process)
                raise
        return process.returncode


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=INTERRUPT_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
