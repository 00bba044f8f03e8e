"""The life of one Pulumi stack: create or select, preview, deploy, refresh, destroy, remove."""

import json
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation
from pulumi.automation import EngineEvent, OpType
from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

from ecs_kit.automation.errors import BadInput, DriverError, NotYourStack
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.host.processes import RUN_VARIABLE, is_running
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess
from ecs_kit.automation.stacks.target import Say, Target, check_account

_PROJECT_FILE = "Pulumi.yaml"
_LOCK_OWNER = re.compile(r"created by \S+?@(\S+) \(pid (\d+)\)")
_COLOUR_MARK = re.compile(r"<\{%.*?%\}>")

OnResource = Callable[["ResourceStep"], None]


@dataclass(frozen=True)
class ResourceStep:
    """A step of the engine on one resource, which is `started`, `done` or `failed`.

    `operation` is `create`, `update`, `delete`, `same`, `replace`, `create-replacement`, …; `name` is the resource's in
    the program; `inputs` are empty for a deletion.
    """

    operation: str
    type: str
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    state: str = "done"


@dataclass(frozen=True)
class PhysicalResource:
    """A resource in the stack's state; `id` is empty where its creation did not end.

    A destroy forgets one that is `retained`, and leaves it as it is.
    """

    type: str
    urn: str
    id: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    retained: bool = False


@dataclass(frozen=True)
class Changes:
    """What a preview, a refresh or an update found to do: resources by operation, and every step but `same`."""

    counts: Mapping[str, int]
    steps: tuple[ResourceStep, ...]

    @property
    def nothing(self) -> bool:
        """Whether every resource is as the program says."""
        return not any(number for operation, number in self.counts.items() if operation != "same")


@dataclass(frozen=True)
class Deployment:
    """What a deployment changed, and the stack's outputs."""

    changes: Changes
    outputs: Mapping[str, Any]


class _Listener:
    """Collects the engine's events during one operation, and passes its steps on."""

    def __init__(self, on_resource: OnResource | None) -> None:
        self.steps: list[ResourceStep] = []
        self.counts: dict[str, int] = {}
        self.errors: list[str] = []
        self._on_resource = on_resource

    @property
    def changes(self) -> Changes:
        """What the operation has done, once it has ended."""
        return Changes(self.counts, tuple(self.steps))

    def __call__(self, event: EngineEvent) -> None:
        if event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
            text = _COLOUR_MARK.sub("", event.diagnostic_event.message).strip()
            if event.diagnostic_event.urn:
                text = f"{event.diagnostic_event.urn.rsplit('::', 1)[-1]}: {text}"
            if text and text not in self.errors:
                self.errors.append(text)
        if event.summary_event is not None:
            self.counts = {_text(op): number for op, number in event.summary_event.resource_changes.items()}
        for happened, state in (
            (event.resource_pre_event, "started"),
            (event.res_outputs_event, "done"),
            (event.res_op_failed_event, "failed"),
        ):
            if happened is not None and not happened.metadata.type.startswith("pulumi:"):
                self._step(happened.metadata, state)

    def _step(self, metadata: automation.StepEventMetadata, state: str) -> None:
        step = ResourceStep(
            operation=_text(metadata.op),
            type=metadata.type,
            name=metadata.urn.rsplit("::", 1)[-1],
            inputs=(metadata.new.inputs or {}) if metadata.new else {},
            state=state,
        )
        if state == "started" and step.operation != "same":
            self.steps.append(step)
        if self._on_resource is not None:
            self._on_resource(step)


class Stack:
    """One stack of a project, driven through the Automation API.

    Every operation raises `DriverError` where Pulumi fails, and `NotYourStack` where somebody else updates the stack.

    The engine runs the program as `pulumi up` does: in a process of its own, through the language host. The SDK's
    inline programs share one process: when the coroutine of a failed one is garbage-collected, it shuts down the
    callback servers of the one that runs then (`_CallbackServicer.shutdown`), and resource transforms are refused.

    The stack's project file and settings are in `work_dir`, which must exist; nothing is written to the `project`'s
    folder. `config` has full keys, such as `aws:region`. `say` is told when a lock is broken.
    """

    def __init__(
        self,
        *,
        name: str,
        pulumi: PulumiProcess,
        work_dir: Path,
        project: Path,
        config: Mapping[str, str],
        say: Say = lambda _line: None,
    ) -> None:
        self._say = say
        self.name = name
        self.work_dir = work_dir
        self._pulumi = pulumi
        self._config = dict(config)
        self._declared = yaml.safe_load((project / _PROJECT_FILE).read_text(encoding="utf-8"))
        virtualenv = sys.prefix if sys.prefix != sys.base_prefix else None
        settings = project_settings(self._declared, project, virtualenv=virtualenv)
        (work_dir / _PROJECT_FILE).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        self._workspace = automation.LocalWorkspace(work_dir=str(work_dir), pulumi_command=pulumi)
        self._stack: automation.Stack

    @classmethod
    def of_target(
        cls,
        target: Target,
        *,
        name: str,
        project: Path,
        interruption: Interruption,
        log_file: Path,
        say: Say,
        config: Mapping[str, str] | None = None,
    ) -> "Stack":
        """A stack of a started target, in its work folder."""
        pulumi = PulumiProcess(
            target.pulumi.executable,
            version=target.pulumi.version,
            environment={**target.environment, RUN_VARIABLE: str(target.work_dir)},
            interruption=interruption,
            log_file=log_file,
            say=say,
        )
        settings = {**target.config, **(config or {})}
        return cls(name=name, pulumi=pulumi, work_dir=target.work_dir, project=project, config=settings, say=say)

    def create(self) -> None:
        """Create the stack, which does not exist, with its config."""
        self.configure(self._config)
        with _translated("stack init", self.name):
            self._stack = automation.Stack.create(self.name, self._workspace)

    def open(self) -> bool:
        """Select or create the stack, and set its config; other keys keep their values. Returns whether it existed."""
        existed = self.select()
        if existed:
            self.configure(self._config)
        else:
            self.create()
        return existed

    def adopt(self, target: Target, *, create: bool) -> dict[str, Any] | None:
        """Open the stack that an earlier run left, and return its outputs; None where there is, or was, none.

        Raises:
            BadInput: Pulumi's backend cannot be used, or the stack is in another account or region.
        """
        try:
            existed = self.open() if create else self.select()
            outputs = self.outputs() if existed else None
        except DriverError as error:
            raise BadInput(
                f"Pulumi's backend cannot be used: {error}\n"
                "Run `pulumi login`, or set PULUMI_BACKEND_URL (and PULUMI_CONFIG_PASSPHRASE) to another one."
            ) from error
        check_account(self.name, outputs or {}, target.identity)
        return outputs

    def configure(self, values: Mapping[str, str]) -> None:
        """Set config values, full keys, lists and objects as JSON; other keys keep their values."""
        # Neither the SDK's settings nor `pulumi config set-all` write lists and objects as the engine expects them.
        path = self.work_dir / f"Pulumi.{self.name}.yaml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        given = {key: config_value(self._declared, key, text) for key, text in values.items()}
        settings["config"] = {**settings.get("config", {}), **given}
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def select(self) -> bool:
        """Select the stack, if it exists. Returns whether it does."""
        with _translated("stack select", self.name):
            try:
                self._stack = automation.Stack.select(self.name, self._workspace)
            except StackNotFoundError:
                return False
        return True

    def preview(self) -> Changes:
        """What a deployment would do now."""
        result, listener = self._do("preview")
        return Changes({_text(op): number for op, number in result.change_summary.items()}, tuple(listener.steps))

    def deploy(self, *, on_resource: OnResource | None = None) -> Deployment:
        """Create, update and delete resources until the stack is what the program says."""
        result, listener = self._do("up", on_resource)
        return Deployment(listener.changes, {key: output.value for key, output in result.outputs.items()})

    def refresh(self) -> Changes:
        """Read every resource back; the changes are what differed from the state."""
        return self._do("refresh")[1].changes

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, empty before the first deployment."""
        with _translated("stack output", self.name):
            return {key: output.value for key, output in self._stack.outputs().items()}

    def resources(self) -> list[PhysicalResource]:
        """Every resource in the state, also those whose creation did not end."""
        with _translated("stack export", self.name):
            deployment: Mapping[str, Any] = self._stack.export_stack().deployment or {}
        return physical_resources(deployment)

    def use_docker(self, target: Target, resources: Iterable[PhysicalResource]) -> None:
        """Make the plugins use the docker CLI's engine if there is an image; deleting one needs an engine, too.

        Raises:
            BadInput: no engine answers.
        """
        if any(resource.type.startswith("docker:") for resource in resources):
            target.use_docker()
            self._pulumi.environment.update(target.environment)

    def destroy(self, *, on_resource: OnResource | None = None) -> Changes:
        """Delete every resource of the stack. The lock of a killed command of this process is broken first."""
        if self._pulumi.died:
            with _translated("cancel", self.name):
                self._stack.cancel()
            self._pulumi.died = False
        return self._do("destroy", on_resource)[1].changes

    def _do(self, operation: str, on_resource: OnResource | None = None) -> tuple[Any, _Listener]:
        """Call an operation of the SDK's stack; a lock whose owner has ended is broken first."""
        listener = _Listener(on_resource)
        with _translated(operation, self.name, listener.errors):
            call = getattr(self._stack, operation)
            try:
                return call(on_event=listener), listener
            except ConcurrentUpdateError as error:
                owner = dead_owner(str(error), host=socket.gethostname(), is_running=is_running)
                if owner is None:
                    raise
                self._say(f"stack {self.name} is locked by {owner}, which has ended: the lock is broken")
                self._stack.cancel()
                return call(on_event=listener), listener

    def remove(self) -> None:
        """Remove the stack, which must be empty, and its config."""
        with _translated("stack rm", self.name):
            self._workspace.remove_stack(self.name)


def project_settings(declared: Mapping[str, Any], project: Path, *, virtualenv: str | None) -> dict[str, Any]:
    """A project file for another folder: the `project` folder's own, which it names, and a virtual environment."""
    runtime = declared["runtime"]
    name, options = (runtime, {}) if isinstance(runtime, str) else (runtime["name"], runtime.get("options") or {})
    options = {key: value for key, value in options.items() if key != "virtualenv"}
    if virtualenv is not None:
        options["virtualenv"] = virtualenv
    return {**declared, "runtime": {"name": name, "options": options}, "main": str(project)}


def config_value(declared: Mapping[str, Any], key: str, text: str) -> Any:
    """A config value for a stack's settings file: there, lists and objects, by the declared types, are not text."""
    namespace, _, name = key.partition(":")
    kind = (declared.get("config") or {}).get(name, {}).get("type") if namespace == declared["name"] else None
    return json.loads(text) if kind in ("array", "object") else text


def dead_owner(message: str, *, host: str, is_running: Callable[[int], bool]) -> str | None:
    """The owners of a stack's locks, if all are processes of this machine that have ended; None: do not break them.

    In the engine's message, backends in files and object stores name the owner of each lock; others do not.
    """
    owners = _LOCK_OWNER.findall(message)
    if not owners or any(of != host or is_running(int(pid)) for of, pid in owners):
        return None
    return " and ".join(f"process {pid}" for _, pid in owners)


def physical_resources(deployment: Mapping[str, Any]) -> list[PhysicalResource]:
    """The custom resources, without providers, in the `deployment` part of what `pulumi stack export` prints."""
    found = list(deployment.get("resources") or [])
    found += [operation["resource"] for operation in deployment.get("pending_operations") or []]
    return [
        PhysicalResource(
            type=resource["type"],
            urn=resource["urn"],
            id=resource.get("id", ""),
            inputs=resource.get("inputs") or {},
            outputs=resource.get("outputs") or {},
            retained=resource.get("retainOnDelete", False),
        )
        for resource in found
        if resource.get("custom") and not resource["type"].startswith("pulumi:")
    ]


@contextmanager
def _translated(operation: str, stack: str, diagnostics: Sequence[str] = ()) -> Iterator[None]:
    """Raise the SDK's errors as the driver's, with the diagnostics that the engine gave within the block."""
    try:
        yield
    except ConcurrentUpdateError as error:
        raise NotYourStack(
            f"stack {stack} is being updated by somebody else: {_last_lines(str(error))}\n"
            f"Wait for it, or, if that update is dead, run `pulumi cancel --stack {stack}` and try again."
        ) from error
    except CommandError as error:
        causes = _causes(diagnostics) or [_last_lines(str(error))]
        raise DriverError("\n".join([f"pulumi {operation} failed:", *(f"  {cause}" for cause in causes)])) from error


def _causes(diagnostics: Sequence[str]) -> Sequence[str]:
    """Without what only follows from another error: the engine closes its connections, then misses its plugins."""
    closing = [text for text in diagnostics if "grpc: the client connection is closing" in text]
    follows = {*closing, *(text for text in diagnostics if closing and "exited prematurely" in text)}
    return [text for text in diagnostics if text not in follows] or diagnostics


def _last_lines(text: str, number: int = 12) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-number:])


def _text(operation: OpType | str) -> str:
    return operation.value if isinstance(operation, OpType) else str(operation)
