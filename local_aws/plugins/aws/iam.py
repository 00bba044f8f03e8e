"""Identity and Access Management."""

from typing import ClassVar, Final

from local_aws.plugins.aws.base import Aws, AwsResource, Retry
from local_aws.plugins.framework.schema import JSON, STRING, Property, Table
from local_aws.plugins.framework.values import Properties

PROPAGATION_SECONDS: Final = 120.0
"""How long other services may not see a new role or policy (IAM: "changes are not always immediately visible"; the
published provider waits as long)."""
_GONE: Final = ("NoSuchEntity",)


class Role(AwsResource):
    """`aws.iam.Role`; its id is its name."""

    token = "aws:iam/role:Role"
    name_property = "name"
    service, creates, reads, answers, deletes = "iam", "CreateRole", "GetRole", "Role", "DeleteRole"
    renamed: ClassVar = {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument", "uniqueId": "RoleId"}
    gone = _GONE
    tagging = ("TagRole", "UntagRole")
    # A principal that is new itself may not be visible yet.
    not_yet = Retry(
        "the principals of assumeRolePolicy to be visible",
        ("MalformedPolicyDocument",),
        PROPAGATION_SECONDS,
        ("invalid principal in policy",),
    )
    in_use = Retry(
        "the detachment of all policies of role {id}", ("DeleteConflict", "ConcurrentModification"), PROPAGATION_SECONDS
    )
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "assumeRolePolicy": Property(JSON, required=True),
        "description": Property(STRING),
        "permissionsBoundary": Property(STRING),
    }
    outputs = ("arn", "createDate", "tagsAll", "uniqueId")
    deletes_before_replace = True

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateAssumeRolePolicy, UpdateRoleDescription, Put- or DeleteRolePermissionsBoundary."""
        iam = self.client(operation)
        if "assumeRolePolicy" in changed:
            iam.update_assume_role_policy(RoleName=resource_id, PolicyDocument=new["assumeRolePolicy"])
        if "description" in changed:
            iam.update_role_description(RoleName=resource_id, Description=new.get("description", ""))
        if "permissionsBoundary" in changed:
            sets = "PutRolePermissionsBoundary" if new.get("permissionsBoundary") else "DeleteRolePermissionsBoundary"
            self.call_on(operation, sets, {**new, "name": resource_id})

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetRole."""
        answer = self.call_on(operation, self.reads, {**state, self.id_property: resource_id})["Role"]
        boundary = (answer.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        return self.found({**answer, "PermissionsBoundary": boundary, "tags": answer.get("Tags")})


class RolePolicy(AwsResource):
    """`aws.iam.RolePolicy`; its id is `<role>:<name>`."""

    token = "aws:iam/rolePolicy:RolePolicy"
    name_property = "name"
    service, creates, reads, deletes = "iam", "PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy"
    puts = True
    id_property = "id"
    renamed: ClassVar = {"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"}
    gone = _GONE
    tagged = False
    not_yet = Retry("role {role} to be visible", _GONE, 30)
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "role": Property(STRING, required=True, replaces=True),
        "policy": Property(JSON, required=True),
    }
    deletes_before_replace = True

    def create(self, operation: Aws, inputs: Properties) -> str:
        """PutRolePolicy."""
        self.send(operation, inputs)
        return f"{inputs['role']}:{inputs['name']}"
