"""A hook of MkDocs that makes a site of the repository's pages: docs/, the README, and what they point to.

Pages outside docs/ become pages of the site, and links to them follow. Links to other files of the repository, such as
a source, become text: the site does not hold them.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "local_aws/README.md": "local-aws.md",
    **{str(page.relative_to(ROOT)): f"examples/{page.parent.name}.md" for page in ROOT.glob("examples/*/README.md")},
}
"""Pages outside docs/, and what they are called in the site."""

NAVIGATION: list[tuple[str, list[str]]] = [
    ("Start", ["index.md", "choose.md", "your-own-job.md", "aws.md", "costs.md", "faq.md"]),
    ("Use", ["commands.md", "report.md", "operations.md", "specs.md", "records.md", "configuration.md"]),
    ("Network", ["existing-network.md"]),
    ("Security", ["security.md", "security-*.md"]),
    ("How it works", ["architecture.md", "faults.md", "limits.md", "scale.md", "checked-on-paper.md", "local-aws.md"]),
    ("Examples", sorted(name for name in OUTSIDE.values() if name.startswith("examples/"))),
    ("Compare", ["comparison.md", "migration.md", "changes.md"]),
    ("Conditions", ["conditions/index.md", "conditions/*"]),
]
"""Sections and their pages; one that is not there is left out, and pages that no section names come last."""

_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are outside docs/, and the navigation over all."""
    from mkdocs.structure.files import File

    for source, name in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    config.nav = navigation([file.src_uri for file in files.documentation_pages()])
    return files


def navigation(pages: list[str]) -> list[dict[str, Any]]:
    """The navigation over the pages that there are."""
    left = sorted(pages, key=str.lower)
    sections: list[dict[str, Any]] = []
    for title, names in [*NAVIGATION, ("More", ["*"])]:
        found: list[str] = []
        for name in names:
            matching = [page for page in left if PurePosixPath(page).match(name)]
            found += matching
            left = [page for page in left if page not in matching]
        sections += [{title: found}] if found else []
    return sections


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  MkDocs' signature
    """Make links follow pages that have moved, and text of links to files that the site does not hold."""
    moved = {name: source for source, name in OUTSIDE.items()}
    return with_links(markdown, moved.get(page.file.src_uri, f"docs/{page.file.src_uri}"), page.file.src_uri)


def with_links(markdown: str, source: str, name: str) -> str:
    """A page's text with links for the site; it is `source` in the repository and `name` in the site."""

    def replaced(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["target"]))
        inside = OUTSIDE.get(path) or OUTSIDE.get(f"{path}/README.md") or path.removeprefix("docs/")
        if inside == path:
            return "](#)"
        return f"]({os.path.relpath(inside, posixpath.dirname(name) or '.')}{link['anchor'] or ''})"

    linked = _LINK.sub(replaced, markdown)
    return re.sub(r"\[([^\]]*)\]\(#\)", r"\1", linked)
