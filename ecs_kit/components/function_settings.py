"""The settings of the Lambda functions: of the reporter in a variable of its own, of the others in `KIT_SETTINGS`."""

import json
from collections.abc import Mapping, Sequence

from ecs_kit.components.config import KitConfig
from ecs_kit.components.names import CONTAINER, LOG_STREAM_PREFIX, SEPARATOR, PatternNames
from ecs_kit.runtime.contract import overrides
from ecs_kit.runtime.contract.records import DETAILS_HASH_KEY, DETAILS_RANGE_KEY, SUMMARY_HASH_KEY, SUMMARY_RANGE_KEY
from ecs_kit.runtime.contract.settings import Settings


def infrastructure(
    names: PatternNames, *, subnet_ids: Sequence[str], security_group_ids: Sequence[str], task_definition: str
) -> dict[str, str]:
    """The attributes of a spec that name what the stack deployed; `task_definition` is `family:revision`."""
    return {
        "region": names.target.region,
        "s3BucketName": names.bucket,
        "subnetIdLiteral": SEPARATOR.join(subnet_ids),
        "securityGroupId": SEPARATOR.join(security_group_ids),
        "ddbTableNameWFSummary": names.summary_table,
        "hashKeyWFSummary": SUMMARY_HASH_KEY,
        "rangeKeyWFSummary": SUMMARY_RANGE_KEY,
        "ddbTableNameWFDetails": names.details_table,
        "hashKeyWFDetails": DETAILS_HASH_KEY,
        "rangeKeyWFDetails": DETAILS_RANGE_KEY,
        "clusterName": names.cluster,
        "containerName": CONTAINER,
        "taskDefinition": task_definition,
    }


def function_settings(
    names: PatternNames, config: KitConfig, *, infrastructure: dict[str, str], security_group_ids: Sequence[str]
) -> Settings:
    """The settings of launcher and monitor; a spec may name any of `security_group_ids` for its tasks."""
    return Settings(
        pattern=names.pattern,
        infrastructure=infrastructure,
        separator=SEPARATOR,
        security_group_ids=tuple(security_group_ids),
        source_buckets=config.source_buckets,
        state_machine_arn=names.state_machine_arn,
        target_prefix=config.target_prefix,
        task_attempts=config.task_attempts,
        task_timeout_seconds=config.task_timeout_seconds,
        run_timeout_seconds=config.run_timeout_seconds,
        tolerated_failure_percentage=config.tolerated_failure_percentage,
        log_stream_prefix=LOG_STREAM_PREFIX,
        launch_type="FARGATE",
        spot_share=config.spot_share,
        max_concurrency=config.max_concurrency,
        run_task_rate=config.run_task_rate,
        job_records=config.job.records,
        success_exit_codes=tuple(config.job.success_exit_codes),
        retry_exit_codes=tuple(config.job.retry_exit_codes),
        job_command=tuple(config.job.command) if overrides.used(config.job.command) else (),
        job_environment=config.job.environment_with_placeholders,
        record_retention_days=config.record_retention_days,
    )


def reporter_settings(
    names: PatternNames, config: KitConfig, functions: Sequence[str], infrastructure: Mapping[str, str]
) -> str:
    """The settings of the reporter of a pattern with these functions, as JSON."""
    deployed = {
        **infrastructure,
        "workflowName": names.workflow,
        "stateMachineArn": names.state_machine_arn,
        **{f"{workload}FunctionName": names.function(workload) for workload in functions},
        "taskLogGroup": names.task_log_group,
        "targetPrefix": config.target_prefix,
    }
    return json.dumps({"pattern": names.pattern, "deployed": deployed}, separators=(",", ":"))
