"""The kit's configuration: every key with its type, default, description and range, read and checked once.

`KitConfig` alone holds defaults and ranges. `make config` writes type, default and description into `Pulumi.yaml`.
Inline Automation API programs do not see that file's defaults, so nothing may depend on them.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import pulumi

from ecs_kit.components import build_folder
from ecs_kit.components.errors import ConfigError, ConfigProblem
from ecs_kit.components.job import MAX_POLICY_CHARACTERS, MAX_VARIABLES, JobArgs, parse_policy
from ecs_kit.components.job import problems as job_problems
from ecs_kit.components.zones import ZONES
from ecs_kit.runtime.contract.patterns import PATTERNS

NAMESPACE = "ecs-step-functions-kit"
"""The project's name in `Pulumi.yaml`, which is the namespace of its configuration keys."""

TableBilling = Literal["PROVISIONED", "PAY_PER_REQUEST"]
NatGateways = Literal["none", "single", "per-az"]
ContainerInsights = Literal["disabled", "enabled", "enhanced"]
RootFileSystem = Literal["read-only", "writable"]
CpuArchitecture = Literal["X86_64", "ARM64"]
KeyType = Literal["string", "integer", "array", "object"]

REQUIRED_ENDPOINTS = ("ecs", "ecr.api", "ecr.dkr", "logs", "states")
"""Interface endpoints that workloads need in subnets without a NAT gateway."""

GATEWAY_SERVICES = ("s3", "dynamodb")
"""Services with gateway endpoints, which are free."""

FARGATE_MEMORY: Mapping[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
"""Memory in MiB that Fargate accepts per number of CPU units (Amazon ECS developer guide, "Task CPU and memory")."""

FARGATE_STORAGE_GIB = 20
"""Ephemeral storage of every Fargate task; ECS takes 21 to 200 GiB instead (API reference, EphemeralStorage)."""

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that CloudWatch Logs accepts (API reference, PutRetentionPolicy)."""

MAX_SOURCE_BUCKETS = 20
"""The list is in the functions' environment, which AWS limits to 4 KB."""

MAX_USER_TAGS = 40
"""AWS allows 50 tags on a resource; the kit and awsx add their own."""

_BUCKET_NAME = re.compile(r"(?!xn--|.*-s3alias$|.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ENDPOINT = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,60}[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9.:/_-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?")
_PREFIX_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9!_.*'()-]+")
_ZONE = re.compile(r"[a-z]{2}-[a-z0-9-]{1,60}[a-z]")
_SUFFIX = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?)?")
_TAG_TEXT = re.compile(r"[\w .:/=+@-]*")


@dataclass(frozen=True)
class Rule:
    """What a key accepts.

    Args:
        allowed: The phrase that completes "must be …".
        accepts: Whether a value of the key's type is allowed.
    """

    allowed: str
    accepts: Callable[[Any], bool]


def one_of(*choices: str | int) -> Rule:
    """A rule that accepts the given values only."""
    return Rule("one of " + ", ".join(str(choice) for choice in choices), lambda value: value in choices)


def between(low: int, high: int) -> Rule:
    """A rule that accepts whole numbers from `low` to `high`, both included."""
    return Rule(f"a whole number from {low} to {high}", lambda value: low <= value <= high)


def text(pattern: re.Pattern[str], allowed: str) -> Rule:
    """A rule that accepts strings which `pattern` matches as a whole."""
    return Rule(allowed, lambda value: pattern.fullmatch(value) is not None)


def list_of(pattern: re.Pattern[str], allowed: str, most: int) -> Rule:
    """A rule that accepts lists of at most `most` different strings, each matched by `pattern` as a whole."""
    return Rule(
        f"a list of at most {most} different {allowed}",
        lambda value: (
            len(value) <= most and len(set(value)) == len(value) and all(pattern.fullmatch(item) for item in value)
        ),
    )


def _is_target_prefix(value: str) -> bool:
    return len(value) <= 200 and all(_PREFIX_SEGMENT.fullmatch(segment) for segment in value.split("/"))


def _are_user_tags(tags: Mapping[str, str]) -> bool:
    return len(tags) <= MAX_USER_TAGS and all(
        1 <= len(key) <= 128
        and len(value) <= 256
        and _TAG_TEXT.fullmatch(key) is not None
        and _TAG_TEXT.fullmatch(value) is not None
        and not key.lower().startswith(("aws:", "kit:"))
        for key, value in tags.items()
    )


def _any(_value: Any) -> bool:
    """For keys that are checked together with others, as a job."""
    return True


def _is_path(value: str) -> bool:
    return len(value) <= 1024 and "\0" not in value


def _is_path_within(value: str) -> bool:
    return bool(value) and _is_path(value) and not value.startswith("/") and ".." not in value.split("/")


def _is_policy(value: str) -> bool:
    try:
        return not value or isinstance(parse_policy(value), Mapping)
    except ValueError:
        return False


def _about(description: str, rule: Rule) -> dict[str, Any]:
    return {"description": description, "rule": rule}


@dataclass(frozen=True)
class KeyDeclaration:
    """A key as `Pulumi.yaml` declares it.

    Args:
        name: The key without its namespace.
        type: The type in Pulumi's configuration schema; arrays hold strings, objects map strings to strings.
        default: The default, as plain data.
        description: What the key is for and what it accepts.
    """

    name: str
    type: KeyType
    default: str | int | list[str] | dict[str, str]
    description: str


@dataclass(frozen=True)
class KitConfig:
    """All configuration of a stack, checked. Build it with `KitConfig.read` or, from raw strings, `KitConfig.parse`."""

    patterns: str = field(
        default="all", metadata=_about("Which patterns the stack holds.", one_of("all", *map(str, PATTERNS)))
    )
    name_suffix: str = field(
        default="",
        metadata=_about(
            "Appended to physical names, so that two deployments can live in one account.",
            text(_SUFFIX, "at most 12 of a-z, 0-9 and hyphen, with no hyphen at either end"),
        ),
    )
    target_prefix: str = field(
        default="copies",
        metadata=_about(
            "Prefix of the tasks' results in the kit's bucket.",
            Rule(
                "folders of letters, digits and !_.*'()- joined by /, with none at either end, at most 200 characters",
                _is_target_prefix,
            ),
        ),
    )
    source_buckets: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Buckets in the stack's region, other than the kit's own, that tasks may read from.",
            list_of(_BUCKET_NAME, "S3 bucket names", MAX_SOURCE_BUCKETS),
        ),
    )
    table_billing: TableBilling = field(
        default="PROVISIONED",
        metadata=_about(
            "How the tables are billed; PROVISIONED means 5 read and 5 write units each.",
            one_of("PROVISIONED", "PAY_PER_REQUEST"),
        ),
    )
    availability_zones: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Zones of the VPC; an empty list keeps the stack's zones, or chooses the first two with Fargate.",
            Rule(
                f"empty or a list of {ZONES} different zone names such as us-east-1a",
                lambda value: (
                    not value or (len(set(value)) == len(value) == ZONES and all(map(_ZONE.fullmatch, value)))
                ),
            ),
        ),
    )
    nat_gateways: NatGateways = field(
        default="none",
        metadata=_about(
            "NAT gateways for the private subnets, for jobs that need more than the endpoints.",
            one_of("none", "single", "per-az"),
        ),
    )
    interface_endpoints: tuple[str, ...] = field(
        default=("ecs", "ecs-agent", "ecr.api", "ecr.dkr", "logs", "states"),
        metadata=_about(
            "AWS services reached through interface endpoints, each by the last part of its endpoint's name.",
            list_of(_ENDPOINT, "endpoint names such as ecr.api", 30),
        ),
    )
    container_insights: ContainerInsights = field(
        default="disabled",
        metadata=_about("CloudWatch Container Insights of the clusters.", one_of("disabled", "enabled", "enhanced")),
    )
    task_cpu: int = field(
        default=256, metadata=_about("CPU units of a task (1024 are one vCPU).", one_of(*FARGATE_MEMORY))
    )
    task_memory: int = field(
        default=512,
        metadata=_about(
            "Memory of a task in MiB, one that Fargate offers for taskCpu.", between(512, FARGATE_MEMORY[16384][-1])
        ),
    )
    task_ephemeral_storage: int = field(
        default=FARGATE_STORAGE_GIB,
        metadata=_about(
            "Ephemeral storage of a task in GiB; 20 is what every Fargate task has.", between(FARGATE_STORAGE_GIB, 200)
        ),
    )
    task_root_file_system: RootFileSystem = field(
        default="read-only",
        metadata=_about("Whether the job may write to its container's file system.", one_of("read-only", "writable")),
    )
    spot_share: int = field(
        default=0,
        metadata=_about(
            "Percentage of tasks whose first attempt runs on Fargate Spot; further attempts run on demand.",
            between(0, 100),
        ),
    )
    cpu_architecture: CpuArchitecture = field(
        default="X86_64", metadata=_about("Processor architecture of image and tasks.", one_of("X86_64", "ARM64"))
    )
    base_image: str = field(
        default="python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b",
        metadata=_about(
            "Image that the task's image is built on, pinned by the digest of its index over all architectures.",
            text(_IMAGE, "an image reference such as registry/name:tag or registry/name@sha256:digest"),
        ),
    )
    stop_timeout_seconds: int = field(
        default=10, metadata=_about("Seconds from SIGTERM to SIGKILL when a task is stopped.", between(2, 120))
    )
    task_attempts: int = field(default=1, metadata=_about("Attempts at a task whose job fails.", between(1, 10)))
    task_timeout_seconds: int = field(
        default=3600, metadata=_about("Seconds after which an attempt is stopped.", between(30, 86400))
    )
    run_timeout_seconds: int = field(
        default=21600,
        metadata=_about("Seconds after which a run ends, not less than taskTimeoutSeconds.", between(60, 129600)),
    )
    tolerated_failure_percentage: int = field(
        default=0,
        metadata=_about("Percentage of tasks that may fail in a run that still counts as a success.", between(0, 100)),
    )
    max_concurrency: int = field(
        default=0,
        metadata=_about(
            "ECS tasks of a run at once; 0 for as many as the pattern can: all in pattern 1, about 40 in pattern 2.",
            between(0, 5000),
        ),
    )
    record_retention_days: int = field(
        default=0,
        metadata=_about("Days after its deadline for which a run's items are kept; 0 for ever.", between(0, 3650)),
    )
    log_retention_days: int = field(
        default=7,
        metadata=_about(
            "Days that logs are kept; one of the numbers CloudWatch Logs offers.", one_of(*LOG_RETENTION_DAYS)
        ),
    )
    job_context: str = field(
        default="",
        metadata=_about(
            "Your own image: its build folder.",
            Rule("a folder, relative to the project's own, that holds jobDockerfile", _is_path),
        ),
    )
    job_dockerfile: str = field(
        default="Dockerfile",
        metadata=_about(
            "The Dockerfile of your own image.",
            Rule("a path within jobContext", _is_path_within),
        ),
    )
    job_image: str = field(
        default="",
        metadata=_about(
            "A ready image; then none is built and no repository is created.",
            Rule("an image reference by tag or digest; without NAT gateways one in Amazon ECR", _any),
        ),
    )
    job_function: str = field(
        default="",
        metadata=_about(
            "The function that does the job in an image with the kit's library.",
            Rule("module:function, such as word_count:run", _any),
        ),
    )
    job_entry_point: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "What replaces the image's ENTRYPOINT.", Rule("a list of at most 100 words, none of them empty", _any)
        ),
    )
    job_command: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "What replaces the image's CMD.", Rule("a list of at most 100 words, none of them empty", _any)
        ),
    )
    job_environment: Mapping[str, str] = field(
        default_factory=dict,
        metadata=_about(
            "Environment of the job; variables named JOB_… are its parameters.",
            Rule(f"at most {MAX_VARIABLES} strings, by names that do not start with KIT_, AWS_ or ECS_", _any),
        ),
    )
    job_secrets: Mapping[str, str] = field(
        default_factory=dict,
        metadata=_about(
            "Secrets in the job's environment.",
            Rule("ARNs of Secrets Manager secrets or SSM parameters, by names as in jobEnvironment", _any),
        ),
    )
    job_policy: str = field(
        default="",
        metadata=_about(
            "What the job may do besides reading its source and writing its result.",
            Rule(f"an IAM identity policy as JSON text of at most {MAX_POLICY_CHARACTERS} characters", _is_policy),
        ),
    )
    tags: Mapping[str, str] = field(
        default_factory=dict,
        metadata=_about(
            "Tags of your own on every resource that takes them.",
            Rule(
                f"at most {MAX_USER_TAGS} tags of strings that AWS allows, none starting with aws: or kit:",
                _are_user_tags,
            ),
        ),
    )

    @classmethod
    def read(cls, config: pulumi.Config | None = None) -> KitConfig:
        """Reads and checks the stack's configuration.

        Args:
            config: Where to read from; the project's namespace if not given.

        Raises:
            ConfigError: With every key that cannot be used.
        """
        bag = pulumi.Config(NAMESPACE) if config is None else config
        # `pulumi.Config` reads one key at a time. Without the list of set keys, a misspelt key would count as absent.
        every_key = {
            name.removeprefix(f"{bag.name}:"): str(value)
            for name, value in pulumi.runtime.config.CONFIG.get().items()
            if name.startswith(f"{bag.name}:")
        }
        known = {key: value for key in _fields_by_key() if (value := bag.get(key)) is not None}
        return cls.parse(every_key | known)

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> KitConfig:
        """Checks raw configuration values; keys that are absent get their defaults.

        Args:
            raw: Value by key without namespace, in Pulumi's form: text, whole numbers as digits, arrays and objects as
                JSON.

        Raises:
            ConfigError: With every key that cannot be used.
        """
        fields = _fields_by_key()
        values: dict[str, Any] = {}
        problems = [_unknown_key(key, value) for key, value in raw.items() if key not in fields]
        for key, declared in fields.items():
            if key not in raw:
                continue
            rule: Rule = declared.metadata["rule"]
            allowed = rule.allowed
            try:
                value = _typed(_type_of(declared), raw[key])
            except NotText as error:
                value, allowed = None, f"{rule.allowed}; {error}"
            except ValueError:
                value = None
            if value is None or not rule.accepts(value):
                problems.append(ConfigProblem(key, raw[key], allowed))
            else:
                values[declared.name] = value
        result = cls(**values)
        problems.extend(_joint_problems(result, {problem.key for problem in problems}))
        if problems:
            raise ConfigError(problems)
        return result

    def check(self) -> None:
        """Checks a configuration that code made, by its keys' rules.

        Raises:
            ConfigError: With every key that cannot be used.
        """
        values = {key: getattr(self, declared.name) for key, declared in _fields_by_key().items()}
        problems = [
            ConfigProblem(key, str(value), _fields_by_key()[key].metadata["rule"].allowed)
            for key, value in values.items()
            if not _is_accepted(_fields_by_key()[key], value)
        ]
        problems.extend(_joint_problems(self, {problem.key for problem in problems}))
        if problems:
            raise ConfigError(problems)

    @property
    def job(self) -> JobArgs:
        """The user's own job, as configured."""
        return JobArgs(
            context=build_folder.PROJECT / self.job_context if self.job_context else None,
            dockerfile=self.job_dockerfile,
            image=self.job_image,
            function=self.job_function,
            entry_point=self.job_entry_point,
            command=self.job_command,
            environment=self.job_environment,
            secrets=self.job_secrets,
            policy=parse_policy(self.job_policy) if self.job_policy else None,
        )

    @property
    def has_nat(self) -> bool:
        """Whether the private subnets have NAT gateways."""
        return self.nat_gateways != "none"

    @property
    def deployed_patterns(self) -> tuple[int, ...]:
        """The numbers of the patterns that the stack holds, in order."""
        return tuple(PATTERNS) if self.patterns == "all" else (int(self.patterns),)

    @property
    def docker_platform(self) -> str:
        """Docker's name for `cpu_architecture`, such as `linux/amd64`."""
        return {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}[self.cpu_architecture]


def declarations() -> tuple[KeyDeclaration, ...]:
    """Every key as `Pulumi.yaml` has to declare it, in order."""
    return tuple(
        KeyDeclaration(
            name=key,
            type=_type_of(declared),
            default=_plain(_default(declared)),
            description=f"{declared.metadata['description']} Must be {declared.metadata['rule'].allowed}.",
        )
        for key, declared in _fields_by_key().items()
    )


def _fields_by_key() -> dict[str, dataclasses.Field[Any]]:
    return {_camel_case(declared.name): declared for declared in dataclasses.fields(KitConfig)}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _default(declared: dataclasses.Field[Any]) -> Any:
    return declared.default_factory() if declared.default_factory is not dataclasses.MISSING else declared.default


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _type_of(declared: dataclasses.Field[Any]) -> KeyType:
    default = _default(declared)
    if isinstance(default, int):
        return "integer"
    if isinstance(default, tuple):
        return "array"
    return "object" if isinstance(default, dict) else "string"


def _is_accepted(declared: dataclasses.Field[Any], value: Any) -> bool:
    try:
        return bool(declared.metadata["rule"].accepts(value))
    except (TypeError, AttributeError):
        return False


class NotText(ValueError):
    """An entry of an object is no text: `pulumi config set --path` stores `1` and `true` as a number and a boolean."""

    def __init__(self, name: str, value: object):
        super().__init__(
            f"{name} is {json.dumps(value)}, which is no text: `pulumi config set --type string` stores it as one"
        )


def _typed(key_type: KeyType, raw: str) -> Any:
    """Parses `raw`; raises ValueError if it is not of the type."""
    if key_type == "string":
        return raw
    if key_type == "integer":
        if not re.fullmatch(r"[+-]?\d{1,12}", raw.strip()):
            raise ValueError(raw)
        return int(raw)
    value = json.loads(raw)
    items = value if key_type == "array" else list(value.items()) if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise ValueError(raw)
    if key_type == "array":
        if not all(isinstance(item, str) for item in items):
            raise ValueError(raw)
        return tuple(cast(list[str], items))
    for name, item in items:
        if not isinstance(item, str):
            raise NotText(name, item)
    return dict(sorted(items))


def _unknown_key(key: str, value: str) -> ConfigProblem:
    known = list(_fields_by_key())
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return ConfigProblem(key, value, f"removed, the kit has no such key{hint} (it has {', '.join(known)})")


def _joint_problems(config: KitConfig, wrong: set[str]) -> list[ConfigProblem]:
    """Problems of values that are valid alone but not together; keys in `wrong` are skipped."""
    problems = []
    if not wrong & {"taskCpu", "taskMemory"} and config.task_memory not in FARGATE_MEMORY[config.task_cpu]:
        offered = ", ".join(str(memory) for memory in FARGATE_MEMORY[config.task_cpu])
        problems.append(
            ConfigProblem("taskMemory", str(config.task_memory), f"one of {offered} when taskCpu is {config.task_cpu}")
        )
    if (
        not wrong & {"taskTimeoutSeconds", "runTimeoutSeconds"}
        and config.run_timeout_seconds < config.task_timeout_seconds
    ):
        problems.append(
            ConfigProblem(
                "runTimeoutSeconds",
                str(config.run_timeout_seconds),
                f"at least taskTimeoutSeconds, which is {config.task_timeout_seconds}",
            )
        )
    if not wrong & {"interfaceEndpoints", "natGateways"}:
        problems.extend(_endpoint_problems(config))
    if not wrong & {"natGateways", "jobContext", "jobDockerfile", "jobPolicy"}:
        found = job_problems(config.job, config.has_nat)
        problems.extend(ConfigProblem(_camel_case(f"job_{name}"), value, allowed) for name, value, allowed in found)
    return problems


def _endpoint_problems(config: KitConfig) -> list[ConfigProblem]:
    given = json.dumps(list(config.interface_endpoints))
    problems = []
    missing = [name for name in REQUIRED_ENDPOINTS if name not in config.interface_endpoints]
    if missing and config.nat_gateways == "none":
        problems.append(
            ConfigProblem(
                "interfaceEndpoints",
                given,
                f"a list with {', '.join(missing)} too, or natGateways must be single or per-az: "
                "without either, nothing in the private subnets reaches these services",
            )
        )
    gateways = [name for name in GATEWAY_SERVICES if name in config.interface_endpoints]
    if gateways:
        problems.append(
            ConfigProblem(
                "interfaceEndpoints",
                given,
                f"a list without {', '.join(gateways)}, which have gateway endpoints already",
            )
        )
    return problems
