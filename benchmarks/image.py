"""What the task's image adds to its base: size, and processor time of the start.

    python -m tools.docker_engine python -m benchmarks.image

Needs a Docker engine; the base is `KIT_BASE_IMAGE`, else the kit's own. Sizes do not depend on the machine; times are
ratios of two containers of the same run of this program.
"""

import os
import re
from typing import Any

import docker
from rich.console import Console
from rich.table import Table

from ecs_kit.components.program import KitConfig
from ecs_kit.components.task_image import stage_context
from local_aws.plugins.docker.engine import Engine

NAME = "ecs-step-functions-kit/task:benchmark"
RUNS = 3
REPEATED = 5
"""How often a container does the same: the kernel counts processor time in hundredths of a second."""
MEGABYTE = 1_000_000


def cpu_seconds(client: docker.DockerClient, image: str, command: str) -> float:
    """The least processor time, of some containers, of a command."""
    script = f"for _ in {' '.join(map(str, range(REPEATED)))}; do {command} > /dev/null; done; times"

    def once() -> float:
        output = client.containers.run(
            image, ["-c", script], entrypoint="sh", remove=True, network_mode="none"
        ).decode()
        last = output.splitlines()[-1]
        return sum(int(minutes) * 60 + float(seconds) for minutes, seconds in re.findall(r"(\d+)m([\d.]+)s", last))

    return min(once() for _ in range(RUNS)) / REPEATED


def main() -> None:
    """Build, measure and print."""
    base = os.environ.get("KIT_BASE_IMAGE") or KitConfig().base_image
    context = stage_context()
    build: dict[str, Any] = {"args": {"BASE_IMAGE": base}}
    Engine().build(NAME, build, context.path.as_posix(), context.dockerfile.as_posix())
    client = docker.from_env()
    above = (client.images.get(NAME).attrs["Size"] - client.images.get(base).attrs["Size"]) / MEGABYTE
    bare = cpu_seconds(client, NAME, "python3 -c pass")
    clients = "import boto3; [boto3.client(name, region_name='x') for name in ('dynamodb', 's3')]"
    version = cpu_seconds(client, NAME, "python3 -m ecs_kit.runtime.task --version")
    made = cpu_seconds(client, NAME, f'python3 -c "{clients}"')
    table = Table("figure", "value")
    table.add_row("MB above its base", f"{above:.1f}")
    table.add_row("--version / bare interpreter, CPU", f"{version / bare:.1f}")
    table.add_row("AWS clients / bare interpreter, CPU", f"{made / bare:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
