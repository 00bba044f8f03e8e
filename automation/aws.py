"""The driver's AWS clients: one of each service, made when first used, all with the same manners."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient
    from types_boto3_ecr.client import ECRClient
    from types_boto3_ecs.client import ECSClient
    from types_boto3_logs.client import CloudWatchLogsClient
    from types_boto3_s3.client import S3Client
    from types_boto3_stepfunctions.client import SFNClient

CLIENT_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 8})
"""Standard mode backs off on throttling
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html); the timeouts keep a dead
connection from holding up a Ctrl-C for long."""


class AwsClients:
    """Clients of one account and region.

    Args:
        session: whose credentials and region they use.
        endpoint_url: an emulator's address; None for AWS or what the environment says.
    """

    def __init__(self, session: boto3.Session, *, endpoint_url: str | None = None) -> None:
        self._session = session
        self._endpoint_url = endpoint_url

    @property
    def endpoint_url(self) -> str | None:
        """The emulator's address, None for AWS."""
        return self._endpoint_url

    @property
    def region(self) -> str:
        """The region's name, like `us-east-1`."""
        return self._session.region_name or ""

    def client(self, service: str, **config: Any) -> Any:
        """A client of `service`, by botocore's name for it."""
        return self._session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self._endpoint_url,
            config=CLIENT_CONFIG.merge(Config(**config)) if config else CLIENT_CONFIG,
        )

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Amazon DynamoDB."""
        client: DynamoDBClient = self.client("dynamodb")
        return client

    @cached_property
    def ec2(self) -> Any:
        """Amazon EC2, for all that belongs to a VPC."""
        return self.client("ec2")

    @cached_property
    def ecr(self) -> "ECRClient":
        """Amazon ECR."""
        client: ECRClient = self.client("ecr")
        return client

    @cached_property
    def ecs(self) -> "ECSClient":
        """Amazon ECS."""
        client: ECSClient = self.client("ecs")
        return client

    @cached_property
    def events(self) -> Any:
        """Amazon EventBridge."""
        return self.client("events")

    @cached_property
    def iam(self) -> Any:
        """AWS IAM."""
        return self.client("iam")

    @cached_property
    def functions(self) -> Any:
        """AWS Lambda."""
        return self.client("lambda")

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """Amazon CloudWatch Logs."""
        client: CloudWatchLogsClient = self.client("logs")
        return client

    @cached_property
    def s3(self) -> "S3Client":
        """Amazon S3."""
        path_style = {"s3": {"addressing_style": "path"}} if self._endpoint_url else {}
        client: S3Client = self.client("s3", **path_style)
        return client

    @cached_property
    def stepfunctions(self) -> "SFNClient":
        """AWS Step Functions."""
        client: SFNClient = self.client("stepfunctions")
        return client

    @cached_property
    def sts(self) -> Any:
        """AWS STS. It is asked once, first, to see whether anything works at all: it gives up soon."""
        return self.client("sts", retries={"mode": "standard", "max_attempts": 2})
