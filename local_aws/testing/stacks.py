"""Stacks that tests deploy to the emulator."""

import json
from typing import Any

from local_aws import Emulator

_SERVICES = (
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "events",
    "iam",
    "lambda",
    "logs",
    "s3",
    "sfn",
    "sts",
)
"""Services as the `aws` provider's config calls them."""


def provider_configuration(emulator: Emulator) -> dict[str, str]:
    """`aws:…` for the emulator, as a stack's config has it. It serves the published provider, too."""
    return {
        "aws:region": "us-east-1",
        "aws:accessKey": "test",
        "aws:secretKey": "test",
        "aws:s3UsePathStyle": "true",
        "aws:skipCredentialsValidation": "true",
        "aws:endpoints": json.dumps([dict.fromkeys(_SERVICES, emulator.endpoint_url)]),
    }


def changes(result: Any) -> dict[str, int]:
    """How many resources each operation touched, the stack itself not counted."""
    summary = result.change_summary if hasattr(result, "change_summary") else result.summary.resource_changes
    counted = {getattr(kind, "value", str(kind)): count for kind, count in (summary or {}).items()}
    return {kind: count for kind, count in counted.items() if kind != "same"}
