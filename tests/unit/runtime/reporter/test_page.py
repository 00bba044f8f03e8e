"""The page itself: self-contained, and safe whatever tasks are called and jobs write."""

import base64
import hashlib
import json
import re

import pytest

from ecs_kit.runtime.reporter.data import document
from ecs_kit.runtime.reporter.page import embedded, page
from tests.browser.samples import attempt, reading, run_of

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "{{script}} \\u003c/script> & &lt; \u2028 \u2029",
    "'\"`${alert(1)}",
)


def data_of(html: str) -> dict[str, object]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    data: dict[str, object] = json.loads(found[1])
    return data


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_data(text: str) -> None:
    rows = [attempt(text, 1, 1, error=f"JobFailed: {text}")]
    of_run = document(reading(rows, [text], failed=1))
    of_run["run"]["workflow"] = text
    html = page(of_run)
    assert html.count("<script") == html.count("</script>") == 2
    assert data_of(html) == json.loads(json.dumps(of_run))
    assert re.search("[<>&\u2028\u2029]", embedded(of_run)) is None
    title = re.search("<title>(.*?)</title>", html, re.DOTALL)
    assert title is not None and "<" not in title[1]


def test_it_refers_to_nothing_outside_and_its_policy_lets_its_own_script_alone_run() -> None:
    html = page(document(run_of(3)))
    code = html.replace(embedded(document(run_of(3))), "")
    assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!#)[^"'\s>]+""", code.partition("<script>")[0]) == []
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(f"<{element}>(.*?)</{element}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1] and "unsafe" not in policy[1]


def test_only_a_served_page_asks_for_newer_data() -> None:
    assert '<meta name="newer-data" content="">' in page(document(run_of(1)))
    assert '<meta name="newer-data" content="run.json">' in page(document(run_of(1)), source="run.json")
