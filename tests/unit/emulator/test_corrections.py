"""What the package of the corrections says about itself, and what is told to users, is what there is."""

from __future__ import annotations

import re
from pathlib import Path

from automation.local.emulator import aws_behaviour

FOLDER = Path(aws_behaviour.__file__).parent
DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "local-aws.md").read_text(encoding="utf-8")
HELPERS = {"__init__", "installation", "lambda_bootstrap", "patching", "permissions", "states_scope"}
"""Modules that correct nothing themselves."""


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def in_the_package() -> list[tuple[str, str, str]]:
    """Module, subject and corrections, as the package's docstring lists them."""
    entries = re.findall(r"^(\w+): (.+)\n((?:    .+\n)+)", aws_behaviour.__doc__ or "", re.MULTILINE)
    return [(module, subject, in_one_line(text)) for module, subject, text in entries]


def test_the_documentation_lists_the_corrections_as_the_package_does() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", DOCUMENT, re.MULTILINE)
    assert rows == in_the_package()


def test_every_module_that_corrects_something_is_listed_once() -> None:
    listed = [module for module, _, _ in in_the_package()]
    assert sorted(listed) == sorted({path.stem for path in FOLDER.glob("*.py")} - HELPERS)


def test_what_is_not_put_right_is_told_in_the_same_words() -> None:
    told = re.search(r"^Not put right.*?\.$", aws_behaviour.__doc__ or "", re.MULTILINE | re.DOTALL)
    assert told is not None
    assert in_one_line(told.group()) in in_one_line(DOCUMENT)
