"""Draw the state machines as Mermaid graphs, from the documents that are deployed."""

from collections.abc import Iterator, Mapping
from typing import Any

from ecs_kit.components.definitions import StateMachineSettings, pattern_1, pattern_2

_SETTINGS = StateMachineSettings(
    monitor_function_arn="monitor",
    launcher_function_arn="launcher",
    summary_table="summary",
    container_name="job",
    run_timeout_seconds=21600,
    task_timeout_seconds=3600,
    max_concurrency=0,
)
_SHAPES = {"Choice": ("{{", "}}"), "Wait": ("([", "])"), "Succeed": ("([", "])"), "Fail": ("([", "])")}


def mermaid(pattern: int) -> str:
    """The drawing of a pattern's state machine. Dashed arrows are caught errors."""
    document = {1: pattern_1, 2: pattern_2}[pattern](_SETTINGS)
    return "\n".join(["```mermaid", "flowchart TD", *(f"    {line}" for line in _graph(document)), "```"])


def _graph(document: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a state machine, of a branch of a Parallel state, or of what a Map state does."""
    for name, state in document["States"].items():
        inner = [*state.get("Branches", ()), *filter(None, [state.get("ItemProcessor")])]
        if inner:
            what = "for each task" if "ItemProcessor" in state else "at the same time"
            yield f'subgraph {name}["{name}, {what}"]'
            for part in inner:
                yield from (f"    {line}" for line in _graph(part))
            yield "end"
        else:
            opening, closing = _SHAPES.get(state["Type"], ("[", "]"))
            yield f'{name}{opening}"{name}"{closing}'
        edges = [("-->", choice["Next"]) for choice in state.get("Choices", ())]
        edges += [("-->", state[key]) for key in ("Default", "Next") if key in state]
        caught = [("-.->", catcher["Next"]) for catcher in state.get("Catch", ())]
        plain = {target for _, target in edges}
        edges += [edge for edge in caught if edge[1] not in plain]
        yield from (f"{name} {arrow} {target}" for arrow, target in dict.fromkeys(edges))
