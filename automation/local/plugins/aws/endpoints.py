"""EC2: VPC endpoints."""

from typing import Any, ClassVar, Final

from automation.local.plugins.aws.base import POLICY, Aws, Request, compact, created, tag_map, tolerating
from automation.local.plugins.aws.ec2 import Ec2Resource, first
from automation.local.plugins.framework.errors import ProviderError
from automation.local.plugins.framework.schema import BOOLEAN, STRING, Property, SetOf, Table
from automation.local.plugins.framework.values import Properties

_SECONDS: Final = 600.0
"""The published provider's limit for making and deleting an endpoint."""
_MEMBERS: Final = {
    "routeTableIds": ("RouteTableIds", "AddRouteTableIds", "RemoveRouteTableIds"),
    "subnetIds": ("SubnetIds", "AddSubnetIds", "RemoveSubnetIds"),
    "securityGroupIds": ("SecurityGroupIds", "AddSecurityGroupIds", "RemoveSecurityGroupIds"),
}


class VpcEndpoint(Ec2Resource):
    """`aws.ec2.VpcEndpoint`, gateway or interface."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    kind = "vpc-endpoint"
    gone = ("InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound")
    properties: ClassVar[Table] = {
        "vpcId": Property(STRING, required=True, replaces=True),
        "serviceName": Property(STRING, replaces=True),
        "vpcEndpointType": Property(STRING, replaces=True, default="Gateway", allowed=("Gateway", "Interface")),
        "policy": Property(POLICY, computed=True),
        "privateDnsEnabled": Property(BOOLEAN, computed=True),
        "routeTableIds": Property(SetOf(STRING), computed=True),
        "subnetIds": Property(SetOf(STRING), computed=True),
        "securityGroupIds": Property(SetOf(STRING), computed=True),
        "ipAddressType": Property(STRING, computed=True),
    }
    outputs = (
        "arn",
        "cidrBlocks",
        "dnsEntries",
        "networkInterfaceIds",
        "ownerId",
        "prefixListId",
        "requesterManaged",
        "state",
        "tagsAll",
    )
    volatile = ("dnsEntries", "networkInterfaceIds")

    def request(self, inputs: Properties) -> Request:
        """CreateVpcEndpoint."""
        return Request(
            "ec2",
            "CreateVpcEndpoint",
            compact(
                {
                    "VpcId": inputs["vpcId"],
                    "ServiceName": inputs.get("serviceName"),
                    "VpcEndpointType": inputs.get("vpcEndpointType", "Gateway"),
                    "PolicyDocument": inputs.get("policy"),
                    "PrivateDnsEnabled": inputs.get("privateDnsEnabled")
                    if inputs.get("vpcEndpointType") == "Interface"
                    else None,
                    "IpAddressType": inputs.get("ipAddressType"),
                    **{theirs: sorted(inputs[ours]) for ours, (theirs, _, _) in _MEMBERS.items() if inputs.get(ours)},
                    "TagSpecifications": self.tag_specifications(inputs),
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateVpcEndpoint, and wait until it works."""
        endpoint_id = str(self.send(operation, inputs)["VpcEndpoint"]["VpcEndpointId"])
        with created(endpoint_id, inputs):
            self._wait(operation, endpoint_id, inputs)
        return endpoint_id

    def _wait(self, operation: Aws, endpoint_id: str, properties: Properties) -> None:
        def available() -> bool | None:
            endpoint = self._describe(operation, endpoint_id, properties)
            state = (endpoint or {}).get("State", "pending").lower()
            if state in ("failed", "rejected", "expired"):
                error = (endpoint or {}).get("LastError", {}).get("Message", "no reason given")
                raise ProviderError(f"VPC endpoint {endpoint_id} is {state}: {error}")
            return True if state in ("available", "pendingacceptance") else None

        operation.wait(f"{endpoint_id} to become available", available, default_seconds=_SECONDS)

    def _describe(self, operation: Aws, endpoint_id: str, state: Properties) -> dict[str, Any] | None:
        with tolerating(*self.gone):
            return first(
                self.ec2(operation, state).describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"]
            )
        return None

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeVpcEndpoints, and for a gateway DescribePrefixLists."""
        endpoint = self._describe(operation, resource_id, state)
        if endpoint is None or endpoint.get("State", "").lower() in ("deleted", "deleting"):
            return None
        region = state.get("region") or operation.provider.region
        owner = endpoint.get("OwnerId") or operation.provider.account
        kind = endpoint.get("VpcEndpointType", "Gateway")
        found: Properties = {
            "arn": f"arn:{operation.provider.partition(region)}:ec2:{region}:{owner}:vpc-endpoint/{resource_id}",
            "vpcId": endpoint["VpcId"],
            "serviceName": endpoint["ServiceName"],
            "vpcEndpointType": kind,
            "policy": endpoint.get("PolicyDocument") or None,
            "privateDnsEnabled": bool(endpoint.get("PrivateDnsEnabled")),
            "routeTableIds": sorted(endpoint.get("RouteTableIds") or ()),
            "subnetIds": sorted(endpoint.get("SubnetIds") or ()),
            "securityGroupIds": sorted(group["GroupId"] for group in endpoint.get("Groups") or ()),
            "ipAddressType": endpoint.get("IpAddressType"),
            "networkInterfaceIds": sorted(endpoint.get("NetworkInterfaceIds") or ()),
            "dnsEntries": [
                compact({"dnsName": entry.get("DnsName"), "hostedZoneId": entry.get("HostedZoneId")})
                for entry in endpoint.get("DnsEntries") or ()
            ],
            "ownerId": owner,
            "requesterManaged": bool(endpoint.get("RequesterManaged")),
            "state": endpoint.get("State", "available").lower(),
            "tags": tag_map(endpoint.get("Tags")),
        }
        if kind == "Gateway":
            found.update(self._prefix_list(operation, endpoint["ServiceName"], state))
        return found

    def _prefix_list(self, operation: Aws, service_name: str, state: Properties) -> Properties:
        lists = self.ec2(operation, state).describe_prefix_lists(
            Filters=[{"Name": "prefix-list-name", "Values": [service_name]}]
        )
        found = first(lists["PrefixLists"])
        return {"prefixListId": found["PrefixListId"], "cidrBlocks": sorted(found.get("Cidrs") or ())} if found else {}

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ModifyVpcEndpoint with what comes and goes."""
        parameters: dict[str, Any] = {}
        for name, (_, add, remove) in _MEMBERS.items():
            if name in changed:
                before, after = set(old.get(name) or ()), set(new.get(name) or ())
                parameters[add], parameters[remove] = sorted(after - before), sorted(before - after)
        if "policy" in changed:
            parameters.update({"PolicyDocument": new["policy"]} if new.get("policy") else {"ResetPolicy": True})
        if "privateDnsEnabled" in changed:
            parameters["PrivateDnsEnabled"] = bool(new.get("privateDnsEnabled"))
        if "ipAddressType" in changed:
            parameters["IpAddressType"] = new.get("ipAddressType")
        parameters = {key: value for key, value in parameters.items() if value not in ([], None)}
        if parameters:
            self.ec2(operation, new).modify_vpc_endpoint(VpcEndpointId=resource_id, **parameters)
            self._wait(operation, resource_id, new)
        if "tags" in changed:
            self.update_tags(operation, resource_id, old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteVpcEndpoints, and wait: its network interfaces hold subnets and security groups."""
        with tolerating(*self.gone):
            answer = self.ec2(operation, state).delete_vpc_endpoints(VpcEndpointIds=[resource_id])
            for failure in answer.get("Unsuccessful") or ():
                error = failure.get("Error", {})
                if error.get("Code") not in self.gone:
                    raise ProviderError(
                        f"AWS answered DeleteVpcEndpoints with {error.get('Code')}: {error.get('Message')}"
                    )

        def gone() -> bool | None:
            endpoint = self._describe(operation, resource_id, state)
            return True if endpoint is None or endpoint.get("State", "").lower() == "deleted" else None

        operation.wait(f"{resource_id} to be gone", gone, default_seconds=_SECONDS)
