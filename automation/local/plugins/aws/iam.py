"""Identity and Access Management."""

import json
from typing import Any, ClassVar, Final

from automation.local.plugins.aws.base import (
    POLICY,
    Aws,
    AwsResource,
    Request,
    compact,
    created,
    retrying,
    tag_changes,
    tag_list,
    tag_map,
    tolerating,
)
from automation.local.plugins.framework.schema import BOOLEAN, INTEGER, STRING, Property, SetOf, Table
from automation.local.plugins.framework.values import Properties

_GONE: Final = "NoSuchEntity"
_PROPAGATION_SECONDS: Final = 120.0


def document_text(document: Any) -> str:
    """A policy as text; botocore decodes the documents that IAM sends."""
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))


class Role(AwsResource):
    """`aws.iam.Role`; its id is its name."""

    token = "aws:iam/role:Role"
    regional = False
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "assumeRolePolicy": Property(POLICY, required=True),
        "description": Property(STRING),
        "path": Property(STRING, replaces=True, default="/"),
        "maxSessionDuration": Property(INTEGER, default=3600),
        "permissionsBoundary": Property(STRING),
        "managedPolicyArns": Property(SetOf(STRING), computed=True),
        "forceDetachPolicies": Property(BOOLEAN, default=False, unreadable=True),
    }
    outputs = ("arn", "createDate", "tagsAll", "uniqueId")
    name_property = "name"
    name_limit = 64

    def request(self, inputs: Properties) -> Request:
        """CreateRole."""
        return Request(
            "iam",
            "CreateRole",
            compact(
                {
                    "RoleName": inputs["name"],
                    "AssumeRolePolicyDocument": inputs["assumeRolePolicy"],
                    "Description": inputs.get("description"),
                    "Path": inputs.get("path", "/"),
                    "MaxSessionDuration": inputs.get("maxSessionDuration"),
                    "PermissionsBoundary": inputs.get("permissionsBoundary"),
                    "Tags": tag_list(inputs) or None,
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateRole, AttachRolePolicy. A principal that is new itself may not be seen yet."""
        retrying(
            operation,
            "the principals of assumeRolePolicy to be seen",
            lambda: self.send(operation, inputs),
            "MalformedPolicyDocument",
            messages=("invalid principal in policy",),
            seconds=_PROPAGATION_SECONDS,
        )
        name = str(inputs["name"])
        with created(name, inputs):
            for arn in inputs.get("managedPolicyArns") or ():
                self.client(operation, "iam", inputs).attach_role_policy(RoleName=name, PolicyArn=arn)
        return name

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetRole, and its managed policies where the program has a say in them."""
        iam = self.client(operation, "iam", state)
        with tolerating(_GONE):
            role = iam.get_role(RoleName=resource_id)["Role"]
            found: Properties = {
                "name": role["RoleName"],
                "arn": role["Arn"],
                "assumeRolePolicy": document_text(role["AssumeRolePolicyDocument"]),
                "description": role.get("Description") or None,
                "path": role.get("Path", "/"),
                "maxSessionDuration": role.get("MaxSessionDuration", 3600),
                "permissionsBoundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
                "forceDetachPolicies": state.get("forceDetachPolicies"),
                "createDate": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
                "uniqueId": role["RoleId"],
                "tags": tag_map(role.get("Tags")),
            }
            if state.get("managedPolicyArns") is not None:
                found["managedPolicyArns"] = self._attached(iam, resource_id)
            return found
        return None

    @staticmethod
    def _attached(iam: Any, name: str) -> list[str]:
        pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        return sorted(policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"])

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """All but name and path change in place."""
        iam = self.client(operation, "iam", new)
        if "assumeRolePolicy" in changed:
            iam.update_assume_role_policy(RoleName=resource_id, PolicyDocument=new["assumeRolePolicy"])
        if changed & {"description", "maxSessionDuration"}:
            iam.update_role(
                RoleName=resource_id,
                Description=new.get("description", ""),
                MaxSessionDuration=new.get("maxSessionDuration", 3600),
            )
        if "permissionsBoundary" in changed:
            if new.get("permissionsBoundary"):
                iam.put_role_permissions_boundary(RoleName=resource_id, PermissionsBoundary=new["permissionsBoundary"])
            else:
                iam.delete_role_permissions_boundary(RoleName=resource_id)
        if "managedPolicyArns" in changed:
            before, after = set(self._attached(iam, resource_id)), set(new.get("managedPolicyArns") or ())
            for arn in sorted(after - before):
                iam.attach_role_policy(RoleName=resource_id, PolicyArn=arn)
            for arn in sorted(before - after):
                iam.detach_role_policy(RoleName=resource_id, PolicyArn=arn)
        if "tags" in changed:
            changes, removed = tag_changes(old, new)
            if removed:
                iam.untag_role(RoleName=resource_id, TagKeys=removed)
            if changes:
                iam.tag_role(RoleName=resource_id, Tags=tag_list({"tags": changes}))

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRole, after what the program attached to it."""
        iam = self.client(operation, "iam", state)
        with tolerating(_GONE):
            force = state.get("forceDetachPolicies")
            attached = self._attached(iam, resource_id) if force else state.get("managedPolicyArns") or ()
            for arn in attached:
                with tolerating(_GONE):
                    iam.detach_role_policy(RoleName=resource_id, PolicyArn=arn)
            if force:
                for name in iam.list_role_policies(RoleName=resource_id)["PolicyNames"]:
                    iam.delete_role_policy(RoleName=resource_id, PolicyName=name)
            retrying(
                operation,
                f"what is attached to role {resource_id} to be gone",
                lambda: iam.delete_role(RoleName=resource_id),
                "DeleteConflict",
                "ConcurrentModification",
                seconds=_PROPAGATION_SECONDS,
            )


class RolePolicy(AwsResource):
    """`aws.iam.RolePolicy`; its id is `<role>:<name>`."""

    token = "aws:iam/rolePolicy:RolePolicy"
    regional = False
    tagged = False
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "role": Property(STRING, required=True, replaces=True),
        "policy": Property(POLICY, required=True),
    }
    name_property = "name"
    name_limit = 128

    def request(self, inputs: Properties) -> Request:
        """PutRolePolicy."""
        parameters = {"RoleName": inputs["role"], "PolicyName": inputs["name"], "PolicyDocument": inputs["policy"]}
        return Request("iam", "PutRolePolicy", parameters)

    def create(self, operation: Aws, inputs: Properties) -> str:
        """PutRolePolicy."""
        retrying(
            operation,
            f"role {inputs['role']} to be seen",
            lambda: self.send(operation, inputs),
            _GONE,
            seconds=30,
        )
        return f"{inputs['role']}:{inputs['name']}"

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetRolePolicy."""
        role, _, name = resource_id.partition(":")
        with tolerating(_GONE):
            policy = self.client(operation, "iam", state).get_role_policy(RoleName=role, PolicyName=name)
            return {
                "role": policy["RoleName"],
                "name": policy["PolicyName"],
                "policy": document_text(policy["PolicyDocument"]),
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """PutRolePolicy again."""
        del resource_id, old
        if changed:
            self.send(operation, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRolePolicy."""
        role, _, name = resource_id.partition(":")
        with tolerating(_GONE):
            self.client(operation, "iam", state).delete_role_policy(RoleName=role, PolicyName=name)
