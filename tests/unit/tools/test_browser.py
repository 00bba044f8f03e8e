"""What the browser tests need, and what is said where it is missing."""

import os
import shutil
from pathlib import Path

import pytest

from tools import browser
from tools.browser import BrowserMissing, axe_rules


def test_what_is_missing_is_named_and_nothing_is_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(browser, "axe_rules", lambda: tmp_path)

    assert browser.main(["touch", str(tmp_path / "ran")]) == 2

    assert "there is no chromium and chromedriver on PATH" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_rules_that_are_not_the_expected_ones_are_refused_and_fetched_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / f"{browser.AXE}.js"
    script.write_text("other", encoding="utf-8")
    with pytest.raises(BrowserMissing, match="is not the one that is expected"):
        axe_rules(tmp_path)
    assert not script.exists()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(BrowserMissing, match=r"there is no npm .* install Node\.js"):
        axe_rules(tmp_path)
