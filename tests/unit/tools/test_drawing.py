"""The drawing in docs/architecture.md is what the code is."""

from graphlib import CycleError

import grimp
import pytest

from tools import drawing


def test_the_page_has_the_drawing_that_the_command_writes() -> None:
    arrows = drawing.arrows(grimp.build_graph(*drawing.ROOTS, cache_dir=None))
    page = drawing.PAGE.read_text(encoding="utf-8")
    assert drawing.with_drawing(page, drawing.mermaid(arrows)) == page, "run: make drawing"


def test_packages_that_import_each_other_are_refused() -> None:
    assert drawing.mermaid({"a": {"b"}, "b": set()}).splitlines()[2:4] == ['    a["a"]', '    b["b"]']
    with pytest.raises(CycleError):
        drawing.mermaid({"a": {"b"}, "b": {"a"}})
