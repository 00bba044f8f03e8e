"""Replacing names in MiniStack."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from local_aws.emulator.aws_behaviour import patching
from local_aws.emulator.aws_behaviour.patching import Patch, around, instead, patches_of, unless_left_out
from local_aws.emulator.errors import MissingPatchPoint, UnknownCorrection, UnsupportedMiniStack


def test_the_installed_ministack_is_the_known_one() -> None:
    patching.require_known_ministack()


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "version", lambda _name: "9.9.9")
    with pytest.raises(UnsupportedMiniStack, match=r"MiniStack 9\.9\.9 is installed"):
        patching.require_known_ministack()


@pytest.fixture
def module() -> Any:
    made: Any = ModuleType("some.module")
    made.there, made.table = lambda: "old", {"a": 1}
    return made


def test_a_declared_function_wraps_or_replaces_a_name_or_an_entry_of_a_table(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patching, "CORRECTIONS", {})
    around("a.one", module, "there")(lambda original, more: f"{original()} {more}")
    instead("b", module, "table", "a")(lambda: 2)
    unless_left_out("c", lambda: "otherwise")(test_the_installed_ministack_is_the_known_one)
    for patch in patches_of(patching.CORRECTIONS.values()):
        patch.apply()
    assert (module.there("and new"), module.table["a"]()) == ("old and new", 2)
    (patch,) = patches_of(patching.CORRECTIONS.values(), " b, a.one,c")
    assert patch.where.endswith(".test_the_installed_ministack_is_the_known_one")
    with pytest.raises(UnknownCorrection, match=r"no correction 'a' that could be left out, only a\.one, b, c"):
        patches_of(patching.CORRECTIONS.values(), "b,a")


@pytest.mark.parametrize(
    ("name", "key", "where"),
    [("gone", None, r"some\.module\.gone"), ("gone", "a", r"module\.gone\[a\]"), ("table", "b", r"module\.table\[b\]")],
)
def test_what_is_not_there_cannot_be_replaced(module: Any, name: str, key: str | None, where: str) -> None:
    with pytest.raises(MissingPatchPoint, match=f"MiniStack has no .*{where},"):
        Patch(module, name, lambda _original: None, key).apply()
