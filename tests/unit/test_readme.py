"""The README's table of configuration keys is the configuration's own, and what documentation points to is there."""

import re
from pathlib import Path

import pytest

from components.config import KeyDeclaration, declarations

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("key", declarations(), ids=lambda key: key.name)
def test_the_readme_lists_every_key_as_it_is_declared(key: KeyDeclaration) -> None:
    assert f"| `{key.name}` | {key.type} |" in README
    assert key.description in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_in_the_repository_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [page.parent / link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    code = [ROOT / path for path in re.findall(r"`((?:automation|components|runtime)/[\w/]+\.py)`", text)]

    assert [str(path) for path in links + code if not path.exists()] == []
