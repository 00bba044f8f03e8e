"""Stacks that tests deploy to the emulator."""

import json
from typing import Any

from local_aws import Emulator

_SERVICES = (
    *(
        "cloudwatch",
        "dynamodb",
        "ec2",
        "ecr",
        "ecs",
        "events",
        "iam",
        "lambda",
        "logs",
        "s3",
        "scheduler",
        "sfn",
        "sqs",
    ),
    "sts",
)
"""Services by their names in the `aws` provider's config."""


def provider_configuration(emulator: Emulator) -> dict[str, str]:
    """The stack configuration `aws:…` for the emulator, also for the published provider."""
    return {
        "aws:region": "us-east-1",
        "aws:accessKey": "test",
        "aws:secretKey": "test",
        "aws:s3UsePathStyle": "true",
        "aws:skipCredentialsValidation": "true",
        "aws:endpoints": json.dumps([dict.fromkeys(_SERVICES, emulator.endpoint_url)]),
    }


def changes(result: Any) -> dict[str, int]:
    """The number of resources per operation, without the unchanged ones."""
    summary = result.change_summary if hasattr(result, "change_summary") else result.summary.resource_changes
    counted = {getattr(kind, "value", str(kind)): count for kind, count in (summary or {}).items()}
    return {kind: count for kind, count in counted.items() if kind != "same"}
