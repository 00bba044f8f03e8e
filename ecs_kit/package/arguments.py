"""The arguments of the package's components. `make config` writes them from the keys of the configuration."""

# No `from __future__ import annotations`: Pulumi infers the package's schema from the types themselves.

from typing import Any, TypedDict

import pulumi


class TaskSubmissionArgs(TypedDict, total=False):
    """Arguments of a pattern, each a key of the configuration."""

    name_suffix: str
    """Appended to physical names, so that two deployments can live in one account. Must be at most 12 of a-z, 0-9 and
    hyphen, with no hyphen at either end. By default `""`."""
    target_prefix: str
    """Prefix of the tasks' results in the kit's bucket. Must be folders of letters, digits and !_.*'()- joined by /,
    with none at either end, at most 200 characters. By default `copies`."""
    source_buckets: list[str]
    """Buckets in the stack's region, other than the kit's own, that tasks may read from. Must be a list of at most 20
    different S3 bucket names. By default `[]`."""
    table_billing: str
    """How the tables are billed; PROVISIONED means 5 read and 5 write units each. Must be one of PROVISIONED,
    PAY_PER_REQUEST. By default `PROVISIONED`."""
    availability_zones: list[str]
    """Zones of the VPC; an empty list keeps the stack's zones, or chooses the first two with Fargate. Must be empty or
    a list of 2 different zone names such as us-east-1a. By default `[]`."""
    nat_gateways: str
    """NAT gateways for the private subnets, for jobs that need more than the endpoints. Must be one of none, single,
    per-az. By default `none`."""
    interface_endpoints: list[str]
    """AWS services reached through interface endpoints, each by the last part of its endpoint's name. Must be a list of
    at most 30 different endpoint names such as ecr.api. By default `["ecs", "ecs-agent", "ecr.api", "ecr.dkr", "logs",
    "states"]`."""
    container_insights: str
    """CloudWatch Container Insights of the clusters. Must be one of disabled, enabled, enhanced. By default
    `disabled`."""
    task_cpu: int
    """CPU units of a task (1024 are one vCPU). Must be one of 256, 512, 1024, 2048, 4096, 8192, 16384. By default
    `256`."""
    task_memory: int
    """Memory of a task in MiB, one that Fargate offers for taskCpu. Must be a whole number from 512 to 122880. By
    default `512`."""
    task_ephemeral_storage: int
    """Ephemeral storage of a task in GiB; 20 is what every Fargate task has. Must be a whole number from 20 to 200. By
    default `20`."""
    task_root_file_system: str
    """Whether the job may write to its container's file system. Must be one of read-only, writable. By default
    `read-only`."""
    spot_share: int
    """Percentage of tasks whose first attempt runs on Fargate Spot; further attempts run on demand. Must be a whole
    number from 0 to 100. By default `0`."""
    cpu_architecture: str
    """Processor architecture of image and tasks. Must be one of X86_64, ARM64. By default `X86_64`."""
    base_image: str
    """Image that the task's image is built on, pinned by the digest of its index over all architectures. Must be an
    image reference such as registry/name:tag or registry/name@sha256:digest. By default `python:3.13-slim`, pinned by
    digest."""
    stop_timeout_seconds: int
    """Seconds from SIGTERM to SIGKILL when a task is stopped. Must be a whole number from 2 to 120. By default `10`."""
    task_attempts: int
    """Attempts at a task whose job fails. Must be a whole number from 1 to 10. By default `1`."""
    task_timeout_seconds: int
    """Seconds after which an attempt is stopped. Must be a whole number from 30 to 86400. By default `3600`."""
    run_timeout_seconds: int
    """Seconds after which a run ends, not less than taskTimeoutSeconds. Must be a whole number from 60 to 129600. By
    default `21600`."""
    tolerated_failure_percentage: int
    """Percentage of tasks that may fail in a run that still counts as a success. Must be a whole number from 0 to 100.
    By default `0`."""
    max_concurrency: int
    """ECS tasks of a run at once; 0 for as many as the pattern can: all in pattern 1, about 40 in pattern 2. Must be a
    whole number from 0 to 5000. By default `0`."""
    record_retention_days: int
    """Days after its deadline for which a run's items are kept; 0 for ever. Must be a whole number from 0 to 3650. By
    default `0`."""
    log_retention_days: int
    """Days that logs are kept; one of the numbers CloudWatch Logs offers. Must be one of 1, 3, 5, 7, 14, 30, 60, 90,
    120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653. By default `7`."""
    job_context: str
    """Your own image: its build folder. Must be a folder, relative to the project's own, that holds jobDockerfile. By
    default `""`."""
    job_dockerfile: str
    """The Dockerfile of your own image. Must be a path within jobContext. By default `Dockerfile`."""
    job_image: pulumi.Input[str]
    """A ready image; then none is built and no repository is created. Must be an image reference by tag or digest;
    without NAT gateways one in Amazon ECR. By default `""`."""
    job_records: str
    """Who keeps the rows of tasks: the kit's library in the image, or, for any image, the monitor by what ECS says.
    Must be one of kit, ecs. By default `kit`."""
    job_success_exit_codes: list[str]
    """With jobRecords ecs: exit codes of a container that did its job. Must be a list of at most 20 different numbers
    from 0 to 255, with 0. By default `["0"]`."""
    job_retry_exit_codes: list[str]
    """With jobRecords ecs: exit codes of a job that is tried again; an empty list for all codes of failure. Must be a
    list of at most 20 different numbers from 1 to 255. By default `[]`."""
    job_function: str
    """The function that does the job in an image with the kit's library. Must be module:function, such as
    word_count:run. By default `""`."""
    job_entry_point: list[str]
    """What replaces the image's ENTRYPOINT. Must be a list of at most 100 words, none of them empty. By default
    `[]`."""
    job_command: list[str]
    """What replaces the image's CMD. Must be a list of at most 100 words, none of them empty. By default `[]`."""
    job_environment: dict[str, pulumi.Input[str]]
    """Environment of the job; variables named JOB_… are its parameters. Must be at most 100 strings, by names that do
    not start with KIT_, AWS_ or ECS_. By default `{}`."""
    job_secrets: dict[str, pulumi.Input[str]]
    """Secrets in the job's environment. Must be ARNs of Secrets Manager secrets or SSM parameters, by names as in
    jobEnvironment. By default `{}`."""
    job_policy: pulumi.Input[dict[str, Any]]
    """What the job may do besides reading its source and writing its result. Must be an IAM identity policy as JSON
    text of at most 8000 characters. By default `""`."""
    tags: dict[str, str]
    """Tags of your own on every resource that takes them. Must be at most 40 tags of strings that AWS allows, none
    starting with aws: or kit:. By default `{}`."""
