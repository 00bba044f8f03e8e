"""The AWS clients with which runs are read: the function's own, or the driver's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ecs_kit.runtime.functions import clients

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ecs import ECSClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_s3 import S3Client
    from types_boto3_stepfunctions import SFNClient


class ReadClients(Protocol):
    """What reads a run."""

    @property
    def dynamodb(self) -> DynamoDBClient:
        """Its rows."""

    @property
    def ecs(self) -> ECSClient:
        """Its task definition."""

    @property
    def logs(self) -> CloudWatchLogsClient:
        """The logs of its tasks."""

    @property
    def s3(self) -> S3Client:
        """Its pinned spec and task list."""

    @property
    def stepfunctions(self) -> SFNClient:
        """Its execution."""


class FunctionClients:
    """The clients of the function, created when first used."""

    @property
    def dynamodb(self) -> DynamoDBClient:
        """Reads the rows."""
        return clients.dynamodb()

    @property
    def ecs(self) -> ECSClient:
        """Describes task definitions."""
        return clients.ecs()

    @property
    def logs(self) -> CloudWatchLogsClient:
        """Reads the logs of tasks."""
        return clients.logs()

    @property
    def s3(self) -> S3Client:
        """Reads pinned specs, writes reports."""
        return clients.s3()

    @property
    def stepfunctions(self) -> SFNClient:
        """Describes executions."""
        return clients.stepfunctions()
