"""Write what pages repeat of the code: `python -m tools.pages`, or `make pages`.

Each part of a page stands between two marks, which name it. `PARTS` says which page has it, and makes its text.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale import page as scale
from ecs_kit.automation.cli import estimate
from ecs_kit.automation.journeys.conditions import conditions as all_conditions
from ecs_kit.automation.journeys.progress import columns
from ecs_kit.automation.stacks import costs
from ecs_kit.components.config import KitConfig
from ecs_kit.runtime.reporter import prices
from ecs_kit.runtime.reporter.meanings import text_of
from ecs_kit.runtime.reporter.task_costs import task_cost
from tools import config_pages, drawing, network_page, security_hub, state_machines

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Part:
    """A generated part of a page, which is a path in the repository."""

    page: str
    name: str
    make: Callable[[], str]

    def in_page(self, text: str) -> str:
        """The page's text with this part as the code has it.

        Raises:
            ValueError: the page lacks the marks.
        """
        begin, end = f"<!-- {self.name}: `make pages` writes what follows -->", f"<!-- end of {self.name} -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"{self.page} has no marks {begin} and {end}")
        return f"{before}{begin}\n{self.make()}\n{end}{after}"


def markdown_table(rows: list[list[str]]) -> str:
    """A table of Markdown; the first row is its head."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def stack_costs() -> str:
    """What a stack costs an hour, for each pattern."""
    rows = [["what each pattern has", "$/hour"]]
    for name, config in (
        ("default", KitConfig()),
        ("`natGateways: single`", KitConfig(nat_gateways="single")),
        ("`natGateways: per-az`", KitConfig(nat_gateways="per-az")),
        ("`tableBilling: PAY_PER_REQUEST`", KitConfig(table_billing="PAY_PER_REQUEST")),
    ):
        parts = costs.standing_costs(costs.standing_of_config(config))
        rows.append([f"{name}: {'; '.join(what for _, what in parts)}", f"{sum(cost for cost, _ in parts):.3f}"])
    task = task_cost(costs.size_of_config(KitConfig()), 3600)
    return markdown_table([*rows, ["a running task of the default size, 0.25 vCPU and 0.5 GiB", f"{task:.3f}"]])


def price_list() -> str:
    """Every price, with AWS's page."""
    rows = [["what", "$", "a", "read", "AWS's page"]]
    for price in prices.PRICES.values():
        about = "about " if price.is_about else ""
        dollars = f"{price.dollars:.6f}".rstrip("0") if price.dollars < 0.01 else f"{price.dollars:g}"
        rows.append(
            [price.what, about + dollars, price.unit, price.read, f"[{price.page.split('/')[3]}]({price.page})"]
        )
    spot = f"[{prices.SPOT_PAGE.split('/')[3]}]({prices.SPOT_PAGE})"
    rows.append(
        ["Fargate Spot: the largest discount, in percent", str(prices.SPOT_DISCOUNT), "", prices.SPOT_READ, spot]
    )
    return f"{prices.SOURCE}.\n\n{markdown_table(rows)}"


def short_costs() -> str:
    """What a stack and a large run cost, in a sentence."""
    parts = costs.standing_costs(costs.standing_of_config(KitConfig()))
    totals = [costs.estimate(KitConfig(), pattern, 1000, 300).total("X86_64", on_spot=False) for pattern in (1, 2)]
    return (
        f"A deployed pattern costs ${sum(cost for cost, _ in parts):.3f} an hour. A run of 1,000 tasks of 300 s costs "
        f"${totals[0]:.2f} in pattern 1 and ${totals[1]:.2f} in pattern 2, of default size, at list prices. "
        "[Costs](docs/costs.md) and `estimate` have the rest."
    )


def run_costs() -> str:
    """What runs cost, for both patterns."""
    shown = []
    for tasks, seconds in ((10, 60), (1000, 300)):
        for pattern in (1, 2):
            made = costs.estimate(KitConfig(), pattern, tasks, seconds)
            shown += [f"pattern {pattern}, {tasks} tasks of {seconds} s", *columns(estimate.table(made))]
            shown += [estimate.counted(made.usage), ""]
    return "\n".join(["```text", *shown[:-1], "```"])


def conditions() -> str:
    """Every condition with the first sentence of its page."""
    rows = [["name", "what it means"]]
    for name in sorted(all_conditions(), key=str.lower):
        first = text_of(name).split("\n\n")[1].replace("\n", " ")
        sentence = re.match(r".+?[.:](?= |$)", first)
        rows.append([f"[{name}]({name}.md)", (sentence[0] if sentence else first).rstrip(":.") + "."])
    return markdown_table(rows)


PARTS = (
    Part("docs/architecture.md", "packages", drawing.drawn),
    Part("docs/architecture.md", "state machine of pattern 1", lambda: state_machines.mermaid(1)),
    Part("docs/architecture.md", "state machine of pattern 2", lambda: state_machines.mermaid(2)),
    Part("docs/conditions/index.md", "conditions", conditions),
    Part("docs/configuration.md", "keys", config_pages.table),
    Part("README.md", "costs", short_costs),
    Part("docs/costs.md", "costs of a stack", stack_costs),
    Part("docs/costs.md", "costs of runs", run_costs),
    Part("docs/costs.md", "prices", price_list),
    Part("docs/security-hub.md", "controls", security_hub.table),
    Part("docs/security-hub.md", "other controls", security_hub.not_applicable_table),
    Part("docs/security.md", "reachability", network_page.table),
    Part("docs/scale.md", "runs", scale.runs_table),
    Part("docs/scale.md", "ratios", scale.ratios_table),
    Part("docs/scale.md", "functions", scale.functions_table),
    Part("docs/scale.md", "throttled runs", scale.throttled_table),
    Part("docs/scale.md", "stopped runs", scale.stopped_table),
    Part("docs/scale.md", "model", scale.model_table),
    Part("docs/scale.md", "plan", scale.plan_table),
)
WHOLE: Mapping[str, Callable[[], str]] = {"docs/images/scale.svg": scale.svg}
"""Files that are generated as a whole."""


def written(page: str, text: str) -> str:
    """A page's text with all its generated parts as the code has them."""
    if page == "Pulumi.yaml":
        return config_pages.pulumi_yaml(text)
    if page in WHOLE:
        return WHOLE[page]()
    for part in PARTS:
        text = part.in_page(text) if part.page == page else text
    return text


PAGES = ("Pulumi.yaml", *dict.fromkeys(part.page for part in PARTS), *WHOLE)
"""Every file with generated parts."""


def main() -> None:
    """Write the pages anew."""
    for name in PAGES:
        page = ROOT / name
        page.write_text(written(name, page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
