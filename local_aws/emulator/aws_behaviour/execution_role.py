"""What Amazon ECS does with a task's execution role before the task's containers start.

The role pulls the image from Amazon ECR, makes the log stream and reads secrets. Where it may not, the task stops
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

from local_aws.emulator.aws_behaviour.permissions import role_denial
from local_aws.emulator.runtimes import ImageReference

_REGISTRY_AUTH = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve ecr registry auth: service call has been retried 1 time(s): AccessDeniedException: "
)
_SECRET = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secret from {store}: service call has been retried 1 time(s): failed to fetch secret "
    "{name} from {service}: AccessDeniedException: "
)
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
    """Where a container's output goes.

    Attributes:
        group: log group.
        name: log stream.
        region: of the log group.
        role_arn: the execution role, whose `logs:PutLogEvents` is needed for each delivery.
        session: the ECS task's id.
    """

    group: str
    name: str
    region: str
    role_arn: str
    session: str


def require_pull(role_arn: str, image: ImageReference, session: str) -> None:
    """Make sure that the execution role may pull the image.

    Raises:
        StartFailure: it may not.
    """
    denial = role_denial(role_arn, "ecr:GetAuthorizationToken", "*", session_name=session)
    if denial is not None:
        raise StartFailure(_REGISTRY_AUTH + denial.message)
    repository = f"arn:aws:ecr:{image.region}:{image.account}:repository/{image.repository}"
    for action in PULL_ACTIONS:
        denial = role_denial(role_arn, action, repository, session_name=session)
        if denial is not None:
            raise StartFailure(
                f"{_PULL}{image.name}: pulling from host {image.account}.dkr.ecr.{image.region}.amazonaws.com failed "
                f"with status code [manifests {image.reference}]: 403 Forbidden: {denial.message}"
            )


def image_not_found(message: str, image: ImageReference) -> str:
    """The reason of a task whose image is not in its repository."""
    return f"{_PULL}{image.name}: {message}"


def require_secrets(role_arn: str, secrets: Iterable[dict[str, Any]], session: str) -> None:
    """Make sure that the execution role may read a container's secrets.

    Raises:
        StartFailure: it may not.
    """
    for secret in secrets:
        name = secret.get("valueFrom", "")
        if "secretsmanager" in name:
            action, resource = "secretsmanager:GetSecretValue", ":".join(name.split(":")[:7])
            store, service = "asm", "secrets manager"
        else:
            action, store, service = "ssm:GetParameters", "ssm", "ssm"
            account = get_account_id()
            resource = name if name.startswith("arn:") else f"arn:aws:ssm:*:{account}:parameter/{name.lstrip('/')}"
        denial = role_denial(role_arn, action, resource, session_name=session)
        if denial is not None:
            raise StartFailure(_SECRET.format(store=store, name=name, service=service) + denial.message)


def read_secrets(container: dict[str, Any]) -> dict[str, str]:
    """The values of a container's secrets, by the names of their variables; those of SSM parameters are decrypted.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html

    Raises:
        StartFailure: there is no such secret, parameter or key of a secret.
    """
    try:
        values: dict[str, str] = ecs._resolve_container_secrets(container)
    except ecs._SecretResolutionError as error:
        raise StartFailure(
            f"ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
            f"failed: {error}"
        ) from error
    for secret in container.get("secrets", []):
        if "secretsmanager" not in secret["valueFrom"]:
            values[secret["name"]] = str(ssm.resolve_parameter_value(secret["valueFrom"], decrypt=True))
    return values


def open_log_stream(
    container: dict[str, Any], role_arn: str, task_id: str, runtime_id: str, region: str
) -> LogStream | None:
    """Make the log stream of a container, None where it does not log to CloudWatch Logs.

    Args:
        container: its definition.
        role_arn: the execution role.
        task_id: the ECS task's id.
        runtime_id: names the stream where the definition gives no prefix.
        region: the task's.

    Raises:
        StartFailure: the role may not, or the group does not exist.
    """
    configuration = container.get("logConfiguration") or {}
    if configuration.get("logDriver") != "awslogs":
        return None
    options = configuration.get("options") or {}
    group, prefix = options["awslogs-group"], options.get("awslogs-stream-prefix")
    stream = LogStream(
        group=group,
        name=f"{prefix}/{container['name']}/{task_id}" if prefix else runtime_id,
        region=options.get("awslogs-region") or region,
        role_arn=role_arn,
        session=task_id,
    )
    account = get_account_id()
    group_arn = f"arn:aws:logs:{stream.region}:{account}:log-group:{group}"
    if str(options.get("awslogs-create-group", "")).lower() == "true":
        _require_logs(role_arn, "logs:CreateLogGroup", f"{group_arn}:*", task_id)
        with request_scope(account, stream.region):
            cloudwatch_logs._create_log_group({"logGroupName": group})
    _require_logs(role_arn, "logs:CreateLogStream", f"{group_arn}:log-stream:{stream.name}", task_id)
    with request_scope(account, stream.region):
        if group not in cloudwatch_logs._log_groups:
            raise StartFailure(
                f"{_LOGGER}ResourceNotFoundException: The specified log group does not exist.: exit status 1"
            )
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream.name})
    return stream


def _require_logs(role_arn: str, action: str, resource: str, session: str) -> None:
    denial = role_denial(role_arn, action, resource, session_name=session)
    if denial is not None:
        raise StartFailure(f"{_LOGGER}AccessDeniedException: {denial.message}: exit status 1")


def deliver(stream: LogStream, lines: Iterable[str]) -> None:
    """Put a container's output into its log stream, line by line, as it comes.

    Lines that the execution role may not put are lost, as they are on AWS: the container is not told.
    """
    account = get_account_id()
    resource = f"arn:aws:logs:{stream.region}:{account}:log-group:{stream.group}:log-stream:{stream.name}"
    for line in lines:
        if role_denial(stream.role_arn, "logs:PutLogEvents", resource, session_name=stream.session):
            continue
        with request_scope(account, stream.region):
            cloudwatch_logs._put_log_events(
                {
                    "logGroupName": stream.group,
                    "logStreamName": stream.name,
                    "logEvents": [{"timestamp": int(time.time() * 1000), "message": line}],
                }
            )


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
