"""The AWS clients of the Lambdas, made when first used."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ecs import ECSClient
    from types_boto3_stepfunctions import SFNClient


@functools.cache
def dynamodb() -> DynamoDBClient:
    """Return the DynamoDB client.

    Standard retries with many attempts: a table of 5 capacity units throttles for seconds, never for long.
    """
    import boto3
    from botocore.config import Config

    return boto3.client(
        "dynamodb",
        config=Config(retries={"mode": "standard", "max_attempts": 10}, connect_timeout=5, read_timeout=10),
    )


@functools.cache
def ecs() -> ECSClient:
    """Return the ECS client for everything but RunTask."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "ecs", config=Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=5, read_timeout=20)
    )


@functools.cache
def ecs_without_retries() -> ECSClient:
    """Return the ECS client for RunTask: the launcher classifies each answer itself."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "ecs", config=Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
    )


@functools.cache
def stepfunctions() -> SFNClient:
    """Return the Step Functions client."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "stepfunctions",
        config=Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=5, read_timeout=20),
    )
