"""The controls of AWS Security Hub that apply, each held against the resources of a deployment."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pulumi
import pytest

from ecs_kit.components.config import declarations
from tests.unit.components.recorder import deployment
from tools.security_hub import CONTROLS, FSBP, NOT_APPLICABLE, Control, Rendered

BY_NUMBER = [pytest.param(control, id=control.number) for control in CONTROLS]
WITH_CONFIG = [pytest.param(control, id=control.number) for control in CONTROLS if control.config]


def rendered(**config: str) -> dict[str, list[dict[str, Any]]]:
    """The inputs of all resources of both patterns, by type; of subnets, what becomes of awsx's."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for resource in deployment(**config).resources:
        found[resource.type.rsplit(":", 1)[1]].append(resource.inputs)
        for transform in resource.transforms if resource.type == "awsx:ec2:Vpc" else ():
            subnet = pulumi.ResourceTransformArgs(
                custom=True,
                type_="aws:ec2/subnet:Subnet",
                name="public",
                props={"mapPublicIpOnLaunch": True},
                opts=pulumi.ResourceOptions(),
            )
            changed = transform(subnet)
            assert changed is not None
            found["Subnet"].append(dict(changed.props))
    return found


def broken(resources: Rendered, control: Control) -> Rendered:
    """The resources with one that breaks a control, or without one that it asks for."""
    kind, changes = control.breaking
    found = [*resources.get(kind, ())]
    if changes:
        found[:1] = [{**(found[0] if found else {}), **changes}]
    elif kind == "BucketAcl":
        found = [{}]
    elif kind == "VpcEndpoint":
        found = [each for each in found if "s3" in each["serviceName"]]
    else:
        found = found[1:]
    return {**resources, kind: found}


@pytest.mark.parametrize("control", BY_NUMBER)
def test_a_control_is_met_by_default_or_by_its_configuration(control: Control) -> None:
    assert control.is_met(rendered(**control.config))


@pytest.mark.parametrize("control", BY_NUMBER)
def test_a_control_notices_a_resource_that_breaks_it(control: Control) -> None:
    assert not control.is_met(broken(rendered(**control.config), control))


@pytest.mark.parametrize("control", WITH_CONFIG)
def test_configuration_is_named_where_the_default_does_not_meet_a_control(control: Control) -> None:
    assert not control.is_met(rendered())
    assert len(control.config) == 1 and control.reason
    assert {*control.config} <= {key.name for key in declarations()}


def test_every_control_of_the_standard_for_these_services_applies_or_has_a_reason_why_not() -> None:
    applying = [control.number for control in CONTROLS if control.is_of_standard]
    others = [number for numbers in NOT_APPLICABLE for number in numbers.split(", ")]
    standard = {f"{service}.{number}" for service, numbers in FSBP.items() for number in numbers.split()}
    assert sorted([*applying, *others]) == sorted(standard)
    assert len({control.number for control in CONTROLS}) == len(CONTROLS)
