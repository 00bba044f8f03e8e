"""The emulator as its driver sees it: something to start, to talk to and to stop."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from local_aws import limits
from local_aws.emulator import authorizations, metering
from local_aws.emulator.authorizations import Authorization
from local_aws.emulator.errors import EmulatorDied, EmulatorTimeout, PortInUse
from local_aws.emulator.faults import parse_rules
from local_aws.emulator.metering import Reading
from local_aws.emulator.runtimes.selection import Choice, Chosen, Wanted, choose

LEFT_OUT = "LOCAL_AWS_WITHOUT"
"""The environment variable with the names of the corrections that an emulator leaves out, with commas between them."""
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_LAST_LINES = 20
_REPOSITORY = Path(__file__).resolve().parents[2]


class Emulator:
    """A MiniStack in a process of its own, with IAM enforced and its differences from AWS corrected.

    It ends with this process, however this process ends, and stops every container and function it started.
    It is not in this process's group: Ctrl-C in a terminal does not reach it.

    Args:
        work_dir: its state is kept in a folder made below, `folder`, and deleted when it stops.
        port: on 127.0.0.1; any free one where None.
        container_runtime: where ECS tasks run; `auto` takes Docker where it can be used. What was chosen is an
            attribute then, and `container_runtime_reason` says why, in one line.
        region: of calls that name none.
        account: the account of the root credentials.
        log_file: where its log goes; `<name of its folder>.log` in `work_dir` where None.
        detached: it keeps running when this process ends, until `local_aws.session.stop` ends it.
        base_image: what images will be built on, which decides about Docker, too; None where none is built.
    """

    def __init__(
        self,
        work_dir: Path,
        *,
        port: int | None = None,
        container_runtime: Wanted = "process",
        region: str = "us-east-1",
        account: str = "000000000000",
        log_file: Path | None = None,
        detached: bool = False,
        base_image: str | None = None,
    ) -> None:
        self._wanted_runtime = container_runtime
        self._region = region
        self._account = account
        self._detached = detached
        self._base_image = base_image
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or 0
        self.folder = work_dir.resolve() / f"emulator-{secrets.token_hex(4)}"
        self.log_file = log_file or work_dir / f"{self.folder.name}.log"
        self.container_runtime: Chosen = "process"
        self.container_runtime_reason = ""

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def runs(self) -> bool:
        """Whether there is a process that was not stopped."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The id of its process."""
        if self._process is None:
            raise RuntimeError("the emulator was not started")
        return self._process.pid

    @property
    def endpoint_url(self) -> str:
        """Where it answers as every AWS service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What an AWS SDK needs in its environment to speak to it as the account's root."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
        }

    def start(self) -> None:
        """Start it and wait until it answers; raises an `EmulatorError` where it cannot be started or does not."""
        choice = choose(self._wanted_runtime, base_image=self._base_image)
        self.container_runtime, self.container_runtime_reason = choice.runtime, choice.reason
        self.folder.mkdir(mode=0o700, parents=True)
        for name in ("tmp", "s3", "home"):
            (self.folder / name).mkdir()
        with self.log_file.open("wb") as log:
            self._process = self._spawn(choice, log)
        try:
            self.port = self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def inject_faults(self, rules: Sequence[Mapping[str, Any]], name: str = "") -> None:
        """Replace the set of fault rules of that name; no rules end it. `local_aws.emulator.faults` defines a rule.

        `BadFaultRule`: a rule is not understood; nothing changed.
        """
        parse_rules(list(rules))
        self._faults("PUT", name, json.dumps(list(rules)).encode())

    def injected_faults(self, name: str = "") -> list[dict[str, Any]]:
        """For each rule of a set: its `name`, how many calls `matched` and how many it hit (`met`)."""
        answer: list[dict[str, Any]] = json.loads(self._faults("GET", name))
        return answer

    def keep_limits(self) -> None:
        """Keep AWS's documented rate limits (`local_aws.limits`), as the set of fault rules named `aws limits`."""
        self.inject_faults(limits.aws_rules(), "aws limits")

    def start_meter(self) -> None:
        """Set the meter to zero and switch it on: from now on `read_meter` tells what was used."""
        meter_at(self.endpoint_url, "POST")

    def read_meter(self) -> Reading:
        """What was used since `start_meter`; nothing where that was never called."""
        return meter_at(self.endpoint_url, "GET")

    def stop_meter(self) -> None:
        """Switch the meter off."""
        meter_at(self.endpoint_url, "DELETE")

    def start_recording(self) -> None:
        """Empty the record of authorizations and switch it on."""
        authorizations_at(self.endpoint_url, "POST")

    def read_authorizations(self) -> tuple[Authorization, ...]:
        """What roles asked IAM for since `start_recording`; nothing where that was never called."""
        return authorizations_at(self.endpoint_url)

    def stop_recording(self) -> None:
        """Switch the record of authorizations off."""
        authorizations_at(self.endpoint_url, "DELETE")

    def _faults(self, method: str, name: str, body: bytes | None = None) -> bytes:
        url = f"{self.endpoint_url}/_emulator/faults?{urllib.parse.urlencode({'set': name})}"
        request = urllib.request.Request(url, data=body, method=method)
        with urllib.request.urlopen(request, timeout=_STOP_SECONDS) as answer:
            content: bytes = answer.read()
        return content

    def stop(self) -> None:
        """Stop it and delete its state. Stopping what does not run does nothing."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self, choice: Choice, log: IO[bytes]) -> subprocess.Popen[bytes]:
        arguments = [
            sys.executable,
            "-m",
            "local_aws.emulator.server",
            f"--folder={self.folder}",
            f"--port={self.port}",
            f"--container-runtime={choice.runtime}",
            f"--docker-socket={choice.docker_socket}",
        ]
        if self._detached:
            arguments.append("--detached")
        return subprocess.Popen(
            arguments,
            env=self._process_environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL if self._detached else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )

    def _process_environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "LANG", "LC_ALL", LEFT_OUT) or name.startswith("COVERAGE_")
        }
        return {
            **kept,
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "BIND_HOST": "127.0.0.1",
            "DOCKER_HOST": f"unix://{self.folder}/no-docker",
            "HOME": str(self.folder / "home"),
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "INFO",
            "MINISTACK_ACCOUNT_ID": self._account,
            "MINISTACK_REGION": self._region,
            "PYTHONPATH": str(_REPOSITORY),
            "S3_DATA_DIR": str(self.folder / "s3"),
            "SFTP_ENABLED": "0",
            "TMPDIR": str(self.folder / "tmp"),
        }

    def _wait_until_ready(self) -> int:
        assert self._process is not None and self._process.stdout is not None
        with self._process.stdout as output:
            ready, _, _ = select.select([output], [], [], _START_SECONDS)
            if not ready:
                raise EmulatorTimeout(_START_SECONDS, self.log_file, self._last_lines())
            line = output.readline()
        if not line:
            self._process.wait()
            raise EmulatorDied(self._process.returncode, self.log_file, self._last_lines())
        message = json.loads(line)
        if "error" in message:
            raise PortInUse(self.port)
        return int(message["port"])

    def _last_lines(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-_LAST_LINES:])


def meter_at(endpoint_url: str, method: str = "GET") -> Reading:
    """Read, reset (`POST`) or switch off (`DELETE`) the meter of a running emulator, a session's for example."""
    return Reading.parse(_ask(f"{endpoint_url}{metering.PATH}", method))


def authorizations_at(endpoint_url: str, method: str = "GET") -> tuple[Authorization, ...]:
    """Read, empty (`POST`) or switch off (`DELETE`) the record of authorizations of a running emulator."""
    return Authorization.parse(_ask(f"{endpoint_url}{authorizations.PATH}", method))


def _ask(url: str, method: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=_STOP_SECONDS) as answer:
        return json.loads(answer.read())


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
