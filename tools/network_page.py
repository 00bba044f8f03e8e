"""The table of what each workload reaches through the network, from the roles' policies."""

from collections.abc import Iterator

from ecs_kit.components import endpoint_policies, policies
from ecs_kit.components.config import GATEWAY_SERVICES, KitConfig
from ecs_kit.components.ecs_task import execution_policy, task_policy
from ecs_kit.components.existing_network import HTTPS_PORT
from ecs_kit.components.names import DeploymentTarget, PatternNames

_ANYWHERE = DeploymentTarget("aws", "123456789012", "us-east-1")
_GROUPS = {
    "tasks": "tasks",
    "launcher": "launcher (pattern 1)",
    "monitor": "monitor",
    "reporter": "reporter (`runReports`)",
}


def table() -> str:
    """The table as Markdown."""
    rows = [["workload", "service", "port", "path"], ["---"] * 4, *_rows()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _rows() -> Iterator[list[str]]:
    names, config = PatternNames(1, "", _ANYWHERE), KitConfig()
    documents = {
        "task": [task_policy(names, config)],
        "task-execution": [execution_policy(names, config.job)],
        "launcher": [policies.launcher(names)],
        "monitor": [policies.monitor(names)],
        "reporter": [policies.reporter(names, topic_arn=_ANYWHERE.arn("sns", "operators"))],
    }
    for workload, services in endpoint_policies.needs(documents).items():
        for service in services:
            if service in GATEWAY_SERVICES:
                way = f"prefix list of {service} → route in both private route tables → gateway endpoint"
            else:
                way = "security group `endpoints`, which admits this one → interface endpoint with private DNS"
            path = f"security group `{workload}` → {way}"
            yield [_GROUPS[workload], f"`{service}`", f"tcp {HTTPS_PORT}", path]
        yield [
            _GROUPS[workload],
            "0.0.0.0/0",
            "any",
            "none: no rule lets it out, and the private route tables have no default route",
        ]
