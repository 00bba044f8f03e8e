"""An IAM role with its one policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
    """

    role: str
    description: str
    trust: Mapping[str, Any]
    policy: Mapping[str, Any]
    tags: Mapping[str, str]


class WorkloadRole(pulumi.ComponentResource):
    """A role and its policy. What uses the role must be created after `policy`: AWS checks some roles at once."""

    arn: pulumi.Output[str]
    policy: aws.iam.RolePolicy

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
        self.policy = aws.iam.RolePolicy(
            name, name=args.role, role=role.name, policy=json.dumps(args.policy), opts=child
        )
        self.register_outputs({"arn": self.arn})
