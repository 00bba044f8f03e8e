"""The life of an ECS task, from PROVISIONING to STOPPED.

States, stop codes and reasons follow
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html and
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html: a stopped task keeps its containers' own
exit codes, a container that never ran has none, StopTask sends SIGTERM and after the container definition's
`stopTimeout` SIGKILL, and every change of `lastStatus` or `desiredStatus` is an event.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ministack.core.concurrency import resource_lock
from ministack.core.responses import now_iso, request_scope
from ministack.services import ecs, ecs_metadata

from local_aws.emulator.aws_behaviour import ecs_api, ecs_events, execution_role, permissions
from local_aws.emulator.aws_behaviour.calls import Answer, Refused, Request, succeed
from local_aws.emulator.aws_behaviour.execution_role import ExecutionRole, LogStream, StartFailure
from local_aws.emulator.aws_behaviour.patching import instead
from local_aws.emulator.runtimes import (
    Container,
    ContainerRuntime,
    ContainerSpec,
    ContainerStartError,
    ImageNotFound,
    PulledImage,
)
from local_aws.emulator.runtimes.images import parse_reference

logger = logging.getLogger("emulator.ecs")

DEFAULT_STOP_TIMEOUT_SECONDS = 30.0
"""Between SIGTERM and SIGKILL where a container definition gives no `stopTimeout`
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html)."""
_LOG_DRAIN_SECONDS = 10.0
MIB_OF_TASK = 80
"""Of the machine's memory for each task that runs at once: a Python program with the AWS SDK needs as much."""
FEWEST_AT_ONCE = 16


def why_stopped(container: Mapping[str, Any]) -> tuple[str, str]:
    """The `stoppedReason` and `stopCode` of a task whose essential container ended.

    A container without an exit code is one whose host went away.
    """
    reason = container.get("reason")
    if container.get("exitCode") is None:
        return reason or "Host EC2 terminated.", "TerminationNotice"
    return reason or "Essential container exited", "EssentialContainerExited"


class Stopped(Exception):
    """Someone stopped the task while it was starting."""


class Capacity:
    """Room for so many tasks at once. Further ones wait for it in their order, as `PROVISIONING`."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._free = most
        self._waiting: deque[threading.Event] = deque()

    def take(self, wake: threading.Event, is_wanted: Callable[[], bool]) -> bool:
        """Wait for room, or until `wake` is set where it is no longer wanted; returns whether there is room."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return True
            self._waiting.append(wake)
        while True:
            wake.wait()
            wake.clear()
            with self._lock:
                if wake not in self._waiting:
                    return True
                if not is_wanted():
                    self._waiting.remove(wake)
                    return False

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self._waiting)

    def give_back(self) -> None:
        """Make room for the next task."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Bytes that a container may use, or `max` (https://docs.kernel.org/admin-guide/cgroup-v2.html)."""


def tasks_at_once() -> int:
    """How many tasks the memory of this machine, or of this container, has room for."""
    of_machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.is_file() else "max"
    available = min(of_machine, int(limit)) if limit.isdigit() else of_machine
    return max(FEWEST_AT_ONCE, available // 2**20 // MIB_OF_TASK)


class TaskLives:
    """The tasks that have not stopped, each in a thread of its own; `runtime` is set when the emulator starts."""

    runtime: ContainerRuntime

    def __init__(self) -> None:
        self.capacity = Capacity(tasks_at_once())
        self._lock = threading.Lock()
        self._lives: dict[str, TaskLife] = {}

    def run(
        self,
        task: dict[str, Any],
        definition: dict[str, Any],
        overrides: list[dict[str, Any]],
        _client: object,
        account: str,
        region: str,
    ) -> None:
        """Run a task until it has stopped. Has the signature of MiniStack's own worker."""
        life = TaskLife(task, definition, overrides, self.runtime, self.capacity, region)
        with self._lock:
            self._lives[task["taskArn"]] = life
        try:
            with request_scope(account, region):
                life.run()
        finally:
            with self._lock:
                del self._lives[task["taskArn"]]

    def _find(self, suffix: str) -> list[TaskLife]:
        with self._lock:
            return [life for arn, life in self._lives.items() if arn.endswith(suffix)]

    def stop(self, task: dict[str, Any], reason: str, stop_code: str) -> None:
        """Ask a task to stop. It stays `RUNNING`, with `STOPPED` desired, until its containers ended."""
        for life in self._find(task["taskArn"]):
            life.stop(reason, stop_code)

    def kill(self, task_id: str) -> bool:
        """Kill a task's containers; returns whether there is such a task."""
        found = self._find(f"/{task_id}")
        for life in found:
            life.kill()
        return bool(found)

    def interrupt(self, task_id: str) -> bool:
        """Take a task's Fargate Spot capacity away; returns whether there is such a task that has not stopped.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
        """
        found = self._find(f"/{task_id}")
        for life in found:
            life.stop("Your Spot Task was interrupted.", "SpotInterruption")
        return bool(found)

    def stop_all(self) -> None:
        """Ask every task to stop, because the emulator ends."""
        for life in self._find(""):
            life.stop("The emulator ends", "UserInitiated")


class TaskLife:
    """One task: MiniStack's record (what DescribeTasks returns), its definition, RunTask's `containerOverrides`."""

    def __init__(
        self,
        task: dict[str, Any],
        definition: dict[str, Any],
        overrides: list[dict[str, Any]],
        runtime: ContainerRuntime,
        capacity: Capacity,
        region: str,
    ) -> None:
        self._task = task
        self._capacity = capacity
        # RunTask's overrides of size and roles replace the definition's.
        self._definition = {**definition, **task.get("overrides", {})}
        self._overrides = {override["name"]: override for override in overrides}
        self._runtime = runtime
        self._region = region
        self._arn: str = task["taskArn"]
        self._id = self._arn.rsplit("/", 1)[-1]
        self._execution_role = ExecutionRole(self._definition.get("executionRoleArn", ""), self._id)
        self._task_role: str = self._definition.get("taskRoleArn", "")
        self._containers: list[tuple[dict[str, Any], dict[str, Any], Container]] = []
        self._stop_wanted = threading.Event()
        self._wake = threading.Event()
        self._session: permissions.RoleSession | None = None
        self._tokens: list[str] = []
        self._helpers: list[threading.Thread] = []
        self._ended_at = ""

    def stop(self, reason: str, stop_code: str) -> None:
        """Want the task stopped; the first reason counts."""
        with resource_lock("ecs-task", self._arn):
            if self._stop_wanted.is_set() or self._task["lastStatus"] == "STOPPED":
                return
            self._set(desiredStatus="STOPPED", stoppingAt=now_iso(), stoppedReason=reason, stopCode=stop_code)
            self._stop_wanted.set()
        ecs_metadata.set_task_status(self._arn, desired_status="STOPPED")
        ecs_events.task_changed(self._task)
        self._wake.set()

    def kill(self) -> None:
        """Kill its containers."""
        for _record, _definition, container in self._containers:
            container.kill()

    def run(self) -> None:
        """Start, watch, stop."""
        ecs_events.task_changed(self._task)
        has_room = self._capacity.take(self._wake, lambda: not self._stop_wanted.is_set())
        try:
            self._live()
        finally:
            if has_room:
                self._capacity.give_back()

    def _live(self) -> None:
        try:
            self._start()
            self._watch()
        except Stopped:
            pass
        except StartFailure as failure:
            self.stop(str(failure), "TaskFailedToStart")
        except Exception as error:  # the edge of its thread: a task without a thread never stops
            logger.exception("%s cannot run", self._arn)
            self.stop(f"InternalError: {type(error).__name__}: {error}", "TaskFailedToStart")
        self._finish()

    def _start(self) -> None:
        self._enter("PENDING")
        self._enter("ACTIVATING", pullStartedAt=now_iso())
        definitions = self._definition.get("containerDefinitions", [])
        images = [self._pull(record, each) for record, each in zip(self._task["containers"], definitions, strict=True)]
        self._change(pullStoppedAt=now_iso())
        if self._task_role:
            self._session = permissions.open_session(self._task_role, self._id)
        for record, each, image in zip(self._task["containers"], definitions, images, strict=True):
            self._require_not_stopped()
            self._start_container(record, each, image)
        now = now_iso()
        # A container may have ended already.
        self._enter("RUNNING", startedAt=min(now, self._ended_at or now))

    def _pull(self, record: dict[str, Any], container: dict[str, Any]) -> PulledImage:
        reference = parse_reference(container["image"])
        try:
            if reference is None:
                raise StartFailure(
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
                    f"{container['image']}: only images in Amazon ECR are reachable"
                )
            self._execution_role.require_pull(reference)
            try:
                image = self._runtime.pull(reference)
            except ImageNotFound as missing:
                raise StartFailure(execution_role.image_not_found(reference, str(missing))) from missing
        except StartFailure as failure:
            if str(failure).startswith("CannotPullContainerError"):
                record["reason"] = str(failure)
            raise
        record["imageDigest"] = image.digest
        return image

    def _start_container(self, record: dict[str, Any], definition: dict[str, Any], image: PulledImage) -> None:
        name = definition["name"]
        override = self._overrides.get(name, {})
        secrets = self._execution_role.read_secrets(definition)
        stream = self._execution_role.open_log_stream(definition, self._region)
        environment = {
            **{entry["name"]: entry["value"] for entry in definition.get("environment", [])},
            **secrets,
            **{entry["name"]: entry["value"] for entry in override.get("environment", [])},
        }
        token = self._inject(environment, definition)
        memory = override.get("memory") or definition.get("memory") or self._definition.get("memory")
        cpu = override.get("cpu") or definition.get("cpu") or self._definition.get("cpu")
        linux = definition.get("linuxParameters", {})
        spec = ContainerSpec(
            name=name,
            task_id=self._id,
            image=image,
            environment=environment,
            entry_point=definition.get("entryPoint"),
            command=override.get("command") or definition.get("command"),
            working_directory=definition.get("workingDirectory"),
            user=definition.get("user"),
            read_only=bool(definition.get("readonlyRootFilesystem")),
            memory_mib=int(memory) if memory else None,
            cpu_units=int(cpu) if cpu else None,
            init=bool(linux.get("initProcessEnabled")),
            dropped_capabilities=tuple(linux.get("capabilities", {}).get("drop", ())),
            labels={"com.amazonaws.ecs.task-arn": self._arn, "com.amazonaws.ecs.container-name": name},
        )
        try:
            container = self._runtime.start(spec)
        except ContainerStartError as error:
            record["reason"] = f"CannotStartContainerError: {error}"
            raise StartFailure(record["reason"]) from error
        self._say(StartedAt=now_iso(), of_container=token)
        with resource_lock("ecs-task", self._arn):
            record.update(runtimeId=f"{self._id.replace('-', '')}-{container.id[:10]}", lastStatus="RUNNING")
        ecs_metadata.set_docker_id(token, container.id)
        ecs_metadata.set_container_status(token, "RUNNING")
        self._containers.append((record, definition, container))
        self._help(self._wait_for, record, container)
        self._help(self._forward, container, stream)

    def _inject(self, environment: dict[str, str], definition: dict[str, Any]) -> str:
        """Add what ECS and the emulator put into a container's environment; returns the token of its metadata."""
        token: str = ecs._register_metadata(
            self._arn,
            self._task["clusterArn"],
            self._definition,
            definition,
            self._task.get("launchType", "FARGATE"),
            environment,
            False,
            "127.0.0.1",
        )
        self._tokens.append(token)
        self._say(PullStartedAt=self._task["pullStartedAt"], PullStoppedAt=self._task["pullStoppedAt"])
        self._say(CreatedAt=now_iso(), of_container=token)
        for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"):
            environment.pop(name, None)
        environment.update(
            AWS_REGION=self._region, AWS_DEFAULT_REGION=self._region, AWS_EXECUTION_ENV="AWS_ECS_FARGATE"
        )
        if self._session is not None:
            environment.update(self._session.environment)
        return token

    def _say(self, *, of_container: str = "", **times: str) -> None:
        """Add times to the metadata of the task, or of the container with this token.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate-response.html
        """
        with ecs_metadata._LOCK:
            known = ecs_metadata._TOKEN_TO_CONTAINER if of_container else ecs_metadata._TASKS
            known[of_container or self._arn].update(times)

    def _watch(self) -> None:
        while not self._stop_wanted.is_set():
            self._wake.wait()
            self._wake.clear()
            for record, definition, _container in self._containers:
                if definition.get("essential", True) and record["lastStatus"] == "STOPPED":
                    self.stop(*why_stopped(record))

    def _wait_for(self, record: dict[str, Any], container: Container) -> None:
        end = container.wait()
        with resource_lock("ecs-task", self._arn):
            record["lastStatus"] = "STOPPED"
            if end.code is not None:
                record["exitCode"] = end.code
            if end.reason is not None:
                record["reason"] = end.reason
            # That of the last container stays.
            self._ended_at = now_iso()
        self._wake.set()

    def _forward(self, container: Container, stream: LogStream | None) -> None:
        if stream is None:
            for _line in container.output():
                pass
        else:
            self._execution_role.deliver(stream, container.output())

    def _finish(self) -> None:
        self._enter("DEACTIVATING", always=True)
        self._enter("STOPPING", always=True)
        stops = [
            self._help(container.stop, float(definition.get("stopTimeout", DEFAULT_STOP_TIMEOUT_SECONDS)))
            for record, definition, container in self._containers
            if record["lastStatus"] != "STOPPED"
        ]
        for stop in stops:
            stop.join()
        for helper in self._helpers:
            helper.join(timeout=_LOG_DRAIN_SECONDS)
        self._change(executionStoppedAt=self._ended_at or now_iso())
        self._enter("DEPROVISIONING", always=True)
        for token in self._tokens:
            ecs_metadata.unregister_token(token)
        for _record, _definition, container in self._containers:
            container.remove()
        if self._session is not None:
            permissions.close_session(self._session)
        with resource_lock("ecs-task", self._arn):
            for record in self._task["containers"]:
                record["lastStatus"] = "STOPPED"
            self._set(lastStatus="STOPPED", stoppedAt=now_iso())
        ecs_events.task_changed(self._task)
        ecs_events.stopped(self._arn)

    def _enter(self, status: str, *, always: bool = False, **fields: str) -> None:
        """Enter a status; unless `always`, only where the task is not to be stopped."""
        if not always:
            self._require_not_stopped()
        self._change(lastStatus=status, **fields)
        ecs_metadata.set_task_status(self._arn, known_status=status)
        ecs_events.task_changed(self._task)

    def _change(self, **fields: Any) -> None:
        with resource_lock("ecs-task", self._arn):
            self._set(**fields)

    def _set(self, **fields: Any) -> None:
        """Change the record under its lock."""
        self._task.update(fields)
        if fields.keys() & {"lastStatus", "desiredStatus"}:
            self._task["version"] = self._task.get("version", 1) + 1

    def _require_not_stopped(self) -> None:
        if self._stop_wanted.is_set():
            raise Stopped

    def _help(self, target: Callable[..., object], *arguments: Any) -> threading.Thread:
        helper = threading.Thread(target=contextvars.copy_context().run, args=(target, *arguments), daemon=True)
        self._helpers.append(helper)
        helper.start()
        return helper


lives = TaskLives()
instead("ecs_tasks", ecs, "_run_task_worker")(lives.run)


@instead("ecs_tasks", ecs, "_get_docker")
def engine() -> TaskLives:
    """What MiniStack takes for a Docker engine: without one it would not start tasks."""
    return lives


@instead("ecs_tasks", ecs, "_maybe_mark_stopped")
def leave_running(_task: dict[str, Any], _client: object = None) -> None:
    """A task stops when its containers have ended, and not when MiniStack finds no engine's container."""


@instead("ecs_tasks", ecs, "_ACTION_MAP", "StopTask")
def stop_task(request: Request) -> Answer:
    """The StopTask call: it returns the task, still `RUNNING`, with `STOPPED` desired."""
    task = ecs_api.find_task(request.get("task", ""), ecs_api.require_cluster(request))
    if task is None:
        raise Refused("InvalidParameterException", "The referenced task was not found.")
    lives.stop(task, request.get("reason") or "Task stopped by user", "UserInitiated")
    return succeed({"task": ecs_api.described(task)})
