"""The conditions that a message or a row's `error` can name. Each has a page, `docs/conditions/NAME.md`."""

import inspect
from types import ModuleType

from ecs_kit.automation import errors as driver_errors
from ecs_kit.components import errors as component_errors
from ecs_kit.runtime.contract import errors as runtime_errors
from ecs_kit.runtime.contract import failures
from ecs_kit.runtime.reporter.meanings import ANY_ECS_ERROR

_NAMED_IN_TEXT = (
    *("UserInitiated", "CapacityUnavailable", "QuotaReached", "Throttling", ANY_ECS_ERROR),  # by ECS
    *("States.DataLimitExceeded", "States.ItemReaderFailed", "States.Permissions", "States.Runtime"),
    *("States.Timeout", "TasksFailed"),  # these two lines: by Step Functions, and by the state machines
    *("PulumiUnavailable", "DockerUnavailable", "PortInUse"),  # by the local AWS
)


def conditions() -> frozenset[str]:
    """The names of all conditions: the kit's own, and those of ECS and Step Functions that it tells apart."""
    modules = (runtime_errors, component_errors, driver_errors)
    raised = {name for module in modules for name in _exceptions(module)} - {"KitError"}
    stop_codes = {*failures.INFRASTRUCTURE_STOP_CODES, failures.EXITED_BY_ITSELF}
    errors = {*failures.NOT_PLACED, *failures.TRANSIENT_ECS_ERRORS}
    own = map(str, (*failures.Code, *driver_errors.StoppedBy))
    return frozenset({*raised, *own, *stop_codes, *errors, *_NAMED_IN_TEXT})


def _exceptions(module: ModuleType) -> list[str]:
    found = inspect.getmembers(module, lambda each: inspect.isclass(each) and issubclass(each, Exception))
    return [name for name, each in found if each.__module__ == module.__name__]
