"""Draw the packages and their imports, for docs/architecture.md.

The drawing is a Mermaid graph, made from the code. An arrow runs from a package to each package that it imports.
"""

from collections.abc import Iterable
from graphlib import TopologicalSorter

import grimp

ROOTS = ("ecs_kit", "local_aws")
OPENED = ("ecs_kit", "ecs_kit.runtime", "ecs_kit.automation")
"""Packages that are drawn by the packages in them. Modules directly in one of these are not drawn."""

Arrows = dict[str, set[str]]
"""Package -> the packages that it imports."""


def arrows(graph: grimp.ImportGraph) -> Arrows:
    """The imports between the packages that are drawn."""
    drawn: Arrows = {package: set() for package in _packages(graph, ROOTS)}
    owner = {module: package for package in drawn for module in (package, *graph.find_descendants(package))}
    for module, package in owner.items():
        imported = {owner[each] for each in graph.find_modules_directly_imported_by(module) if each in owner}
        drawn[package] |= imported - {package}
    return drawn


def _packages(graph: grimp.ImportGraph, packages: Iterable[str]) -> list[str]:
    found: list[str] = []
    for package in packages:
        inner = sorted(child for child in graph.find_children(package) if graph.find_children(child))
        found += _packages(graph, inner) if package in OPENED else [package]
    return found


def mermaid(drawn: Arrows) -> str:
    """The drawing, importers first.

    Raises:
        graphlib.CycleError: packages import each other.
    """
    ordered = {package: sorted(others) for package, others in sorted(drawn.items())}
    packages = reversed(list(TopologicalSorter(ordered).static_order()))
    nodes = [f'{_node(package)}["{package.removeprefix("ecs_kit.")}"]' for package in packages]
    edges = [f"{_node(package)} --> {_node(other)}" for package, others in ordered.items() for other in others]
    return "\n".join(["```mermaid", "flowchart TD", *(f"    {line}" for line in (*nodes, *edges)), "```"])


def _node(package: str) -> str:
    return package.replace(".", "_")


def drawn() -> str:
    """The drawing of the packages as they are now."""
    return mermaid(arrows(grimp.build_graph(*ROOTS, cache_dir=None)))
