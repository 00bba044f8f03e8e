"""The driver's AWS clients: one of each service, made when first used, all with the same timeouts and retries."""

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
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html). The timeouts keep a dead connection from
delaying a Ctrl-C."""


class AwsClients:
    """Clients of one account and region: `aws.dynamodb`, `aws.ecs`, …; `aws.functions` is AWS Lambda.

    `endpoint_url` is an emulator's address; None for AWS or what the environment says.
    """

    cloudwatch: Any
    dynamodb: "DynamoDBClient"
    ec2: Any
    ecr: "ECRClient"
    ecs: "ECSClient"
    events: Any
    functions: Any
    iam: Any
    logs: "CloudWatchLogsClient"
    s3: "S3Client"
    scheduler: Any
    sqs: Any
    stepfunctions: "SFNClient"
    sts: Any

    def __init__(self, session: boto3.Session, *, endpoint_url: str | None = None) -> None:
        self._session = session
        self.endpoint_url = endpoint_url

    def client(self, service: str, **config: Any) -> Any:
        """Another client of `service`, by botocore's name for it, with settings of its own."""
        return self._session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint_url,
            config=CLIENT_CONFIG.merge(Config(**config)),
        )

    def __getattr__(self, name: str) -> Any:
        if name not in AwsClients.__annotations__:
            raise AttributeError(name)
        config: dict[str, Any] = {}
        if name == "sts":
            # It is asked first, to see whether anything works, and has to fail soon.
            config = {"retries": {"mode": "standard", "max_attempts": 2}}
        elif name == "s3" and self.endpoint_url:
            config = {"s3": {"addressing_style": "path"}}
        client = self.client("lambda" if name == "functions" else name, **config)
        setattr(self, name, client)
        return client
