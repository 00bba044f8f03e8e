"""A run's page: its data in a template, without a reference to anything outside. A pure function of both."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


def embedded(document: Mapping[str, Any]) -> str:
    """The data as JSON that may stand in a `script` element: nothing in it can end the element or begin a comment."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def page(document: Mapping[str, Any], *, source: str = "") -> str:
    """The HTML page of a run's data.

    `source` is the address, relative to the page's own, of newer data while the run is active; without it the page
    stays as it is. The page's policy lets its own script and style run and nothing else
    (https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CSP).
    """
    run = document["run"]
    style, script = _part("page.css"), _part("page.js")
    parts = {
        "title": html.escape(f"{run['status']}: run {run['id']} of {run['workflow']}"),
        "policy": f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'",
        "style": style,
        "script": script,
        "source": html.escape(source),
        "data": embedded(document),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _part("page.html"))


@cache
def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
