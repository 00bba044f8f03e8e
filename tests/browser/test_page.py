"""A run's page in Chromium: what it shows, how it is used, and that it is accessible."""

import json
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import Select

from ecs_kit.automation.host.loopback import LoopbackSite
from ecs_kit.runtime.reporter.data import document
from ecs_kit.runtime.reporter.page import embedded, page
from tests.browser.conftest import Browser
from tests.browser.samples import attempt, reading, run_of

pytestmark = pytest.mark.browser

NUMBERS = """return Object.fromEntries(
  [...document.querySelectorAll("#numbers div")].map((pair) => [...pair.children].map((part) => part.innerText)))"""
MOST_ELEMENTS = 1500
"""In the document, however many tasks there are."""


def fits(browser: Browser) -> bool:
    """Whether nothing is wider than the window."""
    return bool(browser.run("return document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize(
    ("name", "tasks", "failing", "look"),
    [
        ("10-tasks", 10, 2, {}),
        ("10-tasks-dark", 10, 2, {"dark": True}),
        ("10-tasks-phone", 10, 2, {"width": 390, "height": 844}),
        ("1000-tasks", 1000, 100, {}),
        ("1000-tasks-phone-dark", 1000, 100, {"width": 390, "height": 844, "dark": True}),
        ("10000-tasks", 10_000, 800, {}),
    ],
)
def test_it_shows_the_run_and_is_accessible(
    browser: Browser, name: str, tasks: int, failing: int, look: dict[str, Any]
) -> None:
    of_run = run_of(tasks, failing=failing)
    browser.look(**look)
    browser.open(of_run, name)

    numbers = browser.run(NUMBERS)
    counted = document(of_run)["counts"]
    assert {label: numbers[label].replace(",", "") for label in ("tasks", "completed", "failed")} == {
        "tasks": str(counted["total"]),
        "completed": str(counted["completed"]),
        "failed": str(counted["failed"]),
    }
    assert len(browser.texts("#rows a")) > 5 and browser.texts("#failed a")[0].startswith("task_")
    codes = [code for code, _ in document(of_run)["failures"]]
    assert browser.texts("#meanings summary") == [f"What {code} means, and what to do" for code in codes]
    assert browser.find("#shown").text == f"{tasks} of {tasks} tasks"
    assert browser.run("return document.querySelectorAll('*').length") < MOST_ELEMENTS
    assert fits(browser)
    assert browser.violations() == []
    browser.picture()
    assert browser.errors == []


def test_every_task_is_reached_by_scrolling_and_only_rows_in_sight_are_there(browser: Browser) -> None:
    browser.open(run_of(10_000), "10000-tasks-scrolled")
    browser.run("scrollTo(0, document.documentElement.scrollHeight)")
    browser.until(lambda: "task_10000" in browser.texts("#rows a"))
    assert browser.run("return document.querySelectorAll('*').length") < MOST_ELEMENTS
    browser.run("scrollTo(0, document.documentElement.scrollHeight / 2)")
    browser.until(lambda: "task_10000" not in browser.texts("#rows a") and browser.texts("#rows a"))
    assert browser.errors == []


def test_tasks_are_filtered_by_name_reason_and_outcome(browser: Browser) -> None:
    browser.open(run_of(200, failing=20), "filtered")
    search, outcome = browser.find("#search"), Select(browser.find("#outcome"))
    search.send_keys("task_0010")
    assert browser.find("#shown").text == "10 of 200 tasks"
    search.clear()
    search.send_keys("spot task")
    assert 0 < int(browser.find("#shown").text.split()[0]) < 200
    search.clear()
    outcome.select_by_visible_text("Failed (20)")
    assert browser.find("#shown").text == "20 of 200 tasks"
    assert set(browser.texts("#rows td:nth-child(2)")) == {"✗ Failed"}
    browser.find("#codes button").click()
    assert browser.find("#search").get_attribute("value") in browser.texts("#codes button")[0]
    browser.picture(height=900)
    assert browser.errors == []


def test_tasks_are_sorted_both_ways_and_screen_readers_are_told(browser: Browser) -> None:
    browser.open(run_of(60, failing=6), "sorted")
    by_name = browser.find("[data-sort=name]")
    by_name.click()
    assert browser.texts("#rows a")[:2] == ["task_00001", "task_00002"]
    by_name.click()
    assert browser.texts("#rows a")[0] == "task_00060"
    assert browser.run("return document.querySelector('[data-sort=name]').closest('th').ariaSort") == "descending"
    browser.find("[data-sort=ran]").click()
    ran = [float(text.split()[0]) for text in browser.texts("#rows td:nth-child(5)")]
    assert ran == sorted(ran, reverse=True)
    browser.find("[data-sort=outcome]").click()
    assert browser.texts("#rows td:nth-child(2)")[0] == "✗ Failed"
    assert browser.errors == []


def test_a_link_to_one_task_shows_its_attempts_log_and_addresses(browser: Browser) -> None:
    browser.open(run_of(100, failing=10), "one-task", "#task=task_00010")
    assert browser.find("#task-title").text == "task_00010: Failed"
    assert browser.texts("#attempts h3") == ["Attempt 1: Failed", "Attempt 2: Failed"]
    assert "ERROR" in browser.texts("#attempts pre")[0]
    links = browser.run("return [...document.querySelectorAll('#attempts a')].map(a => a.href)")
    assert any("/ecs/v2/clusters/" in link for link in links) and any("logsV2" in link for link in links)
    assert browser.violations() == []
    browser.picture(height=900)
    ActionChains(browser.driver).send_keys(Keys.ESCAPE).perform()
    browser.until(lambda: not browser.run("return document.querySelector('#task').open"))
    assert browser.run("return location.hash") == ""
    browser.run("location.hash = '#task=task_00003'")
    browser.until(lambda: browser.texts("#task-title") == ["task_00003: Completed"])
    assert browser.errors == []


def test_the_keyboard_alone_goes_through_the_tasks_and_opens_one(browser: Browser) -> None:
    browser.open(run_of(2000, failing=20), "keyboard")
    browser.run("document.querySelector('#outcome').focus()")
    keys = ActionChains(browser.driver)
    for _ in range(7):  # over the buttons that sort, to the list, which is one stop
        keys.send_keys(Keys.TAB)
    keys.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.END).perform()
    browser.until(lambda: browser.run("return document.activeElement.innerText") == browser.texts("#rows a")[-1])
    last = browser.run("return document.activeElement.innerText")
    keys = ActionChains(browser.driver)
    keys.send_keys(Keys.ENTER).perform()
    browser.until(lambda: browser.texts("#task-title")[0].startswith(last))
    assert browser.errors == []


def test_names_and_reasons_are_text_whatever_they_hold(browser: Browser) -> None:
    hostile = "</script><img src=x onerror=\"document.title='owned'\">"
    rows = [attempt(hostile, 1, 1, error=f"JobFailed: {hostile}")]
    browser.open(reading(rows, [hostile, "a" * 120], failed=1), "hostile", "#task=")
    assert browser.texts("#rows a") == [hostile, "a" * 120]
    browser.find("#rows a").click()
    browser.until(lambda: browser.texts("#task-title") == [f"{hostile}: Failed"])
    assert browser.run("return document.images.length") == 0 and browser.driver.title != "owned"
    assert fits(browser)
    browser.picture(height=900)
    assert browser.errors == []


def test_a_run_without_tasks_or_times_is_shown_too(browser: Browser) -> None:
    browser.open(reading([], []), "no-tasks")
    assert browser.find("#shown").text == "0 of 0 tasks"
    old = {"task_name": "a", "status": "Completed", "attempt": 1, "ecs_task_id": "arn:task/1"}
    browser.open(reading([old], ["a", "b"]), "no-times")
    assert browser.texts("#rows td:nth-child(2)") == ["✓ Completed", "○ Waiting"]
    assert browser.errors == []


def test_it_is_printed_with_its_rows_and_without_what_is_for_the_screen(browser: Browser) -> None:
    browser.open(run_of(900, failing=9), "printed")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert len(browser.texts("#rows a")) == 500
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.find("#printed").text == "The first 500 of 900 tasks are printed."
    assert not browser.find("#filter").is_displayed()
    browser.picture(height=1400)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert len(browser.texts("#rows a")) < 100
    assert browser.errors == []


def test_a_served_page_follows_the_run_and_says_when_it_has_ended(browser: Browser) -> None:
    states = [run_of(60, active=True), run_of(60, failing=6)]
    newest = [states[0]]
    contents = {
        "run.html": lambda: page(document(newest[0]), source="run.json"),
        "run.json": lambda: embedded(document(newest[0])),
    }
    with LoopbackSite(contents).running() as site:
        browser.visit(site.url("run.html"), "live")
        assert browser.find("#live").text.startswith("Updated") and browser.run(NUMBERS)["running"] != "0"
        browser.picture(height=900)
        browser.find("#search").send_keys("task_0000")
        newest[0] = states[1]
        browser.until(lambda: browser.find("#status").text == "CompletedWithFailures")
        assert browser.find("#live").text == "The run has ended: this page is complete and is not updated any more."
        assert browser.find("#search").get_attribute("value") == "task_0000"
        assert browser.find("#shown").text == "9 of 60 tasks"
    assert browser.errors == []


def test_a_served_page_stays_as_it_is_when_nothing_serves_it_any_more(browser: Browser) -> None:
    of_run = run_of(20, active=True)
    contents = {
        "run.html": lambda: page(document(of_run), source="run.json"),
        "run.json": lambda: json.dumps(document(of_run)),
    }
    with LoopbackSite(contents).running() as site:
        browser.visit(site.url("run.html"), "left-alone")
    browser.until(lambda: browser.find("#live").text.startswith("Nothing serves newer data any more"))
    assert len(browser.texts("#rows a")) > 5
