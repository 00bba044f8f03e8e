"""What Amazon ECS does with a task's execution role before the task's containers start.

The role pulls the image from Amazon ECR, creates the log stream and reads secrets. Where it may not, the task stops
with `TaskFailedToStart` and a reason in the words of
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id, request_scope
from ministack.services import cloudwatch_logs, ecr, ecs, ssm

from local_aws.emulator.aws_behaviour import permissions
from local_aws.emulator.aws_behaviour.patching import unless_left_out
from local_aws.emulator.runtimes import ImageReference

_SECRETS = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
_PULL = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
_LOGGER = (
    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to "
    "create Cloudwatch log stream: "
)
PULL_ACTIONS = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
"""What a pull needs on the repository, besides `ecr:GetAuthorizationToken` on `*`."""


class StartFailure(Exception):
    """The task cannot start; the message is its `stoppedReason`."""


@dataclass(frozen=True)
class LogStream:
    """Where a container's output goes: log group, log stream, and the log group's region."""

    group: str
    name: str
    region: str

    @property
    def arn(self) -> str:
        """Of the log stream."""
        return f"arn:aws:logs:{self.region}:{get_account_id()}:log-group:{self.group}:log-stream:{self.name}"


@unless_left_out("execution_role", lambda *_: None)
def denial(role_arn: str, action: str, resource: str, task_id: str) -> str | None:
    """Why a task's execution role may not do something, or None where it may."""
    return permissions.role_denial(role_arn, action, resource, session_name=task_id)


@dataclass(frozen=True)
class ExecutionRole:
    """A task's execution role; every method that can fail raises `StartFailure`. The task's id names its session."""

    arn: str
    task_id: str

    def _require(self, action: str, resource: str, reason: str, end: str = "") -> None:
        denied = denial(self.arn, action, resource, self.task_id)
        if denied is not None:
            raise StartFailure(f"{reason}{denied}{end}")

    def require_pull(self, image: ImageReference) -> None:
        """Make sure that the role may pull the image."""
        self._require(
            "ecr:GetAuthorizationToken",
            "*",
            f"{_SECRETS}unable to retrieve ecr registry auth: service call has been retried 1 time(s): "
            "AccessDeniedException: ",
        )
        for action in PULL_ACTIONS:
            self._require(
                action,
                f"arn:aws:ecr:{image.region}:{image.account}:repository/{image.repository}",
                f"{_PULL}{image.name}: pulling from host {image.account}.dkr.ecr.{image.region}.amazonaws.com failed "
                f"with status code [manifests {image.reference}]: 403 Forbidden: ",
            )

    def read_secrets(self, container: dict[str, Any]) -> dict[str, str]:
        """The values of a container's secrets, by the names of their variables; those of SSM parameters are decrypted.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html
        """
        secrets = [(each["name"], each["valueFrom"]) for each in container.get("secrets", [])]
        for _variable, source in secrets:
            if "secretsmanager" in source:
                action, resource = "secretsmanager:GetSecretValue", ":".join(source.split(":")[:7])
                store, service = "asm", "secrets manager"
            else:
                action, store, service = "ssm:GetParameters", "ssm", "ssm"
                parameter = f"arn:aws:ssm:*:{get_account_id()}:parameter/{source.lstrip('/')}"
                resource = source if source.startswith("arn:") else parameter
            self._require(
                action,
                resource,
                f"{_SECRETS}unable to retrieve secret from {store}: service call has been retried 1 time(s): failed to "
                f"fetch secret {source} from {service}: AccessDeniedException: ",
            )
        try:
            values: dict[str, str] = ecs._resolve_container_secrets(container)
        except ecs._SecretResolutionError as error:
            raise StartFailure(f"{_SECRETS}{error}") from error
        parameters = {name: source for name, source in secrets if "secretsmanager" not in source}
        return values | {
            name: str(ssm.resolve_parameter_value(source, decrypt=True)) for name, source in parameters.items()
        }

    def open_log_stream(self, container: dict[str, Any], region: str) -> LogStream | None:
        """Create the log stream of a container; None where it does not log to CloudWatch Logs."""
        configuration = container.get("logConfiguration") or {}
        if configuration.get("logDriver") != "awslogs":
            return None
        options = configuration["options"]
        if "awslogs-create-group" in options or "awslogs-stream-prefix" not in options:
            raise StartFailure(
                f"{_LOGGER}this emulator needs awslogs-stream-prefix, as Fargate does, and has no awslogs-create-group"
            )
        stream = LogStream(
            group=options["awslogs-group"],
            name=f"{options['awslogs-stream-prefix']}/{container['name']}/{self.task_id}",
            region=options.get("awslogs-region", region),
        )
        with request_scope(get_account_id(), stream.region):
            denied, end = f"{_LOGGER}AccessDeniedException: ", ": exit status 1"
            self._require("logs:CreateLogStream", stream.arn, denied, end)
            if stream.group not in cloudwatch_logs._log_groups:
                raise StartFailure(
                    f"{_LOGGER}ResourceNotFoundException: The specified log group does not exist.: exit status 1"
                )
            cloudwatch_logs._create_log_stream({"logGroupName": stream.group, "logStreamName": stream.name})
        return stream

    def deliver(self, stream: LogStream, lines: Iterable[str]) -> None:
        """Put a container's output into its log stream, line by line, as it comes.

        Lines that the role may not put are lost, as they are on AWS: the container is not told.
        """
        for line in lines:
            if denial(self.arn, "logs:PutLogEvents", stream.arn, self.task_id):
                continue
            event = {"timestamp": int(time.time() * 1000), "message": line}
            with request_scope(get_account_id(), stream.region):
                cloudwatch_logs._put_log_events(
                    {"logGroupName": stream.group, "logStreamName": stream.name, "logEvents": [event]}
                )


def image_not_found(image: ImageReference, reason: str) -> str:
    """Why a task does not start whose image cannot be pulled from its repository."""
    return f"{_PULL}{image.name}: {reason}"


class EmulatorRegistry:
    """The emulator's own Amazon ECR, read without a network."""

    def manifest(self, image: ImageReference) -> tuple[str, bytes] | None:
        """The digest and bytes of a manifest."""
        with request_scope(image.account, image.region):
            if image.repository not in ecr._repositories:
                return None
            digest, raw, _media_type = ecr._resolve_manifest(image.repository, image.reference)
        return None if raw is None else (digest, raw)

    def blob(self, image: ImageReference, digest: str) -> bytes | None:
        """The bytes of a layer or a configuration."""
        with request_scope(image.account, image.region):
            found: bytes | None = (ecr._layer_blobs.get(image.repository) or {}).get(digest)
        return found
