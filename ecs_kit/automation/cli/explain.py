"""The command `explain`: the page of a condition, which a message or a row's `error` names, as plain text."""

import argparse
import difflib
import re
import textwrap
from pathlib import Path

from ecs_kit.automation.cli.entry_point import PROGRAM
from ecs_kit.automation.errors import EXIT_PASSED, BadInput
from ecs_kit.automation.journeys.conditions import conditions
from ecs_kit.runtime.reporter.meanings import LINK, page_of, text_of


def plain(markdown: str) -> str:
    """A page for a terminal: links by their names and addresses, long lines wrapped."""
    lines = LINK.sub(_without_markup, markdown).splitlines()
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
