"""Replacing names in MiniStack."""

from __future__ import annotations

from types import ModuleType

import pytest

from automation.local.emulator.aws_behaviour import patching
from automation.local.emulator.errors import MissingPatchPoint, UnsupportedMiniStack


def test_the_installed_ministack_is_the_known_one() -> None:
    patching.require_known_ministack()


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "version", lambda _name: "9.9.9")
    with pytest.raises(UnsupportedMiniStack, match=r"MiniStack 9\.9\.9 is installed"):
        patching.require_known_ministack()


def test_a_name_is_replaced_and_given_back() -> None:
    module = ModuleType("some.module")
    module.there = "old"  # type: ignore[attr-defined]
    assert patching.replace(module, "there", "new") == "old"
    assert module.there == "new"
    with pytest.raises(MissingPatchPoint, match=r"some\.module has no 'gone'"):
        patching.replace(module, "gone", None)


def test_an_entry_of_a_table_is_wrapped() -> None:
    table = {"a": 1}
    patching.replace_entry(table, "the table", "a", lambda each: each + 1)
    assert table == {"a": 2}
    with pytest.raises(MissingPatchPoint, match="the table has no 'b'"):
        patching.replace_entry(table, "the table", "b", lambda each: each)
