"""What errors mean: the pages of the conditions that a message or a row's `error` can name."""

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

ANY_ECS_ERROR = "ECS.Error"
"""The page of error names `ECS.…` that have none of their own."""

LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
"""A link in Markdown: its text and its address."""

_FOLDER = resources.files("ecs_kit").joinpath("conditions")
"""Has a page for each condition, named for it: in a checkout, an installed kit and the function's package."""


@cache
def _pages() -> dict[str, str]:
    names = (entry.name.removesuffix(".md") for entry in _FOLDER.iterdir() if entry.name.endswith(".md"))
    return {name.lower(): name for name in names if name != "index"}


def page_of(name: str) -> str:
    """The name of the page that explains an error's name, however it is capitalized; empty where there is none."""
    return _pages().get(name.lower()) or (ANY_ECS_ERROR if name.lower().startswith("ecs.") else "")


def text_of(page: str) -> str:
    """A page in Markdown."""
    return _FOLDER.joinpath(f"{page}.md").read_text(encoding="utf-8")


MEANING = ("", "Cause", "What to do")
"""The parts of a page that a report shows; the first one is the text above all headings."""


def meanings(codes: Iterable[str]) -> dict[str, list[list[str]]]:
    """What errors mean: by code the heading and the plain text of each part, of those codes that have a page."""
    return {code: _meaning(text_of(page)) for code in codes if (page := page_of(code))}


def _without_markup(link: re.Match[str]) -> str:
    text, address = link.groups()
    return f"{text} ({address})" if address.startswith("https:") else text


def _meaning(markdown: str) -> list[list[str]]:
    _title, _, body = LINK.sub(_without_markup, markdown).replace("`", "").partition("\n")
    parts = [part.partition("\n") for part in f"\n{body}".split("\n## ")]
    return [
        [heading, re.sub("^- ", "• ", text.strip(), flags=re.MULTILINE)]
        for heading, _, text in parts
        if heading in MEANING
    ]
