"""Physical names and their ARNs: pure functions of pattern, suffix and deployment target.

A function's settings name the state machine that calls the function. Documents use these ARNs instead of resources'
outputs, so that no dependency is cyclic.
"""

from dataclasses import dataclass

CONTAINER = "amazon-ecs-starter-kit"
"""Name of the one container in the task definition."""

LOG_STREAM_PREFIX = "ecs"
"""`awslogs-stream-prefix`; an ECS task's log stream is `<prefix>/<container>/<ECS task id>`."""

SEPARATOR = "$"
"""Separator of the ids in `subnetIdLiteral` and `securityGroupId`."""

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
    """Where a stack is deployed: an AWS partition such as `aws`, an account's 12 digits, and a region."""

    partition: str
    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of `service` in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def bucket_arn(self, bucket: str) -> str:
        """The ARN of a bucket."""
        return f"arn:{self.partition}:s3:::{bucket}"

    def endpoint_service(self, service: str) -> str:
        """The service name of a VPC endpoint, of which `service`, such as `ecr.api`, is the last part."""
        prefix = "cn." if self.partition == "aws-cn" and service in PREFIXED_IN_CHINA else ""
        return f"{prefix}com.amazonaws.{self.region}.{service}"


@dataclass(frozen=True)
class PatternNames:
    """The physical names of one pattern's resources, and their ARNs."""

    pattern: int
    name_suffix: str
    target: DeploymentTarget
    existing_cluster: str = ""

    @property
    def base(self) -> str:
        """Name of cluster, repository, task definition family and state machine, and start of most other names."""
        return self._suffixed(f"amazon-ecs-starter-kit-pattern-{self.pattern}")

    @property
    def cluster(self) -> str:
        """The ECS cluster that tasks run in."""
        return self.existing_cluster or self.base

    @property
    def workflow(self) -> str:
        """Default `workflow_name` of the pattern's runs, and the value of the tag `kit:workflow`."""
        return f"amazon_ecs_starter_kit-pattern-{self.pattern}"

    @property
    def summary_table(self) -> str:
        """The table with one item per run."""
        return self._suffixed(f"workflow_summary_pattern_{self.pattern}")

    @property
    def details_table(self) -> str:
        """The table with one item per attempt at a task."""
        return self._suffixed(f"workflow_details_pattern_{self.pattern}")

    @property
    def bucket(self) -> str:
        """The bucket of source objects and results."""
        return self._suffixed(f"{self.target.account}-ecs-starter-kit-pattern-{self.pattern}-bucket")

    def endpoint(self, service: str) -> str:
        """The tag `Name` of the VPC endpoint of a service."""
        return f"{self.base}-{service}"

    def function(self, workload: str) -> str:
        """The Lambda function of a workload: `launcher`, `monitor` or `reporter`."""
        return f"{self.base}-ecs-task-{workload}"

    def role(self, user: str) -> str:
        """The IAM role of `user`: state-machine, schedule, flow-logs, task, task-execution, or a function's."""
        return f"{self.base}-{user}"

    def rule(self, purpose: str) -> str:
        """The EventBridge rule of a purpose."""
        return f"{self.base}-{purpose}"

    def alarm(self, name: str) -> str:
        """The CloudWatch alarm of a name."""
        return f"{self.base}-{name}"

    @property
    def failure_queue(self) -> str:
        """The queue of events that were not handled."""
        return f"{self.base}-failures"

    @property
    def schedule(self) -> str:
        """The schedule that starts runs."""
        return f"{self.base}-schedule"

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

    @property
    def flow_log_group(self) -> str:
        """Log group of the VPC's flow logs."""
        return f"/aws/vpc/flow-logs/{self.base}"

    def function_log_group(self, workload: str) -> str:
        """Log group of a workload's Lambda function."""
        return f"/aws/lambda/{self.function(workload)}"

    @property
    def bucket_arn(self) -> str:
        """ARN of `bucket`."""
        return self.target.bucket_arn(self.bucket)

    @property
    def cluster_arn(self) -> str:
        """ARN of the ECS cluster."""
        return self.target.arn("ecs", f"cluster/{self.cluster}")

    @property
    def family_arn(self) -> str:
        """ARN of the task definition's family, without a revision."""
        return self.target.arn("ecs", f"task-definition/{self.base}")

    @property
    def repository_arn(self) -> str:
        """ARN of the image repository."""
        return self.target.arn("ecr", f"repository/{self.base}")

    @property
    def state_machine_arn(self) -> str:
        """ARN of the state machine."""
        return self.target.arn("states", f"stateMachine:{self.base}")

    def table_arn(self, table: str) -> str:
        """ARN of a DynamoDB table."""
        return self.target.arn("dynamodb", f"table/{table}")

    def function_arn(self, workload: str) -> str:
        """ARN of a workload's Lambda function; it does not name the function's versions."""
        return self.target.arn("lambda", f"function:{self.function(workload)}")

    def alarm_arn(self, name: str) -> str:
        """ARN of the CloudWatch alarm of a name."""
        return self.target.arn("cloudwatch", f"alarm:{self.alarm(name)}")

    @property
    def rules_arn(self) -> str:
        """ARN of all EventBridge rules, with `*`."""
        return self.target.arn("events", f"rule/{self.base}-*")

    @property
    def failure_queue_arn(self) -> str:
        """ARN of the failure queue."""
        return self.target.arn("sqs", self.failure_queue)

    @property
    def schedule_arn(self) -> str:
        """ARN of the schedule, in the default group."""
        return self.target.arn("scheduler", f"schedule/default/{self.schedule}")

    def role_arn(self, user: str) -> str:
        """ARN of the IAM role of `user`."""
        return f"arn:{self.target.partition}:iam::{self.target.account}:role/{self.role(user)}"

    def _suffixed(self, name: str) -> str:
        return f"{name}-{self.name_suffix}" if self.name_suffix else name
