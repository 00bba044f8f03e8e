"""Identity and Access Management."""

import json
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, AwsResource, retrying
from local_aws.plugins.framework.schema import JSON, STRING, Property, Table
from local_aws.plugins.framework.values import Properties

_GONE: Final = ("NoSuchEntity",)
_PROPAGATION_SECONDS: Final = 120.0


def document_text(document: Any) -> str:
    """A policy as text; botocore decodes the documents that IAM sends."""
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))


class Role(AwsResource):
    """`aws.iam.Role`; its id is its name."""

    token = "aws:iam/role:Role"
    name_property = "name"
    service = "iam"
    creates = "CreateRole"
    renamed: ClassVar = {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument", "uniqueId": "RoleId"}
    gone = _GONE
    tagging = ("TagRole", "UntagRole")
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "assumeRolePolicy": Property(JSON, required=True),
        "description": Property(STRING),
    }
    outputs = ("arn", "createDate", "tagsAll", "uniqueId")
    deletes_before_replace = True

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateRole. A principal that is new itself may not be seen yet."""
        retrying(
            operation,
            "the principals of assumeRolePolicy to be seen",
            lambda: self.send(operation, inputs),
            "MalformedPolicyDocument",
            messages=("invalid principal in policy",),
            seconds=_PROPAGATION_SECONDS,
        )
        return str(inputs["name"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetRole."""
        role = self.client(operation).get_role(RoleName=resource_id)["Role"]
        return {**self.found(role), "assumeRolePolicy": document_text(role["AssumeRolePolicyDocument"])}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """All but the name changes in place."""
        iam = self.client(operation)
        if "assumeRolePolicy" in changed:
            iam.update_assume_role_policy(RoleName=resource_id, PolicyDocument=new["assumeRolePolicy"])
        if "description" in changed:
            iam.update_role(RoleName=resource_id, Description=new.get("description", ""))

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRole, when what was attached to it is gone."""
        retrying(
            operation,
            f"what is attached to role {resource_id} to be gone",
            lambda: self.client(operation).delete_role(RoleName=resource_id),
            "DeleteConflict",
            "ConcurrentModification",
            seconds=_PROPAGATION_SECONDS,
        )


class RolePolicy(AwsResource):
    """`aws.iam.RolePolicy`; its id is `<role>:<name>`."""

    token = "aws:iam/rolePolicy:RolePolicy"
    name_property = "name"
    service = "iam"
    creates = "PutRolePolicy"
    renamed: ClassVar = {"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"}
    gone = _GONE
    tagged = False
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "role": Property(STRING, required=True, replaces=True),
        "policy": Property(JSON, required=True),
    }
    deletes_before_replace = True

    def create(self, operation: Aws, inputs: Properties) -> str:
        """PutRolePolicy."""
        retrying(
            operation, f"role {inputs['role']} to be seen", lambda: self.send(operation, inputs), *_GONE, seconds=30
        )
        return f"{inputs['role']}:{inputs['name']}"

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetRolePolicy."""
        role, _, name = resource_id.partition(":")
        policy = self.client(operation).get_role_policy(RoleName=role, PolicyName=name)
        return {**self.found(policy), "policy": document_text(policy["PolicyDocument"])}

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRolePolicy."""
        role, _, name = resource_id.partition(":")
        self.client(operation).delete_role_policy(RoleName=role, PolicyName=name)
