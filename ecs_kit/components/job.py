"""The user's own job: its arguments, which are configuration keys too, and their checks."""

# ruff: noqa: RUF009 - `key` is `dataclasses.field`

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args

import pulumi

from ecs_kit.components import build_folder
from ecs_kit.components.errors import ConfigProblem
from ecs_kit.components.keys import Rule, key, list_of, one_of, text, texts
from ecs_kit.runtime.contract import overrides
from ecs_kit.runtime.contract.environment import RESERVED_PREFIXES

MAX_WORDS = 100
MAX_VARIABLES = 100

MAX_EXIT_CODES = 10

MAX_TEMPLATE_CHARACTERS = 800
"""They are in the functions' environment, which AWS limits to 4 KB."""

JobRecords = Literal["kit", "ecs"]

MAX_ENVIRONMENT_CHARACTERS = 16_384
"""ECS accepts task definitions of 64 KB (Amazon ECS service quotas); this leaves room for the rest."""

MAX_POLICY_CHARACTERS = 8_000
"""A role's inline policies may hold 10,240 characters together (IAM quotas); the kit's own take less than 2,000."""

CAPABILITIES = (
    *("ALL", "AUDIT_CONTROL", "AUDIT_WRITE", "BLOCK_SUSPEND", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER"),
    *("FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD"),
    *("NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG"),
    *("SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM"),
)
"""What ECS takes (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_KernelCapabilities.html)."""

_CAPABILITY = re.compile("|".join(CAPABILITIES))
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FUNCTION = re.compile(r"(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)?", re.ASCII)
_SECRET = re.compile(
    r"(?P<arn>arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,519})"
    r"(?::[^:]*:[^:]*:[^:]*)?"
)
_PARAMETER = re.compile(r"(?P<arn>arn:aws[a-z-]*:ssm:[a-z0-9-]+:\d{12}:parameter/[A-Za-z0-9_./-]{1,1010})")
_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9][a-z0-9._/-]*?)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_REFERENCE = r"[a-z0-9][A-Za-z0-9.:/_-]*?(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
_IMAGE = re.compile(_REFERENCE)
_MIRROR = re.compile(f"(?:{_REFERENCE})?")
_USER = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?)?")
_ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE = re.compile(r"\*|arn:[^:\s]+:[^\s]+")
_STATEMENT_KEYS = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"})


def _context(raw: str) -> Path | None:
    return Path(raw) if raw else None


def _policy(raw: str) -> Mapping[str, Any] | None:
    if not raw:
        return None
    document = json.loads(raw)
    if not isinstance(document, dict):
        raise ValueError("no JSON object")
    return document


def _is_path(value: Path | str | None) -> bool:
    return len(str(value)) <= 1024 and "\0" not in str(value)


def _is_path_within(value: str) -> bool:
    return bool(value) and _is_path(value) and not value.startswith("/") and ".." not in value.split("/")


def _are_exit_codes(value: Sequence[str]) -> bool:
    numbers = [int(code) for code in value if re.fullmatch("0|[1-9][0-9]{0,2}", code)]
    return len(set(value)) == len(value) == len(numbers) <= MAX_EXIT_CODES and all(code <= 255 for code in numbers)


def _are_failures(value: Sequence[str]) -> bool:
    return _are_exit_codes(value) and "0" not in value


_WORDS = Rule(
    f"a list of at most {MAX_WORDS} words, none of them empty",
    lambda value: (
        not isinstance(value, str) and len(value) <= MAX_WORDS and all(isinstance(w, str) and w for w in value)
    ),
)


@dataclass(frozen=True)
class JobArgs:
    """The job that replaces the sample.

    In a program, `context` is absolute or relative to the program's own folder, and `policy` is the document itself.
    `pulumi.Output`s, such as the ARN of a secret of the same program, are checked once they are known. Without
    `function`, the image's own `KIT_JOB` or else the sample does the job. A secret's ARN may end in
    `:json-key:version-stage:version-id`.
    """

    context: Path | None = key(
        None,
        "Your own image: its build folder.",
        Rule("a folder, relative to that of Pulumi.yaml, that holds jobDockerfile", _is_path),
        parse=_context,
        given=(Path, NoneType),
    )
    dockerfile: str = key(
        "Dockerfile", "The Dockerfile of your own image.", Rule("a path within jobContext", _is_path_within)
    )
    image: pulumi.Input[str] = key(
        "",
        "A ready image; then none is built and no repository is created.",
        Rule("an image reference by tag or digest; without NAT gateways one in Amazon ECR"),
        given=(str, pulumi.Output),
    )
    mirror: str = key(
        "",
        "An image of any registry, copied into the pattern's own repository by the deployment.",
        text(_MIRROR, "an image reference by tag or digest, such as public.ecr.aws/docker/library/alpine:3.22"),
    )
    records: JobRecords = key(
        "kit",
        "Who keeps the rows of tasks: the kit's library in the image, or, for any image, the monitor by what ECS says.",
        one_of(*get_args(JobRecords)),
    )
    success_exit_codes: Sequence[str] = key(
        ("0",),
        "With jobRecords ecs: exit codes of a container that did its job.",
        Rule(
            f"a list of at most {MAX_EXIT_CODES} different numbers from 0 to 255, with 0",
            lambda value: _are_exit_codes(value) and "0" in value,
        ),
    )
    retry_exit_codes: Sequence[str] = key(
        (),
        "With jobRecords ecs: exit codes of a job that is tried again; an empty list for all codes of failure.",
        Rule(f"a list of at most {MAX_EXIT_CODES} different numbers from 1 to 255", _are_failures),
    )
    function: str = key(
        "",
        "The function that does the job in an image with the kit's library.",
        Rule("module:function, such as word_count:run", lambda value: _FUNCTION.fullmatch(value) is not None),
    )
    entry_point: Sequence[str] = key((), "What replaces the image's ENTRYPOINT.", _WORDS)
    command: Sequence[str] = key((), "What replaces the image's CMD.", _WORDS)
    user: str = key(
        "",
        "The user of the container, instead of the image's.",
        text(_USER, "a user or user:group, by names or numbers"),
    )
    drop_capabilities: Sequence[str] = key(
        ("ALL",),
        "Linux capabilities that the container lacks. An image that changes its user needs SETUID and SETGID.",
        list_of(_CAPABILITY, "capabilities such as NET_RAW, or ALL", most=len(CAPABILITIES)),
    )
    environment: Mapping[str, pulumi.Input[str]] = key(
        {},
        "Environment of the job; variables named JOB_… are its parameters.",
        Rule(f"at most {MAX_VARIABLES} strings, by names that do not start with KIT_, AWS_ or ECS_"),
    )
    secrets: Mapping[str, pulumi.Input[str]] = key(
        {},
        "Secrets in the job's environment.",
        Rule("ARNs of Secrets Manager secrets or SSM parameters, by names as in jobEnvironment"),
    )
    policy: pulumi.Input[Mapping[str, Any]] | None = key(
        None,
        "What the job may do besides reading its source and writing its result.",
        Rule(f"an IAM identity policy as JSON of at most {MAX_POLICY_CHARACTERS} characters"),
        parse=_policy,
        given=(Mapping, pulumi.Output, NoneType),
    )

    def __post_init__(self) -> None:
        if isinstance(self.context, str):
            object.__setattr__(self, "context", Path(self.context))
        if isinstance(self.policy, str):
            with suppress(ValueError):
                object.__setattr__(self, "policy", json.loads(self.policy))
        for name in ("success_exit_codes", "retry_exit_codes", "entry_point", "command"):
            object.__setattr__(self, name, texts(getattr(self, name)))

    @property
    def has_ecs_records(self) -> bool:
        """Whether its container knows nothing of the kit."""
        return self.records == "ecs"

    @property
    def environment_with_placeholders(self) -> dict[str, str]:
        """The variables that differ from task to task; outputs of resources are taken as they are."""
        return {name: text for name, text in _known(self.environment).items() if overrides.used([text])}

    @property
    def is_ready_image(self) -> bool:
        """Whether the image is a ready one, so that none is built."""
        return self.image != ""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Interface endpoints for its secrets; without those of ARNs that are not known yet."""
        services = {"secretsmanager": _SECRET, "ssm": _PARAMETER}
        known = _known(self.secrets).values()
        return tuple(name for name, form in services.items() if any(map(form.fullmatch, known)))


def job_problems(job: JobArgs, *, has_nat: bool, region: str | None) -> Iterator[ConfigProblem]:
    """Every problem of a job that the rules of its keys do not find; `region` is None while it is not known."""
    yield from _context_problems(job)
    yield from _records_problems(job)
    yield from _placeholder_problems(job)
    yield from _image_problems(job)
    yield from _variable_problems("jobEnvironment", job.environment)
    yield from _variable_problems("jobSecrets", job.secrets)
    size = sum(len(name) + len(value) for name, value in _known(job.environment).items())
    if size > MAX_ENVIRONMENT_CHARACTERS:
        allowed = f"at most {MAX_ENVIRONMENT_CHARACTERS} characters in all"
        yield ConfigProblem("jobEnvironment", f"{size} characters", allowed)
    both = sorted(job.environment.keys() & job.secrets.keys())
    if both:
        yield ConfigProblem("jobSecrets", ", ".join(both), "by other names than those of the environment")
    yield from secret_problems(_known(job.secrets))
    if isinstance(job.policy, Mapping):
        text = json.dumps(job.policy)
        shown = text if len(text) <= 200 else f"{text[:200]}…"
        for reason in policy_problems(job.policy):
            yield ConfigProblem("jobPolicy", shown, f"an IAM identity policy: {reason}")
    if not has_nat:
        yield from reach_problems(job, region, "or natGateways must be single or per-az: ")


def secret_problems(secrets: Mapping[str, str]) -> Iterator[ConfigProblem]:
    """Secrets that are no ARN of a secret or a parameter."""
    for name, value in secrets.items():
        if secret_arn(value) is None:
            yield ConfigProblem("jobSecrets", f"{name}: {value}", "ARNs of Secrets Manager secrets or SSM parameters")


def _known(values: Mapping[str, pulumi.Input[str]]) -> dict[str, str]:
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _context_problems(job: JobArgs) -> Iterator[ConfigProblem]:
    sources = {"jobContext": job.context is not None, "jobMirror": job.mirror != "", "jobImage": job.is_ready_image}
    given = [name for name, is_given in sources.items() if is_given]
    if len(given) > 1:
        yield ConfigProblem(
            given[-1], str(job.image or job.mirror), f"left out where there is a {given[0]}, or {given[0]} left out"
        )
        return
    if job.context is None:
        return
    dockerfile, library = job.context / job.dockerfile, build_folder.KIT_FOLDER
    if not dockerfile.is_file():
        allowed = f"a folder with a Dockerfile; there is no file {dockerfile}"
    elif (job.context / library).exists():
        allowed = f"a folder without {library}/, where the kit puts its own library"
    elif odd := build_folder.no_source(job.context):
        allowed = f"a folder of folders, files and links to files; {odd} is something else"
    else:
        return
    yield ConfigProblem("jobContext", str(job.context), allowed)


def _records_problems(job: JobArgs) -> Iterator[ConfigProblem]:
    if not job.has_ecs_records:
        for name, given, default in (
            ("jobSuccessExitCodes", job.success_exit_codes, ("0",)),
            ("jobRetryExitCodes", job.retry_exit_codes, ()),
        ):
            if tuple(given) != default:
                allowed = "left out, or jobRecords must be ecs: the kit's library says how a job ended"
                yield ConfigProblem(name, json.dumps(list(given)), allowed)
        return
    if job.context is None and not job.mirror and not job.is_ready_image:
        allowed = "kit, or jobContext, jobImage or jobMirror must name an image: the sample needs the kit's library"
        yield ConfigProblem("jobRecords", "ecs", allowed)
    if job.function:
        allowed = "left out, or jobRecords must be kit: it names a function for the kit's library"
        yield ConfigProblem("jobFunction", job.function, allowed)
    both = sorted({*job.success_exit_codes} & {*job.retry_exit_codes})
    if both:
        yield ConfigProblem("jobRetryExitCodes", ", ".join(both), "other codes than jobSuccessExitCodes")


def _placeholder_problems(job: JobArgs) -> Iterator[ConfigProblem]:
    variables = _known(job.environment)
    if overrides.used(job.entry_point):
        yield ConfigProblem("jobEntryPoint", " ".join(job.entry_point), "without placeholders: jobCommand has them")
    for key_name, given in (("jobCommand", list(job.command)), ("jobEnvironment", [*variables.values()])):
        unknown = sorted(overrides.used(given) - {*overrides.NAMES})
        if unknown:
            allowed = f"with placeholders of {', '.join(overrides.NAMES)} alone"
            yield ConfigProblem(key_name, ", ".join(unknown), allowed)
    differing = {**job.environment_with_placeholders}
    # As JSON in the functions' environment has them, where other letters than ASCII take six characters.
    length = sum(len(json.dumps(text)[1:-1]) for text in (*differing, *differing.values(), *job.command))
    if overrides.used([*job.command, *differing.values()]) and length > MAX_TEMPLATE_CHARACTERS:
        allowed = f"at most {MAX_TEMPLATE_CHARACTERS} characters of command and variables with placeholders"
        yield ConfigProblem("jobCommand", f"{length} characters", allowed)


def _image_problems(job: JobArgs) -> Iterator[ConfigProblem]:
    if isinstance(job.image, str) and job.image and not _IMAGE.fullmatch(job.image):
        allowed = "an image reference such as <registry>/<name>:<tag> or <registry>/<name>@<digest>"
        yield ConfigProblem("jobImage", job.image, allowed)


def reach_problems(job: JobArgs, region: str | None, otherwise: str) -> Iterator[ConfigProblem]:
    """What subnets without a way out of the VPC do not reach: images of other registries, and of other regions images
    and secrets; `otherwise` says how to get a way out."""
    image = _ECR_IMAGE.fullmatch(job.image) if isinstance(job.image, str) else None
    if isinstance(job.image, str) and _IMAGE.fullmatch(job.image) and not image:
        allowed = f"an image in a private repository of Amazon ECR, {otherwise}"
        allowed += "without either, nothing in the private subnets reaches its registry"
        yield ConfigProblem("jobImage", job.image, allowed)
    if region is None:
        return
    allowed = f"in {region}, {otherwise}interface endpoints reach their own region alone"
    if image and image["region"] != region:
        yield ConfigProblem("jobImage", str(job.image), allowed)
    for name, value in _known(job.secrets).items():
        arn = secret_arn(value)
        if arn and arn.split(":")[3] != region:
            yield ConfigProblem("jobSecrets", f"{name}: {arn}", allowed)


def _variable_problems(key_name: str, variables: Mapping[str, object]) -> Iterator[ConfigProblem]:
    if len(variables) > MAX_VARIABLES:
        yield ConfigProblem(key_name, f"{len(variables)} variables", f"at most {MAX_VARIABLES} variables")
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            yield ConfigProblem(key_name, name, "by names of letters, digits and _, not starting with a digit")
        elif name.upper().startswith(RESERVED_PREFIXES):
            allowed = f"by names that do not start with {', '.join(RESERVED_PREFIXES)}: those are reserved"
            yield ConfigProblem(key_name, name, allowed)


def secret_arn(reference: str) -> str | None:
    """The ARN of a secret or parameter in `valueFrom`, without key and version; None for other text."""
    found = _SECRET.fullmatch(reference) or _PARAMETER.fullmatch(reference)
    return found["arn"] if found else None


def ecr_repository(image: str, partition: str) -> str | None:
    """The ARN of the private ECR repository that an image is in, None for an image elsewhere."""
    found = _ECR_IMAGE.fullmatch(image)
    return found and f"arn:{partition}:ecr:{found['region']}:{found['account']}:repository/{found['repository']}"


def policy_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Why a document is no identity policy; IAM itself checks it only during the deployment.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
    """
    yield from (f"{name} is no key of a policy" for name in document if name not in ("Version", "Id", "Statement"))
    if document.get("Version") != "2012-10-17":
        yield 'Version must be "2012-10-17"'
    statements = document.get("Statement")
    statements = [statements] if isinstance(statements, Mapping) else statements
    if not isinstance(statements, list) or not statements:
        yield "Statement must be a list of statements"
        return
    for number, statement in enumerate(statements):
        if isinstance(statement, Mapping):
            yield from (f"Statement[{number}]: {reason}" for reason in _statement_problems(statement))
        else:
            yield f"Statement[{number}] must be an object"
    size = len(json.dumps(document, separators=(",", ":")))
    if size > MAX_POLICY_CHARACTERS:
        yield f"it has {size} characters, {MAX_POLICY_CHARACTERS} is the most"


def _statement_problems(statement: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name} is no key of an identity policy's statement" for name in statement.keys() - _STATEMENT_KEYS)
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield "Effect must be Allow or Deny"
    sid = statement.get("Sid", "")
    if not isinstance(sid, str) or not re.fullmatch("[A-Za-z0-9]*", sid):
        yield "Sid must be of letters and digits"
    for name, form in (("Action", _ACTION), ("Resource", _RESOURCE)):
        given = [each for each in (name, f"Not{name}") if each in statement]
        if len(given) != 1:
            yield f"exactly one of {name} and Not{name} must be there"
            continue
        values = statement[given[0]]
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or not values:
            yield f"{given[0]} must be a string or a list of strings"
            continue
        for value in values:
            if not isinstance(value, str) or not form.fullmatch(value):
                yield f"{given[0]} cannot be {value!r}"
    if not isinstance(statement.get("Condition", {}), Mapping):
        yield "Condition must be an object"
