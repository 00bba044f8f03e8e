"""The environment in which the Pulumi engine and its plugins use the emulator."""

import json
from pathlib import Path

from local_aws.emulator import Emulator

_SERVICES = (
    *("cloudwatch", "dynamodb", "ec2", "ecr", "ecs", "events", "iam", "lambda", "logs", "s3", "scheduler", "sfn"),
    *("sqs", "sts"),
)
"""Services by their names in the `aws` provider's configuration."""

PASSPHRASE = "local"
"""Pulumi wants one for a file backend. It protects nothing: the emulator's only credentials are `test`."""


def engine_environment(emulator: Emulator, folder: Path) -> dict[str, str]:
    """Variables of a running emulator, and of an engine with its state backend in `folder`, below `state/`."""
    return {
        **emulator.environment,
        "LOCAL_AWS_IMAGE_BUILDER": "docker" if emulator.container_runtime == "docker" else "archive",
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def provider_configuration(emulator: Emulator) -> dict[str, str]:
    """The stack configuration `aws:…` for a running emulator, also for the published provider."""
    variables = emulator.environment
    return {
        "aws:region": variables["AWS_REGION"],
        "aws:accessKey": variables["AWS_ACCESS_KEY_ID"],
        "aws:secretKey": variables["AWS_SECRET_ACCESS_KEY"],
        "aws:endpoints": json.dumps([dict.fromkeys(_SERVICES, emulator.endpoint_url)]),
        "aws:s3UsePathStyle": "true",
        "aws:skipCredentialsValidation": "true",
        "aws:skipMetadataApiCheck": "true",
    }
