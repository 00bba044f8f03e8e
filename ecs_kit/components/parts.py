"""What the parts of a pattern share: their arguments, log groups and roles."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.config import KitConfig
from ecs_kit.components.names import PatternNames


@dataclass(frozen=True)
class PartArgs:
    """Arguments of every part of a pattern: the pattern's names, the stack's configuration, tags of all resources."""

    names: PatternNames
    config: KitConfig
    tags: Mapping[str, str]


def log_group(name: str, log_group_name: str, args: PartArgs, opts: pulumi.ResourceOptions) -> aws.cloudwatch.LogGroup:
    """A log group with the configured retention and key."""
    return aws.cloudwatch.LogGroup(
        name,
        name=log_group_name,
        retention_in_days=args.config.log_retention_days,
        kms_key_id=args.config.kms_key_arn or None,
        tags=args.tags,
        opts=opts,
    )


@dataclass(frozen=True)
class WorkloadRoleArgs:
    """Arguments of `WorkloadRole`: its user, as in `PatternNames.role`, who may assume it, and what it may do.

    `further` has more documents than `policy`, by the suffix of their policies' names. `key_services` are the services
    that encrypt data which the role uses with the configured key; it `puts_objects` unless it only reads those of S3.
    """

    part: PartArgs
    user: str
    description: str
    trust: Mapping[str, Any]
    policy: pulumi.Input[Mapping[str, Any]]
    further: Mapping[str, pulumi.Input[Mapping[str, Any]]] = field(default_factory=dict)
    key_services: Sequence[str] = ()
    puts_objects: bool = True


class WorkloadRole(pulumi.ComponentResource):
    """A role and its policies. Users of the role must depend on `policies`: AWS checks some roles on creation."""

    arn: pulumi.Output[str]
    policies: list[pulumi.Resource]

    def __init__(self, name: str, args: WorkloadRoleArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:roles:WorkloadRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role_name = args.part.names.role(args.user)
        role = aws.iam.Role(
            name,
            name=role_name,
            description=args.description,
            assume_role_policy=json.dumps(args.trust),
            permissions_boundary=args.part.config.permissions_boundary or None,
            tags=args.part.tags,
            opts=child,
        )
        self.arn = role.arn
        documents = {"": args.policy, **{f"-{part}": document for part, document in args.further.items()}}
        key_arn = args.part.config.kms_key_arn
        if key_arn and args.key_services:
            documents["-key"] = policies.use_key(
                args.part.names.target, key_arn, args.key_services, puts_objects=args.puts_objects
            )
        self.policies = [
            aws.iam.RolePolicy(
                f"{name}{part}",
                name=f"{role_name}{part}",
                role=role.name,
                policy=pulumi.Output.json_dumps(document),
                opts=child,
            )
            for part, document in documents.items()
        ]
        self.register_outputs({"arn": self.arn})
