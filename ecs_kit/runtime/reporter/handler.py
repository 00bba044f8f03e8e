"""Entry point of the reporter's Lambda function."""

from collections.abc import Mapping
from typing import Any

from ecs_kit.runtime.common import log
from ecs_kit.runtime.functions.function import LambdaContext, remaining_seconds
from ecs_kit.runtime.reporter.reporter import Reporter

log.configure()


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the report of the run whose execution has ended, as `Reporter.report` does."""
    log.bind()
    return Reporter.from_environment().report(event, remaining_seconds(context))
