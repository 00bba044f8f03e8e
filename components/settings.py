"""The settings that both Lambda functions get in their environment, `KIT_SETTINGS`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.config import KitConfig
from components.names import (
    CONTAINER,
    DETAILS_HASH_KEY,
    DETAILS_RANGE_KEY,
    LOG_STREAM_PREFIX,
    SEPARATOR,
    SUMMARY_HASH_KEY,
    SUMMARY_RANGE_KEY,
    PatternArns,
    PatternNames,
)

LAUNCH_TYPE = "FARGATE"


def infrastructure(
    names: PatternNames, *, subnet_ids: Sequence[str], security_group_id: str, task_definition: str
) -> dict[str, str]:
    """The attributes of a spec that name what the stack deployed.

    Args:
        names: The pattern's names.
        subnet_ids: The private subnets.
        security_group_id: The tasks' security group.
        task_definition: `family:revision`.
    """
    return {
        "region": names.place.region,
        "s3BucketName": names.bucket,
        "subnetIdLiteral": SEPARATOR.join(subnet_ids),
        "separator": SEPARATOR,
        "securityGroupId": security_group_id,
        "ddbTableNameWFSummary": names.summary_table,
        "hashKeyWFSummary": SUMMARY_HASH_KEY,
        "rangeKeyWFSummary": SUMMARY_RANGE_KEY,
        "ddbTableNameWFDetails": names.details_table,
        "hashKeyWFDetails": DETAILS_HASH_KEY,
        "rangeKeyWFDetails": DETAILS_RANGE_KEY,
        "clusterName": names.base,
        "containerName": CONTAINER,
        "taskDefinition": task_definition,
    }


def function_settings(
    names: PatternNames, config: KitConfig, *, infrastructure: dict[str, str], security_group_ids: Sequence[str]
) -> dict[str, Any]:
    """The document in `KIT_SETTINGS`.

    Args:
        names: The pattern's names.
        config: The stack's configuration.
        infrastructure: See `infrastructure`.
        security_group_ids: Every group of the kit that a spec may name for its tasks.
    """
    return {
        "pattern": names.pattern,
        "infrastructure": infrastructure,
        "securityGroupIds": list(security_group_ids),
        "stateMachineArn": PatternArns(names).state_machine,
        "targetPrefix": config.target_prefix,
        "sourceBuckets": list(config.source_buckets),
        "taskAttempts": config.task_attempts,
        "taskTimeoutSeconds": config.task_timeout_seconds,
        "runTimeoutSeconds": config.run_timeout_seconds,
        "toleratedFailurePercentage": config.tolerated_failure_percentage,
        "logStreamPrefix": LOG_STREAM_PREFIX,
        "maxConcurrency": config.max_concurrency,
        "recordRetentionDays": config.record_retention_days,
        "launchType": LAUNCH_TYPE,
        "spotShare": config.spot_share,
    }
