"""The examples of the documentation, as tests run them."""

import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def example(page: str, containing: str) -> str:
    """The fenced block of a page in `docs/` that contains a text; there has to be one alone."""
    parts = (ROOT / "docs" / page).read_text(encoding="utf-8").split("```")[1::2]
    (found,) = [part for part in parts if containing in part]
    return textwrap.dedent(found.split("\n", 1)[1])
