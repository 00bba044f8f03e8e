"""The kit's configuration: every key with its type, default, description and range, read and checked once.

The fields here and in `JobArgs` alone hold defaults and ranges. `make pages` writes them into `Pulumi.yaml`. Inline
Automation API programs do not see that file's defaults, so nothing may depend on them.
"""

# ruff: noqa: RUF009 - `key` is `dataclasses.field`

import difflib
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

import pulumi

from ecs_kit.components import egress
from ecs_kit.components.errors import ConfigError, ConfigProblem
from ecs_kit.components.job import JobArgs, job_problems
from ecs_kit.components.keys import Key, NotText, Rule, between, key, keys_of, list_of, one_of, text
from ecs_kit.components.zones import ZONES
from ecs_kit.runtime.contract.fargate import FARGATE_MEMORY, FARGATE_STORAGE_GIB
from ecs_kit.runtime.contract.patterns import PATTERNS
from ecs_kit.runtime.contract.reports import REPORT_PREFIX
from ecs_kit.runtime.contract.spec_references import PINNED_PREFIX, SPEC_PREFIX

NAMESPACE = "ecs-step-functions-kit"
"""The project's name in `Pulumi.yaml`, which is the namespace of its configuration keys."""

TableBilling = Literal["PROVISIONED", "PAY_PER_REQUEST"]
NatGateways = Literal["none", "single", "per-az"]
ContainerInsights = Literal["disabled", "enabled", "enhanced"]
RootFileSystem = Literal["read-only", "writable"]
CpuArchitecture = Literal["X86_64", "ARM64"]
Endpoints = Literal["create", "none"]
EndpointPolicies = Literal["restricted", "open"]
RetainData = Literal["delete", "retain"]
Created = Literal["create", "none"]
Switch = Literal["disabled", "enabled"]

REQUIRED_ENDPOINTS = ("ecs", "ecr.api", "ecr.dkr", "logs", "states")
"""Interface endpoints that workloads need in subnets without a NAT gateway."""

GATEWAY_SERVICES = ("s3", "dynamodb")
"""Services with gateway endpoints, which are free."""

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that CloudWatch Logs accepts (API reference, PutRetentionPolicy)."""

MAX_SOURCE_BUCKETS = 20
"""The list is in the functions' environment, which AWS limits to 4 KB."""

MAX_SUBNETS = 6
"""Their ids are in the functions' environment, too."""

MAX_SECURITY_GROUPS = 5
"""As many as RunTask and Lambda take (API references, AwsVpcConfiguration and VpcConfig)."""

MOST_LAUNCHES_PER_SECOND = 200
"""A launcher with one vCPU reaches it, and a run's rows fill four fifths of a partition of DynamoDB."""

MAX_USER_TAGS = 40
"""AWS allows 50 tags on a resource; the kit and awsx add their own."""

NONCURRENT_DAYS = 30
"""Days for which a versioned bucket keeps objects that were replaced or deleted."""

_BUCKET_NAME = re.compile(r"(?!xn--|.*-s3alias$|.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OPTIONAL_BUCKET = re.compile(f"(?:{_BUCKET_NAME.pattern})?")
_ENDPOINT = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,60}[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9.:/_-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?")
_PREFIX_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9!_.*'()-]+")
_VPC = re.compile(r"(?:vpc-[0-9a-f]{8,17})?")
_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}")
_SECURITY_GROUP = re.compile(r"sg-[0-9a-f]{8,17}")
_CLUSTER = re.compile(r"[A-Za-z0-9_-]{0,255}")
_POLICY_ARN = re.compile(r"(?:arn:aws[a-z-]*:iam::(?:\d{12}|aws):policy/[\w+=,.@/-]{1,576})?", re.ASCII)
_KEY_ARN = re.compile(r"(?:arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):\d{12}:key/[A-Za-z0-9-]{1,64})?")
_TOPIC_ARN = re.compile(r"(?:arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256})?", re.ASCII)
_SCHEDULE = re.compile(
    r"(?:rate\([1-9]\d{0,4} (?:minute|hour|day)s?\)|cron\(\S+(?: \S+){5}\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\))?",
    re.ASCII,
)
_TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,49}")
_SPEC_KEY = re.compile(rf"{SPEC_PREFIX}(?!{PINNED_PREFIX.removeprefix(SPEC_PREFIX)})[A-Za-z0-9!_.*'()/-]{{1,200}}")
_ZONE = re.compile(r"[a-z]{2}-[a-z0-9-]{1,60}[a-z]")
_SUFFIX = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?)?")
_TAG_KEY = re.compile(r"(?!(?i:aws|kit):)[\w .:/=+@-]{1,128}")
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")


def _is_target_prefix(value: str) -> bool:
    first, *_ = segments = value.split("/")
    return len(value) <= 200 and f"{first}/" != SPEC_PREFIX and all(map(_PREFIX_SEGMENT.fullmatch, segments))


def _are_zones(value: tuple[str, ...]) -> bool:
    return not value or (len(set(value)) == len(value) == ZONES and all(map(_ZONE.fullmatch, value)))


def _are_user_tags(tags: Mapping[str, str]) -> bool:
    texts = [*map(_TAG_KEY.fullmatch, tags), *map(_TAG_VALUE.fullmatch, tags.values())]
    return len(tags) <= MAX_USER_TAGS and all(texts)


@dataclass(frozen=True)
class KitConfig:
    """All configuration of a stack. `KitConfig.read` and, from raw strings, `KitConfig.parse` check what they make."""

    patterns: str = key("all", "Which patterns the stack holds.", one_of("all", *map(str, PATTERNS)))
    name_suffix: str = key(
        "",
        "Appended to physical names, so that two deployments can live in one account.",
        text(_SUFFIX, "at most 12 of a-z, 0-9 and hyphen, with no hyphen at either end"),
    )
    target_prefix: str = key(
        "copies",
        "Prefix of the tasks' results in the kit's bucket.",
        Rule(
            "folders of letters, digits and !_.*'()- joined by /, with none at either end, at most 200 characters, "
            f"and not below {SPEC_PREFIX}, where specs are",
            _is_target_prefix,
        ),
    )
    source_buckets: tuple[str, ...] = key(
        (),
        "Buckets in the stack's region, other than the kit's own, that tasks may read from.",
        list_of(_BUCKET_NAME, "S3 bucket names", MAX_SOURCE_BUCKETS),
    )
    table_billing: TableBilling = key(
        "PROVISIONED",
        "How the tables are billed; PROVISIONED means 5 read and 5 write units each.",
        one_of(*get_args(TableBilling)),
    )
    availability_zones: tuple[str, ...] = key(
        (),
        "Zones of the VPC; an empty list keeps the stack's zones, or chooses the first two with Fargate.",
        Rule(f"empty or a list of {ZONES} different zone names such as us-east-1a", _are_zones),
    )
    nat_gateways: NatGateways = key(
        "none",
        "NAT gateways for the private subnets, for jobs that need more than the endpoints.",
        one_of(*get_args(NatGateways)),
    )
    interface_endpoints: tuple[str, ...] = key(
        ("ecs", "ecs-agent", "ecr.api", "ecr.dkr", "logs", "states"),
        "AWS services reached through interface endpoints, each by the last part of its endpoint's name.",
        list_of(_ENDPOINT, "endpoint names such as ecr.api", 30),
    )
    vpc_id: str = key(
        "",
        "An existing VPC, with privateSubnetIds; then the kit creates no VPC, subnets, route tables or NAT gateways.",
        text(_VPC, "the id of a VPC, such as vpc-0123456789abcdef0"),
    )
    private_subnet_ids: tuple[str, ...] = key(
        (),
        "Subnets of vpcId for tasks and functions.",
        list_of(_SUBNET, "ids of subnets, such as subnet-0123456789abcdef0", MAX_SUBNETS),
    )
    security_group_ids: tuple[str, ...] = key(
        (),
        "Security groups of vpcId for tasks and functions alike; an empty list lets the kit create one for each.",
        list_of(_SECURITY_GROUP, "ids of security groups, such as sg-0123456789abcdef0", MAX_SECURITY_GROUPS),
    )
    endpoints: Endpoints = key(
        "create",
        "Whether the kit creates VPC endpoints, or, in an existing VPC, uses those that are there.",
        one_of(*get_args(Endpoints)),
    )
    endpoint_policies: EndpointPolicies = key(
        "restricted",
        "Whether the endpoints that the kit creates let through what the kit's roles may do, or every call.",
        one_of(*get_args(EndpointPolicies)),
    )
    task_egress: tuple[str, ...] = key(
        (),
        "What tasks may reach besides AWS services, as rules of their security group.",
        Rule(
            f"a list of at most {egress.MAX_RULES} different rules protocol:port[-port]:CIDR besides "
            "tcp:443:0.0.0.0/0, such as tcp:5432:10.0.0.0/8",
            egress.are_rules,
        ),
    )
    cluster_name: str = key(
        "",
        "An existing ECS cluster that tasks run in; then the kit creates none.",
        text(_CLUSTER, "the name of an ECS cluster"),
    )
    permissions_boundary: str = key(
        "",
        "The permissions boundary of every role that the kit creates.",
        text(_POLICY_ARN, "the ARN of a managed IAM policy"),
    )
    kms_key_arn: str = key(
        "",
        "An existing KMS key that encrypts bucket, tables, log groups and image repository.",
        text(_KEY_ARN, "the ARN of a KMS key in the stack's region, not of an alias"),
    )
    retain_data: RetainData = key(
        "delete",
        "Whether a destroy deletes bucket, tables and image repository; retained tables are protected from deletion.",
        one_of(*get_args(RetainData)),
    )
    point_in_time_recovery: Switch = key(
        "disabled",
        "Whether the tables can be restored to any second of the last 35 days.",
        one_of(*get_args(Switch)),
    )
    bucket_versioning: Switch = key(
        "disabled",
        f"Whether the bucket keeps replaced and deleted objects, for {NONCURRENT_DAYS} days.",
        one_of(*get_args(Switch)),
    )
    result_retention_days: int = key(
        0, "Days after which objects below targetPrefix are deleted; 0 for never.", between(0, 3650)
    )
    access_log_bucket: str = key(
        "",
        "An existing bucket that gets the server access logs of the pattern's bucket.",
        text(_OPTIONAL_BUCKET, "an S3 bucket name in the stack's account and region"),
    )
    flow_logs: Created = key(
        "none", "Whether the kit's own VPCs have flow logs, in CloudWatch Logs.", one_of(*get_args(Created))
    )
    execution_data_in_logs: Switch = key(
        "disabled",
        "Whether the state machine's log holds input and output of states, such as names of objects.",
        one_of(*get_args(Switch)),
    )
    container_insights: ContainerInsights = key(
        "disabled", "CloudWatch Container Insights of the clusters.", one_of(*get_args(ContainerInsights))
    )
    task_cpu: int = key(256, "CPU units of a task (1024 are one vCPU).", one_of(*FARGATE_MEMORY))
    task_memory: int = key(
        512, "Memory of a task in MiB, one that Fargate offers for taskCpu.", between(512, FARGATE_MEMORY[16384][-1])
    )
    task_ephemeral_storage: int = key(
        FARGATE_STORAGE_GIB,
        "Ephemeral storage of a task in GiB; 20 is what every Fargate task has.",
        between(FARGATE_STORAGE_GIB, 200),
    )
    task_root_file_system: RootFileSystem = key(
        "read-only", "Whether the job may write to its container's file system.", one_of(*get_args(RootFileSystem))
    )
    spot_share: int = key(
        0,
        "Percentage of tasks whose first attempt runs on Fargate Spot; further attempts run on demand.",
        between(0, 100),
    )
    cpu_architecture: CpuArchitecture = key(
        "X86_64", "Processor architecture of image and tasks.", one_of(*get_args(CpuArchitecture))
    )
    base_image: str = key(
        "python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b",
        "Image that the task's image is built on, pinned by the digest of its index over all architectures.",
        text(_IMAGE, "an image reference such as registry/name:tag or registry/name@sha256:digest"),
    )
    stop_timeout_seconds: int = key(10, "Seconds from SIGTERM to SIGKILL when a task is stopped.", between(2, 120))
    task_attempts: int = key(1, "Attempts at a task whose job fails.", between(1, 10))
    task_timeout_seconds: int = key(3600, "Seconds after which an attempt is stopped.", between(30, 86400))
    run_timeout_seconds: int = key(
        21600, "Seconds after which a run ends, not less than taskTimeoutSeconds.", between(60, 129600)
    )
    tolerated_failure_percentage: int = key(
        0, "Percentage of tasks that may fail in a run that still counts as a success.", between(0, 100)
    )
    max_concurrency: int = key(
        0,
        "ECS tasks of a run at once; 0 for as many as the pattern can: all, or about 40 of a short list in pattern 2.",
        between(0, 5000),
    )
    run_task_rate: int = key(
        20,
        "RunTask calls of a run each second. AWS allows an account 20 in a region until it raises that.",
        between(1, MOST_LAUNCHES_PER_SECOND),
    )
    record_retention_days: int = key(
        0, "Days after its deadline for which a run's items are kept; 0 for ever.", between(0, 3650)
    )
    log_retention_days: int = key(
        7, "Days that logs are kept; one of the numbers CloudWatch Logs offers.", one_of(*LOG_RETENTION_DAYS)
    )
    dashboard: Created = key(
        "create", "Whether the kit creates a CloudWatch dashboard for each pattern.", one_of(*get_args(Created))
    )
    alarms: Created = key(
        "create", "Whether the kit creates CloudWatch alarms for each pattern.", one_of(*get_args(Created))
    )
    alarm_topic_arn: str = key(
        "",
        "The SNS topic that alarms notify; without one they only show their state.",
        text(_TOPIC_ARN, "the ARN of a standard SNS topic in the stack's region"),
    )
    alarm_failed_task_percentage: int = key(
        10, "Percentage of failed tasks within 15 minutes above which there is an alarm.", between(0, 99)
    )
    notification_topic_arn: str = key(
        "",
        "The SNS topic that is told of every run that ended.",
        text(_TOPIC_ARN, "the ARN of a standard SNS topic in the stack's region"),
    )
    run_reports: Created = key(
        "none",
        "Whether a function writes the report of each run that ended into the pattern's bucket.",
        one_of(*get_args(Created)),
    )
    schedule_expression: str = key(
        "",
        "When EventBridge Scheduler starts a run of each pattern; empty for never.",
        text(_SCHEDULE, "a rate(…), a cron(…) of six fields or an at(…), such as cron(0 3 * * ? *)"),
    )
    schedule_timezone: str = key(
        "UTC", "The time zone of scheduleExpression.", text(_TIME_ZONE, "the name of a time zone such as Europe/Berlin")
    )
    schedule_spec_key: str = key(
        f"{SPEC_PREFIX}scheduled.json",
        "The object in each pattern's bucket that holds the spec of scheduled runs.",
        text(_SPEC_KEY, f"a key below {SPEC_PREFIX}, but not below {PINNED_PREFIX}"),
    )
    job: JobArgs = field(default_factory=JobArgs)
    tags: Mapping[str, str] = key(
        {},
        "Tags of your own on every resource that takes them.",
        Rule(
            f"at most {MAX_USER_TAGS} tags of strings that AWS allows, none starting with aws: or kit:", _are_user_tags
        ),
    )

    @classmethod
    def read(cls) -> Self:
        """Reads and checks the stack's configuration.

        Raises:
            ConfigError: With every key that cannot be used.
        """
        config, prefix = pulumi.Config(NAMESPACE), f"{NAMESPACE}:"
        # `pulumi.Config` reads one key at a time. Without the list of set keys, a misspelt key would count as absent.
        set_keys = pulumi.runtime.config.CONFIG.get()
        every_key = {
            name.removeprefix(prefix): str(value) for name, value in set_keys.items() if name.startswith(prefix)
        }
        known = {name: value for name in _keys() if (value := config.get(name)) is not None}
        return cls.parse(every_key | known)

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> Self:
        """Reads and checks raw values, by keys without namespace, as `pulumi config set` takes them.

        That is: text, whole numbers as digits, arrays and objects as JSON. Keys that are absent get their defaults.

        Raises:
            ConfigError: With every key that cannot be used.
        """
        problems = [_unknown_key(name, value) for name, value in raw.items() if name not in _keys()]
        values: dict[str, dict[str, object]] = {"": {}, "job": {}}
        for declared in _keys().values():
            if declared.name not in raw:
                continue
            given, allowed = raw[declared.name], declared.rule.allowed
            part, _, attribute = declared.attribute.rpartition(".")
            try:
                values[part][attribute] = declared.parse(given)
            except NotText as error:
                problems.append(ConfigProblem(declared.name, given, f"{allowed}; {error}"))
            except ValueError:
                problems.append(ConfigProblem(declared.name, given, allowed))
        config = cls(**values[""], job=JobArgs(**values["job"]))  # type: ignore[arg-type]
        config._check(problems, raw)
        return config

    def check(self, region: str) -> None:
        """Checks a configuration that code made, and that is deployed in a region, by its keys' rules.

        Raises:
            ConfigError: With every key that cannot be used.
        """
        self._check([], {}, region)

    def _check(self, problems: list[ConfigProblem], raw: Mapping[str, str], region: str | None = None) -> None:
        if not isinstance(self.job, JobArgs):
            raise ConfigError([ConfigProblem("job", repr(self.job), "JobArgs(…)")])
        values = [(declared, declared.value(self)) for declared in _keys().values()]
        if ill_typed := [(each, value) for each, value in values if not each.has_type(value)]:
            raise ConfigError([ConfigProblem(each.name, str(value), each.rule.allowed) for each, value in ill_typed])
        wrong = {problem.key for problem in problems}
        for declared, value in values:
            if declared.name not in wrong and not declared.rule.accepts(value):
                problems.append(ConfigProblem(declared.name, raw.get(declared.name, str(value)), declared.rule.allowed))
        wrong = {problem.key for problem in problems}
        if region is None and not wrong & {"patterns", *_NETWORK_TOGETHER}:
            problems.extend(_shared_vpc_problems(self))
        problems.extend(_joint_problems(self, wrong, region))
        if problems:
            raise ConfigError(problems)

    @property
    def has_nat(self) -> bool:
        """Whether the kit's own private subnets have NAT gateways."""
        return self.nat_gateways != "none"

    @property
    def has_own_vpc(self) -> bool:
        """Whether the kit creates the VPC."""
        return not self.vpc_id

    @property
    def has_ecs_records(self) -> bool:
        """Whether containers know nothing of the kit."""
        return self.job.has_ecs_records

    @property
    def has_run_reports(self) -> bool:
        """Whether a function writes runs' reports."""
        return self.run_reports == "create"

    @property
    def retains_data(self) -> bool:
        """Whether bucket, tables and repository outlive the stack."""
        return self.retain_data == "retain"

    @property
    def deployed_patterns(self) -> tuple[int, ...]:
        """The numbers of the patterns that the stack holds, in order."""
        return tuple(PATTERNS) if self.patterns == "all" else (int(self.patterns),)

    @property
    def docker_platform(self) -> str:
        """Docker's name for `cpu_architecture`, such as `linux/amd64`."""
        return {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}[self.cpu_architecture]


_JOB_TOGETHER = (
    *("jobContext", "jobDockerfile", "jobMirror", "jobPolicy"),
    *("jobRecords", "jobSuccessExitCodes", "jobRetryExitCodes"),
)
"""Keys of a job that are checked together: if one is wrong by itself, its own problem is enough."""


def declarations() -> Iterable[Key]:
    """Every key, in order."""
    return _keys().values()


@functools.cache
def _keys() -> Mapping[str, Key]:
    return {declared.name: declared for declared in keys_of(KitConfig)}


def _unknown_key(name: str, value: str) -> ConfigProblem:
    known = list(_keys())
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return ConfigProblem(name, value, f"removed, the kit has no such key{hint} (it has {', '.join(known)})")


def _joint_problems(config: KitConfig, wrong: set[str], region: str | None) -> Iterator[ConfigProblem]:
    """Problems of values that are valid alone but not together; keys in `wrong` are skipped."""
    if not wrong & {"taskCpu", "taskMemory"} and config.task_memory not in FARGATE_MEMORY[config.task_cpu]:
        offered = ", ".join(map(str, FARGATE_MEMORY[config.task_cpu]))
        allowed = f"one of {offered} when taskCpu is {config.task_cpu}"
        yield ConfigProblem("taskMemory", str(config.task_memory), allowed)
    task, run = config.task_timeout_seconds, config.run_timeout_seconds
    if not wrong & {"taskTimeoutSeconds", "runTimeoutSeconds"} and run < task:
        yield ConfigProblem("runTimeoutSeconds", str(run), f"at least taskTimeoutSeconds, which is {task}")
    if not wrong & _NETWORK_TOGETHER:
        yield from _network_problems(config)
        yield from _endpoint_problems(config)
    insights = config.container_insights
    if not wrong & {"clusterName", "containerInsights"} and config.cluster_name and insights != "disabled":
        allowed = "disabled when clusterName is set: it is a setting of that cluster"
        yield ConfigProblem("containerInsights", insights, allowed)
    if not wrong & {"vpcId", "flowLogs"} and config.flow_logs == "create" and not config.has_own_vpc:
        yield ConfigProblem("flowLogs", "create", "none when vpcId is set: they are a setting of that VPC")
    yield from _operations_problems(config, wrong, region)
    key = _KEY_ARN.fullmatch(config.kms_key_arn)
    if region and key and key["region"] not in (None, region):
        allowed = f"the ARN of a key in {region}: the services that use it accept no other"
        yield ConfigProblem("kmsKeyArn", config.kms_key_arn, allowed)
    if not wrong & {"natGateways", "vpcId", *_JOB_TOGETHER}:
        # What an existing VPC reaches is looked up: `existing_network`.
        reaches = config.has_nat or not config.has_own_vpc
        yield from job_problems(config.job, has_nat=reaches, region=region)


def _operations_problems(config: KitConfig, wrong: set[str], region: str | None) -> Iterator[ConfigProblem]:
    """Topics in another region, and keys that only mean something beside others."""
    topics = {"alarmTopicArn": config.alarm_topic_arn, "notificationTopicArn": config.notification_topic_arn}
    for name, arn in topics.items():
        topic = _TOPIC_ARN.fullmatch(arn)
        if region and topic and topic["region"] not in (None, region):
            yield ConfigProblem(name, arn, f"the ARN of a topic in {region}, where the alarms and rules are")
    own = REPORT_PREFIX.rstrip("/")
    if config.has_run_reports and config.target_prefix.split("/")[0] == own and "targetPrefix" not in wrong:
        allowed = f"not {own} or below it when runReports is create: tasks may not write there"
        yield ConfigProblem("targetPrefix", config.target_prefix, allowed)
    if not wrong & {"alarms", "alarmTopicArn"} and config.alarm_topic_arn and config.alarms == "none":
        yield ConfigProblem("alarmTopicArn", config.alarm_topic_arn, "left out when alarms is none")


_NETWORK_TOGETHER = frozenset(
    (
        *("vpcId", "privateSubnetIds", "securityGroupIds", "endpoints", "taskEgress"),
        *("availabilityZones", "natGateways", "interfaceEndpoints"),
    )
)


def _shared_vpc_problems(config: KitConfig) -> Iterator[ConfigProblem]:
    """Both patterns of a program in one VPC; a program of the user's own may deploy one, whatever `patterns` is."""
    if len(config.deployed_patterns) > 1 and not config.has_own_vpc and config.endpoints == "create":
        allowed = (
            "none when vpcId is set and patterns is all: a VPC can have a private DNS name of an endpoint only once"
        )
        yield ConfigProblem("endpoints", config.endpoints, allowed)


def _network_problems(config: KitConfig) -> Iterator[ConfigProblem]:
    """Keys of the kit's own VPC beside those of an existing one."""
    subnets, groups = json.dumps(list(config.private_subnet_ids)), json.dumps(list(config.security_group_ids))
    if config.security_group_ids and config.task_egress:
        allowed = "left out when securityGroupIds is set: the rules are those of these groups"
        yield ConfigProblem("taskEgress", json.dumps(list(config.task_egress)), allowed)
    if config.has_own_vpc:
        if config.private_subnet_ids:
            yield ConfigProblem("privateSubnetIds", subnets, "left out, or vpcId must name their VPC")
        if config.security_group_ids:
            yield ConfigProblem("securityGroupIds", groups, "left out, or vpcId must name their VPC")
        if config.endpoints == "none":
            yield ConfigProblem("endpoints", "none", "create, or vpcId must name a VPC that has the endpoints")
        return
    if not config.private_subnet_ids:
        yield ConfigProblem("privateSubnetIds", subnets, f"a list of one to {MAX_SUBNETS} subnets when vpcId is set")
    if config.availability_zones:
        allowed = "left out when vpcId is set: the zones are those of privateSubnetIds"
        yield ConfigProblem("availabilityZones", json.dumps(list(config.availability_zones)), allowed)
    if config.has_nat:
        allowed = "none when vpcId is set: the routes of privateSubnetIds are used as they are"
        yield ConfigProblem("natGateways", config.nat_gateways, allowed)
    if config.endpoints == "none" and tuple(config.interface_endpoints) != KitConfig.interface_endpoints:
        allowed = "left out when endpoints is none: the kit creates none"
        yield ConfigProblem("interfaceEndpoints", json.dumps(list(config.interface_endpoints)), allowed)


def _endpoint_problems(config: KitConfig) -> Iterator[ConfigProblem]:
    given = json.dumps(list(config.interface_endpoints))
    missing = [name for name in REQUIRED_ENDPOINTS if name not in config.interface_endpoints]
    if missing and not config.has_nat and config.has_own_vpc:
        allowed = f"a list with {', '.join(missing)} too, or natGateways must be single or per-az: "
        allowed += "without either, nothing in the private subnets reaches these services"
        yield ConfigProblem("interfaceEndpoints", given, allowed)
    gateways = [name for name in GATEWAY_SERVICES if name in config.interface_endpoints]
    if gateways:
        allowed = f"a list without {', '.join(gateways)}, which have gateway endpoints already"
        yield ConfigProblem("interfaceEndpoints", given, allowed)
