"""The controls of AWS Security Hub CSPM that apply to what the kit creates, and how each is met.

One declaration: tests hold each control against the resources that the program registers, and `make pages` writes
docs/security-hub.md. The controls are those of AWS's pages for its services
(https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-controls-reference.html), and `FSBP` those of its
standard (https://docs.aws.amazon.com/securityhub/latest/userguide/fsbp-standard.html); both were read on `READ`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

READ = "2026-11-30, in copies of late 2025"

Inputs = Mapping[str, Any]
Rendered = Mapping[str, Sequence[Inputs]]
"""The inputs of all resources of a deployment, by the last part of their type, such as `Bucket`."""

KEY = "arn:aws:kms:eu-central-1:123456789012:key/11112222-3333-4444-5555-666677778888"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"

FSBP: Mapping[str, str] = {
    "DynamoDB": "1 2 3 6 7",
    "EC2": "1 2 3 4 6 7 8 9 10 15 16 17 18 19 20 21 23 24 25 51 55 56 57 58 60 170 171 172 173 180 181 182",
    "ECR": "1 2 3",
    "ECS": "1 2 3 4 5 8 9 10 12 16 18 19 20 21",
    "EventBridge": "3",
    "IAM": "1 2 3 4 5 6 7 8 21",
    "KMS": "1 2 3 5",
    "Lambda": "1 2 5",
    "S3": "1 2 3 5 6 8 9 12 13 19 24 25",
    "SNS": "4",
    "SQS": "1 3",
    "StepFunctions": "1",
}
"""Numbers of the standard's controls for each service that the kit uses; CloudWatch and Scheduler have none."""

OTHER = "the kit creates no "
NOT_APPLICABLE: Mapping[str, str] = {
    "DynamoDB.3, DynamoDB.7": f"{OTHER}DAX cluster",
    "EC2.1, EC2.3, EC2.7, EC2.173, EC2.181, EC2.182": f"{OTHER}EBS volume, snapshot or launch template",
    "EC2.4, EC2.8, EC2.9, EC2.17, EC2.24, EC2.25, EC2.170": f"{OTHER}EC2 instance: tasks run on Fargate",
    "EC2.16, EC2.21": f"{OTHER}network ACL: the default one of its VPC is in use, and security groups decide",
    "EC2.20, EC2.23, EC2.51, EC2.171": f"{OTHER}VPN connection, transit gateway or client VPN endpoint",
    "EC2.172": "a setting of the account and region, not of a VPC",
    "EC2.180": f"{OTHER}network interface: those of tasks, functions and endpoints are AWS's",
    "ECS.1": "retired by AWS; ECS.4, ECS.17 and ECS.20 ask for the same",
    "ECS.19": f"{OTHER}capacity provider with EC2 instances",
    "ECS.21": f"{OTHER}Windows container",
    "ECS.2, ECS.10, ECS.16": f"{OTHER}ECS service or task set; its tasks get no public address",
    "EventBridge.3": f"{OTHER}event bus: rules are on the default one",
    "IAM.2, IAM.3, IAM.4, IAM.5, IAM.6, IAM.7, IAM.8": f"{OTHER}IAM user",
    "KMS.3, KMS.5": f"{OTHER}KMS key: `kmsKeyArn` names one of yours",
    "S3.1": "a setting of the account; S3.8 is the bucket's",
    "S3.19, S3.24, S3.25": f"{OTHER}access point or directory bucket",
    "SNS.4": f"{OTHER}topic: `alarmTopicArn` and `notificationTopicArn` name yours",
}
"""Controls of the standard for other resources of these services."""


@dataclass(frozen=True)
class Control:
    """A control that applies.

    Args:
        number: Security Hub's id of it, `S3.9`.
        about: what it asks for.
        is_met: whether the resources of a deployment meet it.
        breaking: a type of resource, and inputs with which one of them breaks it; empty where a missing one does.
        config: configuration with which it is met; empty where the default meets it.
        how: what meets it.
        reason: why the default, or the kit, does not.
    """

    number: str
    about: str
    is_met: Callable[[Rendered], bool]
    breaking: tuple[str, Mapping[str, Any]]
    how: str
    config: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def service(self) -> str:
        """The part of the number before the dot."""
        return self.number.partition(".")[0]

    @property
    def is_of_standard(self) -> bool:
        """Whether the AWS Foundational Security Best Practices standard has it."""
        return self.number.partition(".")[2] in FSBP.get(self.service, "").split()


def every(kind: str, holds: Callable[[Inputs], bool]) -> Callable[[Rendered], bool]:
    """Whether there are resources of a type, and each holds."""
    return lambda rendered: bool(rendered.get(kind)) and all(map(holds, rendered[kind]))


def each_has(kind: str, companion: str, holds: Callable[[Inputs], bool] = bool) -> Callable[[Rendered], bool]:
    """Whether there are as many companions as resources of a type, and each companion holds."""
    return lambda rendered: (
        len(rendered.get(companion, ())) == len(rendered[kind]) > 0 and all(map(holds, rendered[companion]))
    )


def endpoint(service: str) -> Callable[[Rendered], bool]:
    """Whether there is an interface endpoint of a service."""
    return lambda rendered: any(each["serviceName"].endswith(f".{service}") for each in rendered.get("VpcEndpoint", ()))


def containers(definition: Inputs) -> list[dict[str, Any]]:
    """The container definitions of a task definition."""
    found: list[dict[str, Any]] = json.loads(definition["containerDefinitions"])
    return found


def every_container(holds: Callable[[dict[str, Any]], bool]) -> Callable[[Rendered], bool]:
    """Whether each container of each task definition holds."""
    return every("TaskDefinition", lambda definition: all(map(holds, containers(definition))))


def statements(document: str) -> Iterator[dict[str, Any]]:
    """The statements of a policy that allow something, with actions, resources and principals as lists."""
    for found in json.loads(document)["Statement"]:
        if found["Effect"] == "Allow":
            listed = {name: found.get(name, []) for name in ("Action", "Resource")}
            yield found | {name: [value] if isinstance(value, str) else value for name, value in listed.items()}


def every_statement(kind: str, holds: Callable[[dict[str, Any]], bool]) -> Callable[[Rendered], bool]:
    """Whether each statement that allows something, in each policy of a type, holds."""
    return every(kind, lambda inputs: all(map(holds, statements(inputs["policy"]))))


def is_closed(group: Inputs) -> bool:
    """Whether a security group admits nothing from anywhere."""
    ranges = [each for rule in group.get("ingress") or () for each in rule.get("cidrBlocks") or ()]
    return not any(each.endswith("/0") for each in ranges)


def is_narrow(found: dict[str, Any]) -> bool:
    """Whether a statement's principal is a service or an account, or bound by a condition."""
    return found["Principal"] != "*" and (found["Principal"] != {"AWS": "*"} or "Condition" in found)


def policy(**changes: Any) -> Mapping[str, Any]:
    """A policy of one statement, as inputs."""
    return {"policy": json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", **changes}]})}


def container(**changes: Any) -> tuple[str, Mapping[str, Any]]:
    """A task definition with such a container, as what breaks a control."""
    return "TaskDefinition", {"containerDefinitions": json.dumps([changes])}


CREDENTIALS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ECS_ENGINE_AUTH_DATA"}
SUPPORTED_RUNTIMES = ("python3.14", "python3.13", "python3.12", "python3.11")
PRIVATE = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
ENDPOINTS = ("ecs", "ecs-agent", "ecr.api", "ecr.dkr", "logs", "states")
MORE_ENDPOINTS = {
    "interfaceEndpoints": json.dumps([*ENDPOINTS, "ec2", "ssm", "ssm-contacts", "ssm-incidents"]),
}
UNCALLED = "nothing in the VPC calls the service, and each endpoint costs money"
BLOCK, LIFECYCLE, GROUP = "BucketPublicAccessBlock", "BucketLifecycleConfiguration", "SecurityGroup"
OPEN = {"ingress": [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["0.0.0.0/0"]}]}
ON = {"recorded": {"flowLogs": "create"}, "versions": {"bucketVersioning": "enabled"}, "key": {"kmsKeyArn": KEY}}

CONTROLS: Sequence[Control] = (
    Control(
        "CloudWatch.15",
        "alarms have an action",
        every("MetricAlarm", lambda alarm: bool(alarm.get("alarmActions"))),
        ("MetricAlarm", {"alarmActions": []}),
        "the topic that alarms notify",
        {"alarmTopicArn": TOPIC},
        "the topic is yours",
    ),
    Control(
        "CloudWatch.16",
        "log groups keep logs for a year",
        every("LogGroup", lambda group: group["retentionInDays"] >= 365),
        ("LogGroup", {"retentionInDays": 7}),
        "retention of every log group",
        {"logRetentionDays": "365"},
        "stored logs cost money; the default is 7 days",
    ),
    Control(
        "CloudWatch.17",
        "actions of alarms are enabled",
        every("MetricAlarm", lambda alarm: alarm.get("actionsEnabled") is not False),
        ("MetricAlarm", {"actionsEnabled": False}),
        "the default of CloudWatch",
    ),
    Control(
        "DynamoDB.1",
        "tables scale with demand",
        every("Table", lambda table: table["billingMode"] == "PAY_PER_REQUEST"),
        ("Table", {"billingMode": "PROVISIONED"}),
        "on-demand capacity",
        {"tableBilling": "PAY_PER_REQUEST"},
        "5 provisioned units have a fixed price, and throttled writes are repeated",
    ),
    Control(
        "DynamoDB.2",
        "tables have point-in-time recovery",
        every("Table", lambda table: (table.get("pointInTimeRecovery") or {}).get("enabled") is True),
        ("Table", {"pointInTimeRecovery": None}),
        "point-in-time recovery of both tables",
        {"pointInTimeRecovery": "enabled"},
        "it costs money by the size of the tables",
    ),
    Control(
        "DynamoDB.6",
        "tables refuse deletion",
        every("Table", lambda table: table.get("deletionProtectionEnabled") is True),
        ("Table", {"deletionProtectionEnabled": False}),
        "deletion protection of tables that outlive the stack",
        {"retainData": "retain"},
        "a destroy removes everything unless data are to be retained",
    ),
    Control(
        "EC2.2",
        "default security groups have no rules",
        each_has("Vpc", "DefaultSecurityGroup", lambda group: not group.get("ingress") and not group.get("egress")),
        ("DefaultSecurityGroup", OPEN),
        "the kit takes the VPC's default group over, without rules",
    ),
    Control(
        "EC2.6",
        "VPCs have flow logs",
        each_has("Vpc", "FlowLog"),
        ("FlowLog", {}),
        "a flow log of each VPC that the kit creates",
        ON["recorded"],
        "CloudWatch Logs charges for what is ingested",
    ),
    Control(
        "EC2.10",
        "VPCs have an endpoint for EC2",
        endpoint("ec2"),
        ("VpcEndpoint", {}),
        "the endpoint `ec2`",
        MORE_ENDPOINTS,
        UNCALLED,
    ),
    Control(
        "EC2.15",
        "subnets assign no public addresses",
        every("Subnet", lambda subnet: subnet["mapPublicIpOnLaunch"] is False),
        ("Subnet", {"mapPublicIpOnLaunch": True}),
        "a transform of all subnets",
    ),
    Control(
        "EC2.18",
        "security groups admit nothing from anywhere but on authorized ports",
        every(GROUP, is_closed),
        (GROUP, OPEN),
        "groups without ingress, and endpoints that admit the kit's groups alone",
    ),
    Control(
        "EC2.19",
        "security groups admit nothing from anywhere on ports with high risk",
        every(GROUP, is_closed),
        (GROUP, OPEN),
        "as EC2.18",
    ),
    Control(
        "EC2.55",
        "VPCs have an endpoint for ECR's API",
        endpoint("ecr.api"),
        ("VpcEndpoint", {}),
        "the endpoint `ecr.api`",
    ),
    Control(
        "EC2.56",
        "VPCs have an endpoint for ECR's registry",
        endpoint("ecr.dkr"),
        ("VpcEndpoint", {}),
        "the endpoint `ecr.dkr`",
    ),
    *(
        Control(
            f"EC2.{number}",
            f"VPCs have an endpoint for {what}",
            endpoint(service),
            ("VpcEndpoint", {}),
            f"the endpoint `{service}`",
            MORE_ENDPOINTS,
            UNCALLED,
        )
        for number, service, what in (
            (57, "ssm", "Systems Manager"),
            (58, "ssm-contacts", "Incident Manager's contacts"),
            (60, "ssm-incidents", "Incident Manager"),
        )
    ),
    Control(
        "ECR.1",
        "images are scanned",
        every("Repository", lambda each: each["imageScanningConfiguration"]["scanOnPush"] is True),
        ("Repository", {"imageScanningConfiguration": {"scanOnPush": False}}),
        "scan on push",
    ),
    Control(
        "ECR.2",
        "tags are immutable",
        every("Repository", lambda each: each["imageTagMutability"] == "IMMUTABLE"),
        ("Repository", {"imageTagMutability": "MUTABLE"}),
        "immutable tags; a tag is a hash of what was built",
    ),
    Control(
        "ECR.3",
        "repositories have a lifecycle policy",
        each_has("Repository", "LifecyclePolicy"),
        ("LifecyclePolicy", {}),
        "the newest 100 images are kept",
    ),
    Control(
        "ECR.5",
        "repositories are encrypted with a KMS key of yours",
        every("Repository", lambda each: bool(each.get("encryptionConfigurations"))),
        ("Repository", {"encryptionConfigurations": None}),
        "your KMS key",
        ON["key"],
        "a key costs money",
    ),
    Control(
        "ECS.3",
        "tasks do not share the host's process namespace",
        every("TaskDefinition", lambda definition: definition.get("pidMode") != "host"),
        ("TaskDefinition", {"pidMode": "host"}),
        "no `pidMode`",
    ),
    Control(
        "ECS.4",
        "containers are not privileged",
        every_container(lambda each: not each.get("privileged")),
        container(privileged=True),
        "not privileged, and without Linux capabilities",
    ),
    Control(
        "ECS.5",
        "root file systems are read-only",
        every_container(lambda each: each.get("readonlyRootFilesystem") is True),
        container(readonlyRootFilesystem=False),
        "`taskRootFileSystem` is `read-only`",
    ),
    Control(
        "ECS.8",
        "no credentials in the environment",
        every_container(lambda each: CREDENTIALS.isdisjoint(pair["name"] for pair in each.get("environment", ()))),
        container(environment=[{"name": "AWS_ACCESS_KEY_ID", "value": "a"}]),
        "names that start with AWS_ or ECS_ are refused; `jobSecrets` has secrets",
    ),
    Control(
        "ECS.9",
        "containers have a log configuration",
        every_container(lambda each: bool(each.get("logConfiguration", {}).get("logDriver"))),
        container(),
        "awslogs, to the kit's log group",
    ),
    Control(
        "ECS.12",
        "clusters have Container Insights",
        every("Cluster", lambda cluster: cluster["settings"] != [{"name": "containerInsights", "value": "disabled"}]),
        ("Cluster", {"settings": [{"name": "containerInsights", "value": "disabled"}]}),
        "Container Insights, with a log group that expires",
        {"containerInsights": "enabled"},
        "CloudWatch charges for its metrics by the task",
    ),
    Control(
        "ECS.17",
        "tasks do not use the host's network",
        every("TaskDefinition", lambda definition: definition["networkMode"] != "host"),
        ("TaskDefinition", {"networkMode": "host"}),
        "`awsvpc`",
    ),
    Control(
        "ECS.18",
        "EFS volumes are encrypted in transit",
        every("TaskDefinition", lambda definition: not definition.get("volumes")),
        ("TaskDefinition", {"volumes": [{"name": "a"}]}),
        "tasks have no volumes",
    ),
    Control(
        "ECS.20",
        "the task definition names a user other than root",
        every_container(lambda each: re.match("(?!0(:|$)|root(:|$)).", each.get("user", "")) is not None),
        container(user="root"),
        "10001 for the kit's own image; with your own image, `jobUser`",
    ),
    Control(
        "IAM.1",
        "no policy allows everything",
        every_statement("RolePolicy", lambda found: "*" not in found["Action"]),
        ("RolePolicy", policy()),
        "policies of single actions; they are inline, which this control does not even judge",
    ),
    Control(
        "IAM.21",
        "no policy allows all actions of a service",
        every_statement("RolePolicy", lambda found: not any(each.endswith("*") for each in found["Action"])),
        ("RolePolicy", policy(Action="s3:*")),
        "as IAM.1",
    ),
    Control(
        "KMS.1",
        "no managed policy decrypts with all keys",
        lambda rendered: not rendered.get("Policy"),
        ("Policy", policy(Action="kms:Decrypt")),
        "the kit creates no managed policies",
    ),
    Control(
        "KMS.2",
        "no inline policy decrypts with all keys",
        every_statement(
            "RolePolicy",
            lambda found: "*" not in found["Resource"] or not any(each.startswith("kms:") for each in found["Action"]),
        ),
        ("RolePolicy", policy(Action=["kms:Decrypt"])),
        "only roles that need `kmsKeyArn` may use it, and no other key",
    ),
    Control(
        "Lambda.1",
        "functions are not public",
        every("Permission", lambda each: each["principal"] != "*" and bool(each.get("sourceArn"))),
        ("Permission", {"principal": "*"}),
        "EventBridge alone may call the monitor, for the kit's rules",
    ),
    Control(
        "Lambda.2",
        "runtimes are supported",
        every("Function", lambda each: each["runtime"] in SUPPORTED_RUNTIMES),
        ("Function", {"runtime": "python3.8"}),
        "python3.13",
    ),
    Control(
        "Lambda.3",
        "functions are in a VPC",
        every("Function", lambda each: bool(each.get("vpcConfig"))),
        ("Function", {"vpcConfig": None}),
        "the private subnets",
    ),
    Control(
        "Lambda.5",
        "functions are in several zones",
        every("Function", lambda each: len(each["vpcConfig"]["subnetIds"]) > 1),
        ("Function", {"vpcConfig": {"subnetIds": ["subnet-a"]}}),
        "two zones; in an existing network, those of `privateSubnetIds`",
    ),
    Control(
        "Lambda.7",
        "functions are traced",
        every("Function", lambda each: each["tracingConfig"]["mode"] == "Active"),
        ("Function", {"tracingConfig": {"mode": "PassThrough"}}),
        "X-Ray is active",
    ),
    *(
        Control(
            number,
            about,
            each_has("Bucket", BLOCK, lambda block: all(block.get(name) is True for name in PRIVATE)),
            (BLOCK, {"blockPublicPolicy": False}),
            "all four settings of its public access block",
        )
        for number, about in (
            ("S3.2", "the bucket blocks public reads"),
            ("S3.3", "the bucket blocks public writes"),
            ("S3.8", "the bucket blocks public access"),
        )
    ),
    Control(
        "S3.5",
        "requests use TLS",
        each_has("Bucket", "BucketPolicy", lambda each: '"aws:SecureTransport": "false"' in each["policy"]),
        ("BucketPolicy", policy()),
        "its policy denies all others",
    ),
    Control(
        "S3.6",
        "the bucket's policy allows other accounts nothing",
        each_has("Bucket", "BucketPolicy", lambda each: not list(statements(each["policy"]))),
        ("BucketPolicy", policy()),
        "its policy allows nothing, it only denies",
    ),
    Control(
        "S3.9",
        "the bucket has a server access log",
        each_has("Bucket", "BucketLogging"),
        ("BucketLogging", {}),
        "a log in a bucket of yours",
        {"accessLogBucket": "logs-of-mine"},
        "the log is stored for money, in a bucket whose policy is yours",
    ),
    Control(
        "S3.10",
        "buckets with versions have a lifecycle",
        each_has(
            "BucketVersioning", LIFECYCLE, lambda each: any(r.get("noncurrentVersionExpiration") for r in each["rules"])
        ),
        (LIFECYCLE, {"rules": []}),
        "replaced and deleted objects go after 30 days",
        ON["versions"],
        "without versions there is nothing to expire",
    ),
    Control(
        "S3.12",
        "no access lists",
        lambda rendered: bool(rendered["Bucket"]) and not rendered.get("BucketAcl"),
        ("BucketAcl", {}),
        "S3 disables them in new buckets, and the kit sets none",
    ),
    Control(
        "S3.13",
        "the bucket has a lifecycle",
        each_has("Bucket", LIFECYCLE, lambda each: bool(each["rules"])),
        (LIFECYCLE, {"rules": []}),
        "unfinished uploads and pinned specs go; results after `resultRetentionDays`",
    ),
    Control(
        "S3.14",
        "the bucket has versions",
        each_has("Bucket", "BucketVersioning"),
        ("BucketVersioning", {}),
        "versions of objects, for 30 days",
        ON["versions"],
        "each version is stored for money",
    ),
    Control(
        "S3.17",
        "the bucket is encrypted with a KMS key",
        every("BucketServerSideEncryptionConfiguration", lambda each: "aws:kms" in json.dumps(each["rules"])),
        ("BucketServerSideEncryptionConfiguration", {"rules": []}),
        "your KMS key",
        ON["key"],
        "a key costs money; the default is S3's own",
    ),
    Control(
        "SQS.1",
        "queues are encrypted",
        every("Queue", lambda queue: queue["sqsManagedSseEnabled"] is True),
        ("Queue", {"sqsManagedSseEnabled": False}),
        "keys of Amazon SQS",
    ),
    Control(
        "SQS.3",
        "queues are not public",
        every_statement("Queue", is_narrow),
        ("Queue", policy(Principal="*")),
        "EventBridge for the kit's rules",
    ),
    Control(
        "StepFunctions.1",
        "state machines have a log",
        every("StateMachine", lambda each: each["loggingConfiguration"]["level"] != "OFF"),
        ("StateMachine", {"loggingConfiguration": {"level": "OFF"}}),
        "errors, without input and output of states unless `executionDataInLogs` asks for them",
    ),
)


def table() -> str:
    """The table of controls, for docs/security-hub.md."""
    rows = [["control", "FSBP", "asks that", "met by default", "how", "configuration", "why not by default"]]
    for each in CONTROLS:
        keys = ", ".join(f"`{key}`" for key in each.config)
        standard = "yes" if each.is_of_standard else ""
        rows.append([each.number, standard, each.about, "" if keys else "yes", each.how, keys, each.reason])
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]))


def not_applicable_table() -> str:
    """The table of the standard's controls that do not apply."""
    rows = [f"| {numbers} | {reason} |" for numbers, reason in NOT_APPLICABLE.items()]
    return "\n".join(["| controls | reason |", "|---|---|", *rows])
