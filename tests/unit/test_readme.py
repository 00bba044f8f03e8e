"""What documentation points to is there, and the commands that it shows exist."""

import re
import shlex
from pathlib import Path

import pytest

from ecs_kit.automation.cli import options
from tools import docs_site

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    {ROOT / name for name in docs_site.OUTSIDE} | set((ROOT / "docs").rglob("*.md")), key=lambda page: str(page)
)
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
PROGRAMS = ("python automation/e2e.py", ".venv/bin/python automation/e2e.py", "ecs-kit", "-m automation")


def links(page: Path) -> list[tuple[str, str]]:
    """Path and anchor of each link of a page that leads into the repository."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text)
    return [(path, anchor) for path, anchor in found if not re.match(r"\w+:", path)]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line) for line in re.findall(r"^#+ +(.+)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def of_page(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_what_a_page_points_to_in_the_repository_is_there(page: Path) -> None:
    code = re.findall(r"`((?:automation|components|runtime)/[\w/]+\.(?:py|toml))`", page.read_text(encoding="utf-8"))
    targets = [page.parent / path for path, _ in links(page) if path] + [ROOT / path for path in code]

    assert [str(path) for path in targets if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_the_headings_that_a_page_points_to_are_there(page: Path) -> None:
    wanted = [(page.parent / path if path else page, anchor) for path, anchor in links(page) if anchor]
    missing = [
        f"{target.name}#{anchor}"
        for target, anchor in wanted
        if target.suffix == ".md" and anchor not in anchors(target)
    ]
    assert missing == []


def commands(page: Path) -> list[str]:
    """The command lines of the driver that a page shows in its blocks."""
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8")).replace("$ACCOUNT", "123456789012")
    lines = [line for block in FENCE.finditer(text) for line in block[0].splitlines()]
    shown = [line.strip().removeprefix("$ ") for line in lines]
    return [
        line.partition(program)[2].partition("  #")[0].partition(" > ")[0].strip()
        for line in shown
        for program in PROGRAMS
        if re.match(rf"(?:\S*python )?{re.escape(program)} ", line)
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=of_page)
def test_the_driver_s_commands_that_a_page_shows_can_be_parsed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for command in commands(page):
        words = [word for word in shlex.split(command) if word not in ("…", "...")]
        if words[:1] == ["deploy"]:
            assert options.parse_deploy(words)
        elif words[:1] and not words[0].startswith("-"):
            assert options.parse_command(words).command == words[0]
        else:
            assert options.parse(words)


def test_every_page_is_in_the_site_s_navigation_once() -> None:
    pages = [of_page(page).removeprefix("docs/") for page in PAGES if of_page(page).startswith("docs/")]
    sections = docs_site.navigation([*pages, *docs_site.OUTSIDE.values(), "brand-new.md"])

    listed = [page for section in sections for found in section.values() for page in found]
    assert sorted(listed) == sorted({*pages, *docs_site.OUTSIDE.values(), "brand-new.md"})
    assert sections[-1] == {"More": ["brand-new.md"]}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("[a](docs/specs.md#x)", "[a](specs.md#x)"),
        ("[a](examples/word-count)", "[a](examples/word-count.md)"),
        ("[changes](CHANGELOG.md)", "[changes](changes.md)"),
        ("[`code`](ecs_kit/components/config.py)", "`code`"),
        ("[aws](https://aws.amazon.com)", "[aws](https://aws.amazon.com)"),
    ],
)
def test_links_of_the_readme_lead_to_pages_of_the_site_or_become_text(given: str, shown: str) -> None:
    assert docs_site.with_links(given, "README.md", "index.md") == shown


def test_links_between_pages_of_the_site_stay_as_they_are() -> None:
    for text in ("[a](../specs.md)", "[a](NoRecord.md)", "[a](#here)"):
        assert docs_site.with_links(text, "docs/conditions/index.md", "conditions/index.md") == text
