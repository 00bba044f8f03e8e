"""The network interfaces of functions in a VPC, and what they hold up.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html ("Understanding Hyperplane Elastic Network
Interfaces"): there is one for each subnet and set of security groups, shared by all functions and published versions
that use them. Up to 20 minutes after the last use Lambda deletes it with the permissions of the function's execution
role; where the role is gone by then, it stays.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, lambda_svc

from local_aws.emulator.aws_behaviour import permissions
from local_aws.emulator.aws_behaviour.patching import around

GIVE_BACK_SECONDS = 0.3
"""How long an interface that nothing uses any more stays after it refused the deletion of its subnet or groups. On AWS
it outlives its last use by up to 20 minutes: whoever deletes a VPC is refused at least once, and so it is here."""
UNASKED_SECONDS = 5.0
"""How long it stays where no such deletion is tried."""

Parameters = dict[str, Any]
Call = Callable[..., Any]
Record = dict[str, Any]
Use = tuple[str, tuple[str, ...]]
"""A subnet, and security groups in order."""


_lock = threading.Lock()
_roles: dict[str, str] = {}
"""The role of a function that used an interface last, by the interface's id."""


@around("lambda_interfaces", lambda_svc, "_create_function")
@around("lambda_interfaces", lambda_svc, "_update_config")
@around("lambda_interfaces", lambda_svc, "_delete_function")
def follow(original: Call, *arguments: Any, **keywords: Any) -> Any:
    """Wrap the calls that make, change or delete a function: interfaces are made, and given back later."""
    answer = original(*arguments, **keywords)
    with _lock:
        wanted = _wanted()
        held = {_use(ec2._network_interfaces[made]): made for made in _roles if made in ec2._network_interfaces}
        for use, config in wanted.items():
            identity = held.get(use) or _make(use, config["FunctionName"])
            _roles[identity] = config["Role"]
    for use in held.keys() - wanted.keys():
        _give_back_in(UNASKED_SECONDS, held[use])
    return answer


def _give_back_in(seconds: float, identity: str) -> None:
    # The request's account and region are in its context.
    timer = threading.Timer(seconds, contextvars.copy_context().run, args=(_give_back, identity))
    timer.daemon = True
    timer.start()


def _give_back(identity: str) -> None:
    with _lock:
        record = ec2._network_interfaces.get(identity)
        if record is None or identity not in _roles or _use(record) in _wanted():
            return
        if _may_delete(_roles[identity], identity):
            del ec2._network_interfaces[identity], _roles[identity]


@around("lambda_interfaces", ec2, "_ACTION_MAP", "DeleteSecurityGroup")
def delete_security_group(original: Call, parameters: Parameters) -> Any:
    """Wrap DeleteSecurityGroup: one that has network interfaces stays."""
    return _delete(ec2._p(parameters, "GroupId"), "resource {} has a dependent object", original, parameters)


@around("lambda_interfaces", ec2, "_ACTION_MAP", "DeleteSubnet")
def delete_subnet(original: Call, parameters: Parameters) -> Any:
    """Wrap DeleteSubnet: one that has network interfaces stays."""
    message = "The subnet '{}' has dependencies and cannot be deleted."
    return _delete(ec2._p(parameters, "SubnetId"), message, original, parameters)


def _delete(identity: str, message: str, original: Call, parameters: Parameters) -> Any:
    records = list(ec2._network_interfaces.values())
    holding = [record for record in records if identity in (_use(record)[0], *_use(record)[1])]
    for record in holding:
        _give_back_in(GIVE_BACK_SECONDS, record["NetworkInterfaceId"])
    return ec2._error("DependencyViolation", message.format(identity), 400) if holding else original(parameters)


def _wanted() -> dict[Use, Record]:
    """What functions and published versions use, each with the configuration of one that does."""
    wanted: dict[Use, Record] = {}
    for function in list(lambda_svc._functions.values()):
        versions = list(function.get("versions", {}).values())
        for config in (function["config"], *(version["config"] for version in versions)):
            vpc = config.get("VpcConfig") or {}
            groups = tuple(sorted(vpc.get("SecurityGroupIds", ())))
            wanted |= {(subnet, groups): config for subnet in vpc.get("SubnetIds", ())}
    return wanted


def _use(record: Record) -> Use:
    return record["SubnetId"], tuple(sorted(group["GroupId"] for group in record["Groups"]))


def _make(use: Use, function: str) -> str:
    before = set(ec2._network_interfaces)
    subnet, groups = use
    ec2._create_network_interface(
        {
            "SubnetId": [subnet],
            "Description": [f"AWS Lambda VPC ENI-{function}"],
            **{f"SecurityGroupId.{number}": [group] for number, group in enumerate(groups, 1)},
        }
    )
    (identity,) = set(ec2._network_interfaces) - before
    ec2._network_interfaces[identity].update({"InterfaceType": "lambda", "Status": "in-use"})
    return str(identity)


def _may_delete(role: str, identity: str) -> bool:
    if permissions.find_role(role) is None:
        return False
    resource = f"arn:aws:ec2:{get_region()}:{get_account_id()}:network-interface/{identity}"
    return permissions.role_denial(role, "ec2:DeleteNetworkInterface", resource, session_name="lambda") is None


@around("lambda_interfaces", ec2, "_ACTION_MAP", "DescribeNetworkInterfaces")
def describe(original: Call, parameters: Parameters) -> Any:
    """Wrap MiniStack's DescribeNetworkInterfaces: filters are applied."""
    filters = ec2._parse_filters(parameters)
    if not filters:
        return original(parameters)
    found = [record for record in list(ec2._network_interfaces.values()) if _matches(record, filters)]
    items = "".join(ec2._eni_fields_xml(record) for record in found)
    return ec2._xml(200, "DescribeNetworkInterfacesResponse", f"<networkInterfaceSet>{items}</networkInterfaceSet>")


_FILTERS = {
    "description": "Description",
    "interface-type": "InterfaceType",
    "status": "Status",
    "subnet-id": "SubnetId",
    "vpc-id": "VpcId",
}


def _matches(record: Record, filters: dict[str, list[str]]) -> bool:
    told = {name: {record[key]} for name, key in _FILTERS.items()} | {"group-id": set(_use(record)[1])}
    return all(told[name] & set(values) for name, values in filters.items() if name in told)
