"""An IAM role with its policies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class WorkloadRoleArgs:
    """Arguments of `WorkloadRole`.

    Args:
        role: The role's name.
        description: Who uses it.
        trust: Who may assume it, as an IAM document.
        policy: What it may do, as an IAM document.
        tags: The role's tags.
        further: Further documents, by the suffix of their policies' names.
    """

    role: str
    description: str
    trust: Mapping[str, Any]
    policy: pulumi.Input[Mapping[str, Any]]
    tags: Mapping[str, str]
    further: Mapping[str, pulumi.Input[Mapping[str, Any]]] = field(default_factory=dict)


class WorkloadRole(pulumi.ComponentResource):
    """A role and its policies. Users of the role must depend on `policies`: AWS checks some roles on creation."""

    arn: pulumi.Output[str]
    policies: list[pulumi.Resource]

    def __init__(self, name: str, args: WorkloadRoleArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:roles:WorkloadRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            name=args.role,
            description=args.description,
            assume_role_policy=json.dumps(args.trust),
            tags=args.tags,
            opts=child,
        )
        self.arn = role.arn
        documents = {"": args.policy, **{f"-{part}": document for part, document in args.further.items()}}
        self.policies = [
            aws.iam.RolePolicy(
                f"{name}{part}",
                name=f"{args.role}{part}",
                role=role.name,
                policy=pulumi.Output.json_dumps(document),
                opts=child,
            )
            for part, document in documents.items()
        ]
        self.register_outputs({"arn": self.arn})
