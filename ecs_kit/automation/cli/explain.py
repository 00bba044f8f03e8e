"""The command `explain`: the page of a condition, which a message or a row's `error` names, as plain text."""

import argparse
import difflib
import inspect
import re
import textwrap
from importlib import resources
from pathlib import Path
from types import ModuleType

from ecs_kit.automation import errors as driver_errors
from ecs_kit.automation.cli.entry_point import PROGRAM
from ecs_kit.automation.errors import EXIT_PASSED, BadInput
from ecs_kit.components import errors as component_errors
from ecs_kit.runtime.contract import errors as runtime_errors
from ecs_kit.runtime.contract import failures

ANY_ECS_ERROR = "ECS.Error"
"""The page of error names `ECS.…` that have none of their own."""

_NAMED_IN_TEXT = (
    *("UserInitiated", "CapacityUnavailable", "QuotaReached", "Throttling", ANY_ECS_ERROR),  # by ECS
    *("States.Timeout", "TasksFailed"),  # by Step Functions, and by the state machines
    *("PulumiUnavailable", "DockerUnavailable", "PortInUse"),  # by the local AWS
)
_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


def conditions() -> frozenset[str]:
    """The names of all conditions: the kit's own, and those of ECS and Step Functions that it tells apart."""
    modules = (runtime_errors, component_errors, driver_errors)
    raised = {name for module in modules for name in _exceptions(module)} - {"KitError"}
    stop_codes = {*failures.INFRASTRUCTURE_STOP_CODES, failures.EXITED_BY_ITSELF}
    errors = {*failures.NOT_PLACED, *failures.TRANSIENT_ECS_ERRORS}
    return frozenset({*raised, *map(str, failures.Code), *stop_codes, *errors, *_NAMED_IN_TEXT})


def _exceptions(module: ModuleType) -> list[str]:
    found = inspect.getmembers(module, lambda each: inspect.isclass(each) and issubclass(each, Exception))
    return [name for name, each in found if each.__module__ == module.__name__]


def page_of(name: str) -> str:
    """The name of the page that explains an error's name, however it is capitalized; empty where there is none."""
    known = {condition.lower(): condition for condition in conditions()}
    return known.get(name.lower()) or (ANY_ECS_ERROR if name.lower().startswith("ecs.") else "")


def text_of(page: str) -> str:
    """A page in Markdown."""
    return resources.files("ecs_kit").joinpath("conditions", f"{page}.md").read_text(encoding="utf-8")


def plain(markdown: str) -> str:
    """A page for a terminal: links by their names and addresses, long lines wrapped."""
    lines = _LINK.sub(_without_markup, markdown).splitlines()
    return "\n".join(
        textwrap.fill(line, 100, subsequent_indent="  " if line.startswith("- ") else "", break_on_hyphens=False)
        for line in lines
    )


def _without_markup(link: re.Match[str]) -> str:
    text, address = link.groups()
    if address == f"{text}.md":
        return text
    return f"{text} ({address.replace('../', 'docs/')})"


def hint(codes: list[str]) -> list[str]:
    """The line that leads from errors to their pages; none where no error has one."""
    pages = list(dict.fromkeys(page for code in codes if (page := page_of(code))))
    return [f"what it means: `{PROGRAM} explain {page}`" for page in pages[:3]]


def run(options: argparse.Namespace, *, root: Path) -> int:  # noqa: ARG001  as every command
    """Print a condition's page, or all names, and return the exit status.

    Raises:
        BadInput: there is no such condition.
    """
    if options.condition is None:
        print("\n".join(sorted(conditions(), key=str.lower)))
        return EXIT_PASSED
    name = options.condition.partition(":")[0].strip()
    page = page_of(name)
    if not page:
        near = difflib.get_close_matches(name, conditions(), n=1, cutoff=0.5)
        advice = f"Did you mean {near[0]}?" if near else f"`{PROGRAM} explain` lists all names."
        raise BadInput(f"explain {name}: there is no condition of this name. {advice}")
    print(plain(text_of(page)))
    return EXIT_PASSED
