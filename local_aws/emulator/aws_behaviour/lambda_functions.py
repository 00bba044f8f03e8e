"""Lambda functions: their execution environments, their errors, their logs, what their role must allow.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (an environment serves one
invocation at a time and outlives a handler's exception),
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (variables),
https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html (role, logs) and
https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html (network interfaces).
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch_logs, lambda_svc

from local_aws.emulator.aws_behaviour import lambda_bootstrap, permissions
from local_aws.emulator.aws_behaviour.calls import Refused
from local_aws.emulator.aws_behaviour.patching import around, instead
from local_aws.emulator.children import Children, signal_group
from local_aws.emulator.metering import meter

LAMBDA = "lambda.amazonaws.com"
INVALID = "InvalidParameterValueException"
LATEST = "$LATEST"
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""What a Python runtime of AWS Lambda brings: the AWS SDK and what it needs, nothing else."""
_LOG_SECONDS = 1.0
_LOG_QUIET_SECONDS = 0.02


def runtime_packages(folder: Path) -> Path:
    """A folder with exactly the packages of a Python runtime."""
    packages = folder / "lambda-packages"
    packages.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_PACKAGES:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"{name} is not installed, but functions find it on AWS Lambda")
        source = Path(found.origin)
        if source.name == "__init__.py":
            source = source.parent
        link = packages / source.name
        if not link.exists():
            link.symlink_to(source)
    return packages


class Environment(lambda_runtime.Worker):  # type: ignore[misc]
    """An execution environment: one process with credentials of its own, one invocation at a time."""

    def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        super().__init__(func_name, config, code_zip)
        self._session: permissions.RoleSession | None = None
        self._proc: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[Any] = queue.Queue()
        self._log: queue.Queue[Any] = queue.Queue()

    def _spawn(self) -> None:
        self._discard_tmpdir()
        self._tmpdir = tempfile.mkdtemp(prefix=f"{self.func_name}-", dir=functions.folder)
        code = Path(self._tmpdir) / "code"
        with zipfile.ZipFile(io.BytesIO(self.code_zip)) as archive:
            archive.extractall(code)
        (Path(self._tmpdir) / "tmp").mkdir()
        session = self._session = permissions.open_session(self.config["Role"], self.func_name)
        version = self.config.get("Version", LATEST)
        stream = f"{time.strftime('%Y/%m/%d')}/[{version}]{new_uuid().replace('-', '')}"
        process = self._proc = functions.children.start(
            [sys.executable, "-I", "-S", lambda_bootstrap.__file__],
            environment=self._variables(code, version, stream, session),
            folder=code,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._answers, self._log = queue.Queue(), queue.Queue()
        threading.Thread(target=_pump, args=(process.stdout, self._answers), daemon=True).start()
        threading.Thread(target=_pump, args=(process.stderr, self._log), daemon=True).start()
        threading.Thread(target=self._watch, args=(process, session), daemon=True).start()
        self._send(
            {
                "code": str(code),
                "packages": [str(functions.packages)],
                "handler": self.config["Handler"],
                "functionName": self.func_name,
                "version": version,
                "memory": self.config["MemorySize"],
                "logGroup": log_group(self.config),
                "logStream": stream,
            }
        )

    def kill_caller(self, access_key_id: str) -> None:
        """Kill its process if these credentials are its own."""
        session, process = self._session, self._proc
        if session is not None and process is not None and session.access_key_id == access_key_id:
            signal_group(process.pid, signal.SIGKILL)

    def _variables(self, code: Path, version: str, stream: str, session: permissions.RoleSession) -> dict[str, str]:
        own = self.config.get("Environment", {}).get("Variables", {})
        _account, region = lambda_runtime._account_region_from_function_config(self.config)
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
            **own,
            **session.environment,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.config['Runtime']}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.config["MemorySize"]),
            "AWS_LAMBDA_FUNCTION_NAME": self.func_name,
            "AWS_LAMBDA_FUNCTION_VERSION": version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": log_group(self.config),
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "AWS_REGION": region,
            "LAMBDA_TASK_ROOT": str(code),
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TMPDIR": str(code.parent / "tmp"),
            "TZ": ":UTC",
            "_HANDLER": self.config["Handler"],
        }

    def _watch(self, process: subprocess.Popen[bytes], session: permissions.RoleSession) -> None:
        process.wait()
        signal_group(process.pid, signal.SIGKILL)
        permissions.close_session(session)
        functions.children.ended(process.pid)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._proc is not None and self._proc.stdin is not None
        self._proc.stdin.write(json.dumps(message).encode() + b"\n")
        self._proc.stdin.flush()

    def invoke(
        self,
        event: Any,
        request_id: str,
        *,
        trace_id: str | None = None,
        invoked_function_arn: str | None = None,
        **_others: Any,
    ) -> dict[str, Any]:
        """Run one invocation; the answer is MiniStack's shape of a function's result."""
        timeout = float(self.config["Timeout"])
        with self._lock:
            if self._proc is None or self._proc.poll() is not None:
                self._spawn()
            assert self._proc is not None
            invocation = {
                "event": event,
                "requestId": request_id,
                "arn": invoked_function_arn or self.config["FunctionArn"],
                "deadline": time.time() + timeout,
                "traceId": trace_id,
            }
            try:
                self._send(invocation)
                line = self._answers.get(timeout=timeout)
            except queue.Empty:
                return self._end("Sandbox.Timedout", request_id, f"Task timed out after {timeout:.2f} seconds")
            except OSError:
                line = None
            if line is None:
                status = self._proc.wait()
                how = f"exit status {status}" if status >= 0 else f"signal: {(signal.strsignal(-status) or '').lower()}"
                return self._end("Runtime.ExitError", request_id, f"Runtime exited with error: {how}")
            answer = json.loads(line)
            failed = {"error": True} if "error" in answer else {}
            return {"body": answer.get("error") or answer.get("result"), **failed, "log": self._drain()}

    def peak_memory_bytes(self) -> int:
        """The most memory that its process has had resident since it started; 0 where it has ended."""
        process = self._proc
        try:
            status = Path(f"/proc/{process.pid}/status").read_text() if process else ""
        except OSError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)

    def _end(self, kind: str, request_id: str, reason: str) -> dict[str, Any]:
        assert self._proc is not None
        signal_group(self._proc.pid, signal.SIGKILL)
        self._proc.wait()
        self._proc = None
        message = f"RequestId: {request_id} Error: {reason}"
        body = {"errorType": kind, "errorMessage": message}
        return {"body": body, "error": True, "log": f"{self._drain(_LOG_QUIET_SECONDS)}\n{message}"}

    def _drain(self, patience_seconds: float = _LOG_SECONDS) -> str:
        lines: list[str] = []
        with contextlib.suppress(queue.Empty):
            while (line := self._log.get(timeout=patience_seconds)) not in (None, lambda_bootstrap.END_OF_LOG):
                lines.append(line)
        return "\n".join(lines)


def _pump(stream: Any, lines: queue.Queue[Any]) -> None:
    with stream:
        for raw in stream:
            lines.put(raw.decode("utf-8", errors="replace").rstrip("\n"))
    lines.put(None)


class Functions:
    """How functions are run: as processes, with code below `folder` and what the runtime brings in `packages`."""

    children: Children
    folder: Path
    packages: Path

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def use(self, children: Children, folder: Path) -> None:
        """Set what the emulator's process has for functions."""
        folder.mkdir(parents=True, exist_ok=True)
        self.children, self.folder, self.packages = children, folder, runtime_packages(folder)

    def run(self, function: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        """Run a function in a warm environment. Has the signature of MiniStack's own."""
        config = function.get("config") or function
        environment, _how = lambda_runtime.acquire_worker(
            config["FunctionName"], config, function["code_zip"], qualifier=config.get("Version", LATEST)
        )
        try:
            trace_id = lambda_svc._xray_trace_id_for_invocation(config)
            began = time.monotonic()
            answer: dict[str, Any] = environment.invoke(event, request_id, trace_id=trace_id)
            if meter.on:
                seconds, memory = time.monotonic() - began, environment.peak_memory_bytes()
                meter.invocation(config["FunctionName"], seconds, memory, failed="error" in answer)
            return answer
        finally:
            self._release(environment)

    def _release(self, environment: Environment) -> None:
        """Keep an environment for the next invocation, if its function is still what it was made for."""
        with self._turn:
            if is_current(environment.config):
                lambda_runtime.release_worker(environment)
                return
            with lambda_runtime._lock:
                for pool in lambda_runtime._workers.values():
                    if environment in pool:
                        pool.remove(environment)
        lambda_runtime.kill_workers([environment])

    def retire(
        self, name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
    ) -> None:
        """End the environments of a function that changed or is gone; one that serves ends when it has answered.

        Has the signature of MiniStack's `invalidate_worker`.
        """
        wanted = {"account": account, "region": region, "name": name, "qualifier": qualifier}
        doomed = []
        with self._turn, lambda_runtime._lock:
            for key, pool in lambda_runtime._workers.items():
                found = dict(zip(wanted, key.split(":"), strict=True))
                if all(value is None or found[part] == value for part, value in wanted.items()):
                    doomed += [worker for worker in pool if not worker.in_use]
                    pool[:] = [worker for worker in pool if worker.in_use]
        lambda_runtime.kill_workers(doomed)


functions = Functions()
_ENVIRONMENTS = "lambda_functions.environments"
instead(_ENVIRONMENTS, lambda_svc, "_execute_function_warm")(functions.run)
instead(_ENVIRONMENTS, lambda_runtime, "invalidate_worker")(functions.retire)
instead(_ENVIRONMENTS, lambda_svc, "invalidate_worker")(functions.retire)


@instead(_ENVIRONMENTS, lambda_runtime, "_worker_class_for")
def environment_class(_config: dict[str, Any]) -> type[Environment]:
    """Every function runs in an `Environment`."""
    return Environment


def is_current(config: dict[str, Any]) -> bool:
    """Whether a function, or the version of it, still has the configuration that an environment was made with."""
    account, region = lambda_runtime._account_region_from_function_config(config)
    function = lambda_svc._functions.get_scoped(account, region, config["FunctionName"]) or {}
    version = config.get("Version", LATEST)
    record = function if version == LATEST else function.get("versions", {}).get(version, {})
    return bool(record.get("config", {}).get("RevisionId") == config.get("RevisionId"))


def log_group(config: dict[str, Any]) -> str:
    """The log group of a function."""
    return (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName', '')}"


def may_log(config: dict[str, Any]) -> bool:
    """Whether a function's role may write its log; without the group it also has to be allowed to make it."""
    role = config.get("Role", "")
    if permissions.find_role(role) is None:
        return False
    group = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{log_group(config)}"
    needed = [("logs:CreateLogStream", f"{group}:log-stream:*"), ("logs:PutLogEvents", f"{group}:log-stream:*")]
    if log_group(config) not in cloudwatch_logs._log_groups:
        needed.append(("logs:CreateLogGroup", f"{group}:*"))
    session = config.get("FunctionName", "")
    return not any(permissions.role_denial(role, action, arn, session_name=session) for action, arn in needed)


@around("lambda_functions.log", lambda_svc, "_emit_lambda_logs")
def write_log(original: Callable[..., None], function: dict[str, Any], *arguments: Any, **keywords: Any) -> None:
    """Wrap MiniStack's writing of a function's log: nothing is written that the role may not write."""
    if may_log(function.get("config") or function):
        original(function, *arguments, **keywords)


def check_function(request: dict[str, Any]) -> None:
    """Refuse a CreateFunction request whose role cannot be assumed or lacks what a function in a VPC needs.

    Other runtimes than Python are refused, too: the emulator has none.
    """
    role, runtime = request.get("Role", ""), request.get("Runtime", request.get("PackageType"))
    if not str(runtime).startswith("python"):
        raise Refused(INVALID, f"The runtime {runtime} is not supported by this emulator, only Python")
    if not permissions.role_trusts(role, LAMBDA):
        raise Refused(INVALID, "The role defined for the function cannot be assumed by Lambda.")
    for action, resource in network_checks(request.get("VpcConfig", {})):
        if permissions.role_denial(role, action, resource, session_name=request.get("FunctionName", "")):
            what = action.removeprefix("ec2:")
            raise Refused(INVALID, f"The provided execution role does not have permissions to call {what} on EC2")


def network_checks(vpc: dict[str, Any]) -> list[tuple[str, str]]:
    """What the role of a function in a VPC has to be allowed: actions of Amazon EC2 with their resources.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    """
    subnets, groups = vpc.get("SubnetIds", []), vpc.get("SecurityGroupIds", [])
    if not subnets:
        return []
    prefix = f"arn:aws:ec2:{get_region()}:{get_account_id()}"
    resources = [
        f"{prefix}:network-interface/*",
        *(f"{prefix}:subnet/{subnet}" for subnet in subnets),
        *(f"{prefix}:security-group/{group}" for group in groups),
    ]
    return [
        *(("ec2:CreateNetworkInterface", resource) for resource in resources),
        ("ec2:DescribeNetworkInterfaces", "*"),
        ("ec2:DeleteNetworkInterface", resources[0]),
    ]


@around("lambda_functions.roles", lambda_svc, "_create_function")
def create(original: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
    """Wrap MiniStack's CreateFunction."""
    check_function(request)
    return original(request)
