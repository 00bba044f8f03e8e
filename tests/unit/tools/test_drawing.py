"""The drawing in docs/architecture.md is what the code is."""

from graphlib import CycleError

import grimp
import pytest

from tools import drawing


@pytest.fixture(scope="module")
def arrows() -> drawing.Arrows:
    return drawing.arrows(grimp.build_graph(*drawing.ROOTS, cache_dir=None))


def test_the_page_has_the_drawing_that_the_command_writes(arrows: drawing.Arrows) -> None:
    page = drawing.PAGE.read_text(encoding="utf-8")
    assert drawing.with_drawing(page, drawing.mermaid(arrows)) == page, "run: make drawing"


def test_the_driver_is_drawn_by_its_layers_and_arrows_run_down(arrows: drawing.Arrows) -> None:
    layers = [f"ecs_kit.automation.{name}" for name in ("cli", "journeys", "stacks", "host")]
    assert [package for package in arrows if package.startswith("ecs_kit.automation")] == sorted(layers)
    for index, layer in enumerate(layers):
        assert not arrows[layer] & set(layers[:index])
    below = [package for package in arrows if package.startswith(("ecs_kit.components", "ecs_kit.runtime"))]
    assert len(below) > 1 and not any(arrows[package] & set(layers) for package in below)


def test_packages_that_import_each_other_are_refused() -> None:
    assert drawing.mermaid({"a": {"b"}, "b": set()}).splitlines()[2:4] == ['    a["a"]', '    b["b"]']
    with pytest.raises(CycleError):
        drawing.mermaid({"a": {"b"}, "b": {"a"}})
