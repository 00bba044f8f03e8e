"""A Chromium for each test, and where pictures of what it shows are kept."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from ecs_kit.automation.journeys.report_page.gather import write
from ecs_kit.runtime.reporter.data import Reading

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "reports" / "browser"
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
OPENS_WITHIN_MILLISECONDS = 2000
"""What docs/report.md says of 10,000 tasks."""

measured: dict[str, int] = {}
"""Milliseconds until the first rows of a page were painted, as the page's own clock says, by the page's name."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how long the pages took to open, and beside those of 10,000 tasks what is documented."""
    for name, milliseconds in measured.items():
        compared = "within" if milliseconds <= OPENS_WITHIN_MILLISECONDS else "NOT within"
        documented = f", {compared} the documented {OPENS_WITHIN_MILLISECONDS} ms" if name.startswith("10000") else ""
        terminalreporter.write_line(f"{name}: opened in {milliseconds} ms{documented}")


@dataclass
class Browser:
    """A Chromium window with one page."""

    driver: webdriver.Chrome
    folder: Path
    width: int = 1280
    _name: str = field(default="", init=False)

    def look(self, *, width: int = 1280, height: int = 1000, dark: bool = False) -> None:
        """Have a window of this size, and light or dark colours."""
        self.width = width
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, of_run: Reading, name: str, fragment: str = "") -> None:
        """Open the page of a run, and note how long that took."""
        path = self.folder / f"{name}.html"
        write(path, of_run)
        self.visit(path.as_uri() + fragment, name)

    def visit(self, url: str, name: str) -> None:
        """Open an address, and note how long that took."""
        self._name = name
        self.driver.get(url)
        self.until(lambda: self.run("return document.documentElement.dataset.openedMilliseconds"))
        measured[name] = int(self.run("return document.documentElement.dataset.openedMilliseconds"))

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Wait until something is true."""
        return WebDriverWait(self.driver, 60, poll_frequency=0.05).until(lambda _: is_so())

    def find(self, css: str) -> Any:
        """The first element of a selector."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        """The texts of all elements of a selector."""
        return list(self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim())", css))

    def picture(self, suffix: str = "", *, height: int | None = None) -> Path:
        """Keep a picture of the page from its top, as long as it is unless a height is given."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{self._name}{suffix}.png"
        whole = min(int(self.run("return document.documentElement.scrollHeight")), 2600)
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": self.width, "height": height or whole, "deviceScaleFactor": 1, "mobile": self.width < 500},
        )
        self.until(lambda: self.run("return innerHeight") == (height or whole))
        self.driver.save_screenshot(str(path))
        return path

    @property
    def errors(self) -> Sequence[str]:
        """What the console has, warnings too."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def violations(self) -> list[str]:
        """What axe-core finds that is serious or critical."""
        rules = os.environ.get("KIT_AXE")
        if not rules:
            pytest.skip("the rules of axe-core are missing: run `make test-browser`")
        self.run(Path(rules).read_text(encoding="utf-8"))
        found = self.driver.execute_async_script("axe.run(document).then(arguments[0])")
        return [
            f"{each['id']} ({each['impact']}): {node['target']} {node['failureSummary']}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"][:3]
        ]


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    chromium = os.environ.get("KIT_BROWSER") or shutil.which("chromium")
    chromedriver = shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("there is no Chromium with ChromeDriver: run `make test-browser`")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for option in (*OPTIONS, f"--user-data-dir={profile}"):
            options.add_argument(option)
        started = webdriver.Chrome(options=options, service=Service(chromedriver))
        try:
            yield started
        finally:
            started.quit()


@pytest.fixture
def browser(driver: webdriver.Chrome, tmp_path: Path) -> Iterator[Browser]:
    window = Browser(driver, tmp_path)
    window.look()
    yield window
    driver.get("about:blank")
