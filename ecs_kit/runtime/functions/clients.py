"""The AWS clients of the functions, created when first used."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ecs import ECSClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_s3 import S3Client
    from types_boto3_stepfunctions import SFNClient


CONNECTIONS = 320
"""Connections that a client keeps for calls at once: the launcher makes as many at the highest `runTaskRate`."""


@functools.cache
def dynamodb() -> DynamoDBClient:
    """Return the DynamoDB client. A table of 5 capacity units throttles for seconds, hence many attempts."""
    return boto3.client("dynamodb", config=_config(max_attempts=11, read_timeout=10))


@functools.cache
def ecs() -> ECSClient:
    """Return the ECS client for everything but RunTask."""
    return boto3.client("ecs", config=_config())


@functools.cache
def ecs_without_retries() -> ECSClient:
    """Return the ECS client for RunTask: the launcher classifies each answer itself."""
    return boto3.client("ecs", config=_config(max_attempts=1))


@functools.cache
def logs() -> CloudWatchLogsClient:
    """Return the CloudWatch Logs client."""
    return boto3.client("logs", config=_config())


@functools.cache
def s3() -> S3Client:
    """Return the S3 client."""
    return boto3.client("s3", config=_config())


@functools.cache
def stepfunctions() -> SFNClient:
    """Return the Step Functions client."""
    return boto3.client("stepfunctions", config=_config())


def _config(max_attempts: int = 9, read_timeout: int = 20) -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        connect_timeout=5,
        read_timeout=read_timeout,
        max_pool_connections=CONNECTIONS,
    )
