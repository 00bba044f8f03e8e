"""Physical names and their ARNs: pure functions of pattern, suffix and deployment target.

A function's settings name the state machine that calls the function. Documents use these ARNs instead of resources'
outputs, so that no dependency is cyclic.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecs_kit.runtime.contract.records import OPEN_RUNS_INDEX

CONTAINER = "amazon-ecs-starter-kit"
"""Name of the one container in the task definition."""

LOG_STREAM_PREFIX = "ecs"
"""`awslogs-stream-prefix`; an ECS task's log stream is `<prefix>/<container>/<ECS task id>`."""

SEPARATOR = "$"
"""Separator of the ids in `subnetIdLiteral` and `securityGroupId`."""

MANAGED_RULE = "StepFunctionsGetEventsForECSTaskRule"
"""EventBridge rule with which Step Functions tracks its ECS tasks (its developer guide, "Run Amazon ECS tasks")."""


PREFIXED_IN_CHINA = frozenset(
    (
        *("application-autoscaling", "athena", "autoscaling", "backup", "batch", "cassandra", "cloudformation", "dms"),
        *("ebs", "ec2", "ecr.api", "ecr.dkr", "eks", "elasticache", "elasticfilesystem", "execute-api", "fsx"),
        *("kinesis-streams", "lambda", "monitoring", "rds", "redshift", "redshift-data", "sagemaker.api"),
        *("sagemaker.runtime", "securityhub", "sqs", "states", "sts", "sync-states", "transfer", "xray"),
    )
)
"""Services whose interface endpoints have names with `cn.` before them in both China regions; those of others, such as
`ecs`, `logs`, `secretsmanager` and `ssm`, and gateway endpoints have not.

Of what EC2's DescribeVpcEndpointServices lists there: https://github.com/aws/aws-cdk/pull/25333, of April 2023.
"""


@dataclass(frozen=True)
class DeploymentTarget:
    """Where a stack is deployed.

    Args:
        partition: AWS partition, such as `aws`.
        account: The account's 12 digits.
        region: Region, such as `us-east-1`.
    """

    partition: str
    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of `service` in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def endpoint_service(self, service: str) -> str:
        """The service name of a VPC endpoint.

        Args:
            service: The last part of the name, such as `ecr.api`.
        """
        prefix = "cn." if self.partition == "aws-cn" and service in PREFIXED_IN_CHINA else ""
        return f"{prefix}com.amazonaws.{self.region}.{service}"


@dataclass(frozen=True)
class PatternNames:
    """The physical names of one pattern's resources.

    Args:
        pattern: The pattern's number.
        name_suffix: `kit:nameSuffix`, empty for none.
        target: Where it is deployed.
    """

    pattern: int
    name_suffix: str
    target: DeploymentTarget

    @property
    def base(self) -> str:
        """Name of cluster, repository, task definition family and state machine, and start of most other names."""
        return self._suffixed(f"amazon-ecs-starter-kit-pattern-{self.pattern}")

    @property
    def workflow(self) -> str:
        """Default `workflow_name` of the pattern's runs, and the value of the tag `kit:workflow`."""
        return f"amazon_ecs_starter_kit-pattern-{self.pattern}"

    @property
    def summary_table(self) -> str:
        """Name of the table with one item per run."""
        return self._suffixed(f"workflow_summary_pattern_{self.pattern}")

    @property
    def details_table(self) -> str:
        """Name of the table with one item per attempt at a task."""
        return self._suffixed(f"workflow_details_pattern_{self.pattern}")

    @property
    def bucket(self) -> str:
        """Name of the bucket that holds source objects and copies."""
        return self._suffixed(f"{self.target.account}-ecs-starter-kit-pattern-{self.pattern}-bucket")

    @property
    def launcher_function(self) -> str:
        """Name of the Task Launcher (pattern 1)."""
        return f"{self.base}-ecs-task-launcher"

    @property
    def monitor_function(self) -> str:
        """Name of the Task Monitor."""
        return f"{self.base}-ecs-task-monitor"

    def role(self, user: str) -> str:
        """Name of the IAM role of `user`: state-machine, launcher, monitor, task or task-execution."""
        return f"{self.base}-{user}"

    @property
    def task_log_group(self) -> str:
        """Log group of the containers."""
        return f"/ecs/{self.base}"

    @property
    def state_machine_log_group(self) -> str:
        """The state machine's log group; its prefix keeps AWS's log resource policy within that policy's size limit."""
        return f"/aws/vendedlogs/states/{self.base}"

    @property
    def container_insights_log_group(self) -> str:
        """Log group that ECS writes Container Insights' performance events to."""
        return f"/aws/ecs/containerinsights/{self.base}/performance"

    @staticmethod
    def function_log_group(function: str) -> str:
        """Log group of a Lambda function."""
        return f"/aws/lambda/{function}"

    def _suffixed(self, name: str) -> str:
        return f"{name}-{self.name_suffix}" if self.name_suffix else name


@dataclass(frozen=True)
class PatternArns:
    """The ARNs of a pattern's resources.

    Args:
        names: The names.
    """

    names: PatternNames

    @property
    def bucket(self) -> str:
        """The kit's bucket."""
        return f"arn:{self._target.partition}:s3:::{self.names.bucket}"

    def other_bucket(self, name: str) -> str:
        """A bucket by its name."""
        return f"arn:{self._target.partition}:s3:::{name}"

    @property
    def summary_table(self) -> str:
        """The summary table."""
        return self._target.arn("dynamodb", f"table/{self.names.summary_table}")

    @property
    def details_table(self) -> str:
        """The details table."""
        return self._target.arn("dynamodb", f"table/{self.names.details_table}")

    @property
    def open_runs_index(self) -> str:
        """The summary table's index of open runs."""
        return f"{self.summary_table}/index/{OPEN_RUNS_INDEX}"

    @property
    def cluster(self) -> str:
        """The ECS cluster."""
        return self._target.arn("ecs", f"cluster/{self.names.base}")

    @property
    def ecs_tasks(self) -> str:
        """Every ECS task of the cluster."""
        return self._target.arn("ecs", f"task/{self.names.base}/*")

    @property
    def task_definitions(self) -> str:
        """Every revision of the task definition family."""
        return self._target.arn("ecs", f"task-definition/{self.names.base}:*")

    @property
    def repository(self) -> str:
        """The image repository."""
        return self._target.arn("ecr", f"repository/{self.names.base}")

    @property
    def state_machine(self) -> str:
        """The state machine."""
        return self._target.arn("states", f"stateMachine:{self.names.base}")

    @property
    def executions(self) -> str:
        """Every execution of the state machine."""
        return self._target.arn("states", f"execution:{self.names.base}:*")

    @property
    def launcher_function(self) -> str:
        """The Task Launcher."""
        return self._target.arn("lambda", f"function:{self.names.launcher_function}")

    @property
    def monitor_function(self) -> str:
        """The Task Monitor."""
        return self._target.arn("lambda", f"function:{self.names.monitor_function}")

    @property
    def launcher_versions(self) -> str:
        """Every published version of the Task Launcher; the function's own ARN does not name them."""
        return f"{self.launcher_function}:*"

    @property
    def monitor_versions(self) -> str:
        """Every published version of the Task Monitor."""
        return f"{self.monitor_function}:*"

    @property
    def managed_rule(self) -> str:
        """The rule that Step Functions manages for `.sync`."""
        return self._target.arn("events", f"rule/{MANAGED_RULE}")

    @property
    def network_interfaces(self) -> str:
        """Every EC2 resource of the account, the form that Lambda asks for in policies about its network interfaces."""
        return self._target.arn("ec2", "*/*")

    def role(self, user: str) -> str:
        """The IAM role of `user`, see `PatternNames.role`."""
        return f"arn:{self._target.partition}:iam::{self._target.account}:role/{self.names.role(user)}"

    def log_streams(self, log_group: str) -> str:
        """Every stream of a log group."""
        return self._target.arn("logs", f"log-group:{log_group}:*")

    @property
    def _target(self) -> DeploymentTarget:
        return self.names.target
