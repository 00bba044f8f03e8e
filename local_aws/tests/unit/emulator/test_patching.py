"""Replacing names in MiniStack."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from local_aws.emulator.aws_behaviour import patching
from local_aws.emulator.aws_behaviour.patching import Correction, Patch, instead, patches_of
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
    made.there, made.table = "old", {"a": 1}
    return made


def test_a_name_or_an_entry_of_a_table_is_wrapped(module: Any) -> None:
    Patch(module, "there", lambda original: original + " and new").apply()
    Patch(module, "table", instead(2), "a").apply()
    assert (module.there, module.table) == ("old and new", {"a": 2})


@pytest.mark.parametrize(
    ("name", "key", "where"),
    [("gone", None, r"some\.module\.gone"), ("gone", "a", r"module\.gone\[a\]"), ("table", "b", r"module\.table\[b\]")],
)
def test_what_is_not_there_cannot_be_replaced(module: Any, name: str, key: str | None, where: str) -> None:
    with pytest.raises(MissingPatchPoint, match=f"MiniStack has no .*{where},"):
        Patch(module, name, instead(None), key).apply()


def test_a_correction_that_is_left_out_is_not_applied(module: Any) -> None:
    first, second, instead_of_it = (Patch(module, "there", instead(number)) for number in range(3))
    corrections = [Correction("a.one", (first,)), Correction("b", (second,), without=(instead_of_it,))]
    assert patches_of(corrections) == [first, second]
    assert patches_of(corrections, "a.one") == [second]
    assert patches_of(corrections, " b, a.one") == [instead_of_it]
    with pytest.raises(UnknownCorrection, match=r"no correction 'a' that could be left out, only a\.one, b"):
        patches_of(corrections, "b,a")
