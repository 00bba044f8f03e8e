"""Texts for this machine's browser alone."""

import threading
import urllib.error
import urllib.request

import pytest

from ecs_kit.automation.host.loopback import LoopbackSite


def get(url: str, **headers: str) -> tuple[int, str, str]:
    """Status, type and text of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, str(error.headers["Content-Type"]), error.read().decode()


def test_a_text_is_made_at_each_request_and_served_at_its_secret_address_alone() -> None:
    texts = iter(["one", "two"])
    with LoopbackSite({"run.html": lambda: next(texts), "run.json": lambda: "{}"}).running() as site:
        url = site.url("run.html")
        assert url.startswith("http://127.0.0.1:")
        assert get(url) == (200, "text/html; charset=utf-8", "one")
        assert get(f"{url}?x")[2] == "two"
        assert get(site.url("run.json")) == (200, "application/json", "{}")
        token = url.split("/")[3]
        for wrong in (site.url("other.html"), site.url("../run.json"), url.replace(token, "x"), url.rsplit("/", 2)[0]):
            assert get(wrong)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1:1"])
def test_a_request_that_names_another_host_is_refused(host: str) -> None:
    with LoopbackSite({"run.json": lambda: "secret"}).running() as site:
        assert get(site.url("run.json"), Host=host)[0] == 404


def test_the_end_waits_for_a_page_that_is_open_and_for_no_other() -> None:
    with LoopbackSite({"run.json": lambda: "{}"}).running() as site:
        site.last_request("run.json", 600)
        get(site.url("run.json"))
        waiting = threading.Thread(target=site.last_request, args=("run.json", 600))
        waiting.start()
        while waiting.is_alive():
            get(site.url("run.json"))
            waiting.join(0.05)
