"""Tags of all resources that take tags."""

from __future__ import annotations

from collections.abc import Mapping


def kit_tags(*, workflow: str, stack: str, user: Mapping[str, str]) -> dict[str, str]:
    """The tags of one workflow's resources.

    Args:
        workflow: The workflow's name, the value of `kit:workflow`.
        stack: The Pulumi stack's name, the value of `kit:stack`.
        user: Tags from `kit:tags`; they cannot start with `kit:`.
    """
    return {**user, "kit:workflow": workflow, "kit:stack": stack}


def named(tags: Mapping[str, str], name: str) -> dict[str, str]:
    """`tags` and the tag `Name`, which the AWS console shows for EC2 resources."""
    return {**tags, "Name": name}
