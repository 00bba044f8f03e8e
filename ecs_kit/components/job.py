"""The user's own job: its arguments and their checks.

Everything here is off by default. Configuration and `JobArgs` have the same rules, checked before any resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from ecs_kit.components import build_folder
from ecs_kit.components.errors import ConfigError, ConfigProblem

RESERVED_PREFIXES = ("KIT_", "AWS_", "ECS_")
"""Prefixes of the variables that the kit, the AWS SDKs and ECS set in the container."""

MAX_VARIABLES = 100

MAX_ENVIRONMENT_CHARACTERS = 16_384
"""ECS accepts task definitions of 64 KB (Amazon ECS service quotas); this leaves room for the rest."""

MAX_POLICY_CHARACTERS = 8_000
"""A role's inline policies may hold 10,240 characters together (IAM quotas); the kit's own take less than 2,000."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_SECRET = re.compile(
    r"(?P<arn>arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,519})"
    r"(?::[^:]*:[^:]*:[^:]*)?"
)
_PARAMETER = re.compile(r"(?P<arn>arn:aws[a-z-]*:ssm:[a-z0-9-]+:\d{12}:parameter/[A-Za-z0-9_./-]{1,1010})")
_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9][a-z0-9._/-]*?)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9.:/_-]*?(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?")
_ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE = re.compile(r"\*|arn:[^:\s]+:[^\s]+")
_STATEMENT_KEYS = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"})


@dataclass(frozen=True)
class JobArgs:
    """The job that replaces the sample.

    Values that are `pulumi.Output`s, such as the ARN of a secret of the same program, are checked once they are known.

    Args:
        context: Folder that the image is built from, absolute or relative to the program's own; None for the kit's.
        dockerfile: The Dockerfile's path within `context`.
        image: A ready image, by tag or digest; then no repository is created and nothing is built.
        function: The function that does the job, `module:function`; empty for the image's own `KIT_JOB`, or the sample
            without one.
        entry_point: Replaces the image's ENTRYPOINT.
        command: Replaces the image's CMD: what follows the entry point.
        environment: Value by name. Those whose names start with `JOB_` are the job's `parameters`.
        secrets: ARN of a Secrets Manager secret, which may end in `:json-key:version-stage:version-id`, or of an SSM
            parameter, by name of the variable that holds the secret's value.
        policy: What the job may do besides the kit's own, as an IAM document.
    """

    context: Path | None = None
    dockerfile: str = "Dockerfile"
    image: pulumi.Input[str] = ""
    function: str = ""
    entry_point: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    policy: pulumi.Input[Mapping[str, Any]] | None = None

    @property
    def is_ready_image(self) -> bool:
        """Whether the image is a ready one, so that none is built."""
        return self.image != ""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Interface endpoints for its secrets; without those of ARNs that are not known yet."""
        known = [value for value in self.secrets.values() if isinstance(value, str)]
        services = {"secretsmanager": _SECRET, "ssm": _PARAMETER}
        return tuple(name for name, form in services.items() if any(form.fullmatch(value) for value in known))

    def check(self, *, has_nat: bool, region: str) -> None:
        """Checks the job.

        Args:
            has_nat: Whether the private subnets have NAT gateways.
            region: Where it is deployed.

        Raises:
            ConfigError: With every argument that cannot be used.
        """
        every = [*problems(self, has_nat), *([] if has_nat else _out_of_reach(self, region))]
        found = [ConfigProblem(f"job.{name}", value, allowed) for name, value, allowed in every]
        if found:
            raise ConfigError(found)


Problem = tuple[str, str, str]
"""An argument's name, its value, and what is allowed as the phrase that completes "must be …"."""


def problems(job: JobArgs, has_nat: bool) -> Iterator[Problem]:
    """Every invalid argument of a job.

    Args:
        job: The job.
        has_nat: Whether the private subnets have NAT gateways.
    """
    yield from _image_problems(job, has_nat)
    if job.function and not _FUNCTION.fullmatch(job.function):
        yield "function", job.function, "module:function, such as word_count.job:run"
    for name, words in (("entry_point", job.entry_point), ("command", job.command)):
        if len(words) > 100 or not all(words):
            yield name, json.dumps(list(words)), "at most 100 words, none of them empty"
    yield from _variable_problems("environment", job.environment)
    yield from _variable_problems("secrets", job.secrets)
    size = sum(len(name) + len(value) for name, value in job.environment.items() if isinstance(value, str))
    if size > MAX_ENVIRONMENT_CHARACTERS:
        yield "environment", f"{size} characters", f"at most {MAX_ENVIRONMENT_CHARACTERS} characters in all"
    both = sorted(job.environment.keys() & job.secrets.keys())
    if both:
        yield "secrets", ", ".join(both), "by other names than those of the environment"
    for name, value in job.secrets.items():
        if isinstance(value, str) and secret_arn(value) is None:
            yield "secrets", f"{name}: {value}", "ARNs of Secrets Manager secrets or SSM parameters"
    if isinstance(job.policy, Mapping):
        for reason in policy_problems(job.policy):
            yield "policy", _shortened(json.dumps(job.policy)), f"an IAM identity policy: {reason}"


def _image_problems(job: JobArgs, has_nat: bool) -> Iterator[Problem]:
    if job.context is not None and job.is_ready_image:
        yield "image", str(job.image), "left out where there is a context to build from, or the context left out"
    elif job.context is not None and not (job.context / job.dockerfile).is_file():
        missing = job.context / job.dockerfile
        yield "context", str(job.context), f"a folder with a Dockerfile; there is no file {missing}"
    elif job.context is not None and (job.context / build_folder.KIT_FOLDER).exists():
        library = f"{build_folder.KIT_FOLDER}/"
        yield "context", str(job.context), f"a folder without {library}, where the kit puts its own library"
    elif job.context is not None and (odd := build_folder.no_source(job.context)):
        yield "context", str(job.context), f"a folder of folders, files and links to files; {odd} is something else"
    if isinstance(job.image, str) and job.image:
        if not _IMAGE.fullmatch(job.image):
            yield "image", job.image, "an image reference such as <registry>/<name>:<tag> or <registry>/<name>@<digest>"
        elif not has_nat and not _ECR_IMAGE.fullmatch(job.image):
            allowed = "an image in a private repository of Amazon ECR, or natGateways must be single or per-az: "
            yield "image", job.image, f"{allowed}without either, nothing in the private subnets reaches its registry"


def _out_of_reach(job: JobArgs, region: str) -> Iterator[Problem]:
    """Images and secrets of another region, which no interface endpoint reaches."""
    allowed = f"in {region}, or natGateways must be single or per-az: interface endpoints reach their own region alone"
    image = _ECR_IMAGE.fullmatch(job.image) if isinstance(job.image, str) else None
    if image and image["region"] != region:
        yield "image", str(job.image), allowed
    for name, value in job.secrets.items():
        arn = secret_arn(value) if isinstance(value, str) else None
        if arn and arn.split(":")[3] != region:
            yield "secrets", f"{name}: {arn}", allowed


def _variable_problems(argument: str, variables: Mapping[str, object]) -> Iterator[Problem]:
    if len(variables) > MAX_VARIABLES:
        yield argument, f"{len(variables)} variables", f"at most {MAX_VARIABLES} variables"
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            yield argument, name, "by names of letters, digits and _, not starting with a digit"
        elif name.upper().startswith(RESERVED_PREFIXES):
            reserved = ", ".join(RESERVED_PREFIXES)
            yield argument, name, f"by names that do not start with {reserved}: those are reserved"


def secret_arn(reference: str) -> str | None:
    """The ARN for a policy: that of the secret or parameter, without key and version; None for other text.

    Args:
        reference: As a container definition's `valueFrom` has it.
    """
    found = _SECRET.fullmatch(reference) or _PARAMETER.fullmatch(reference)
    return found["arn"] if found else None


def ecr_repository(image: str, partition: str) -> str | None:
    """ARN of the private ECR repository that an image is in, None for an image elsewhere.

    Args:
        image: The image's reference.
        partition: AWS partition.
    """
    found = _ECR_IMAGE.fullmatch(image)
    return (
        f"arn:{partition}:ecr:{found['region']}:{found['account']}:repository/{found['repository']}" if found else None
    )


def parse_policy(text: str) -> Mapping[str, Any]:
    """Parses an IAM document.

    Raises:
        ValueError: It is no JSON object.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("no JSON object")
    return document


def policy_problems(document: Mapping[str, Any]) -> list[str]:
    """Why a document is no identity policy; IAM itself checks it only during the deployment.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html

    Args:
        document: A JSON object.
    """
    found = [f"{key} is no key of a policy" for key in document if key not in ("Version", "Id", "Statement")]
    if document.get("Version") != "2012-10-17":
        found.append('Version must be "2012-10-17"')
    statements = document.get("Statement")
    statements = [statements] if isinstance(statements, Mapping) else statements
    if not isinstance(statements, list) or not statements:
        return [*found, "Statement must be a list of statements"]
    for number, statement in enumerate(statements):
        name = f"Statement[{number}]"
        if isinstance(statement, Mapping):
            found.extend(f"{name}: {reason}" for reason in _statement_problems(statement))
        else:
            found.append(f"{name} must be an object")
    size = len(json.dumps(document, separators=(",", ":")))
    if size > MAX_POLICY_CHARACTERS:
        found.append(f"it has {size} characters, {MAX_POLICY_CHARACTERS} is the most")
    return found


def _statement_problems(statement: Mapping[str, Any]) -> Iterator[str]:
    for key in statement:
        if key not in _STATEMENT_KEYS:
            yield f"{key} is no key of an identity policy's statement"
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield "Effect must be Allow or Deny"
    sid = statement.get("Sid", "")
    if not isinstance(sid, str) or not re.fullmatch("[A-Za-z0-9]*", sid):
        yield "Sid must be of letters and digits"
    for key, form in (("Action", _ACTION), ("Resource", _RESOURCE)):
        given = [name for name in (key, f"Not{key}") if name in statement]
        if len(given) != 1:
            yield f"exactly one of {key} and Not{key} must be there"
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


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"
