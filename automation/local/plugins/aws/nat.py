"""EC2: elastic addresses and NAT gateways."""

from typing import Any, ClassVar, Final

from automation.local.plugins.aws.base import Aws, Request, compact, created, tag_map, tolerating
from automation.local.plugins.aws.ec2 import Ec2Resource, first
from automation.local.plugins.framework.errors import CheckFailure, ProviderError
from automation.local.plugins.framework.schema import STRING, Property, Table
from automation.local.plugins.framework.values import Properties

_AVAILABLE_SECONDS: Final = 600.0
_DELETED_SECONDS: Final = 1800.0
"""The published provider's limits for a NAT gateway."""


class Eip(Ec2Resource):
    """`aws.ec2.Eip`; its id is its allocation's."""

    token = "aws:ec2/eip:Eip"
    kind = "elastic-ip"
    gone = ("InvalidAllocationID.NotFound",)
    properties: ClassVar[Table] = {
        "domain": Property(STRING, replaces=True, computed=True),
        "publicIpv4Pool": Property(STRING, replaces=True, computed=True),
        "networkBorderGroup": Property(STRING, replaces=True, computed=True),
    }
    outputs = ("allocationId", "arn", "associationId", "privateIp", "publicDns", "publicIp", "tagsAll")

    def request(self, inputs: Properties) -> Request:
        """AllocateAddress."""
        return Request(
            "ec2",
            "AllocateAddress",
            compact(
                {
                    "Domain": inputs.get("domain") or "vpc",
                    "PublicIpv4Pool": inputs.get("publicIpv4Pool"),
                    "NetworkBorderGroup": inputs.get("networkBorderGroup"),
                    "TagSpecifications": self.tag_specifications(inputs),
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """AllocateAddress."""
        return str(self.send(operation, inputs)["AllocationId"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeAddresses. What uses the address is not told: it belongs to the user's resource."""
        with tolerating(*self.gone):
            address = first(self.ec2(operation, state).describe_addresses(AllocationIds=[resource_id])["Addresses"])
            if address is not None:
                region = state.get("region") or operation.provider.region
                partition = operation.provider.partition(region)
                owner = operation.provider.account
                return {
                    "allocationId": resource_id,
                    "arn": f"arn:{partition}:ec2:{region}:{owner}:elastic-ip/{resource_id}",
                    "domain": address.get("Domain", "vpc"),
                    "publicIp": address["PublicIp"],
                    "publicDns": _public_dns(address["PublicIp"], region),
                    "publicIpv4Pool": address.get("PublicIpv4Pool", "amazon"),
                    "networkBorderGroup": address.get("NetworkBorderGroup", region),
                    "tags": tag_map(address.get("Tags")),
                }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Only tags change in place."""
        if "tags" in changed:
            self.update_tags(operation, resource_id, old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """ReleaseAddress."""
        ec2 = self.ec2(operation, state)
        self.delete_when_free(operation, resource_id, lambda: ec2.release_address(AllocationId=resource_id))


def _public_dns(address: str, region: str) -> str:
    dashed = address.replace(".", "-")
    zone = "compute-1" if region == "us-east-1" else f"{region}.compute"
    return f"ec2-{dashed}.{zone}.amazonaws.com"


class NatGateway(Ec2Resource):
    """`aws.ec2.NatGateway`."""

    token = "aws:ec2/natGateway:NatGateway"
    kind = "natgateway"
    gone = ("NatGatewayNotFound",)
    properties: ClassVar[Table] = {
        "subnetId": Property(STRING, replaces=True, computed=True),
        "allocationId": Property(STRING, replaces=True, computed=True),
        "connectivityType": Property(STRING, replaces=True, default="public"),
        "privateIp": Property(STRING, replaces=True, computed=True),
    }
    outputs = ("associationId", "networkInterfaceId", "publicIp", "tagsAll")

    def check(self, provider: Any, inputs: Properties) -> list[CheckFailure]:
        """A public gateway needs an address."""
        del provider
        failures = (
            [] if inputs.get("subnetId") is not None else [CheckFailure("subnetId", "it is required and missing")]
        )
        if inputs.get("connectivityType", "public") == "public" and inputs.get("allocationId") is None:
            failures.append(CheckFailure("allocationId", "a public NAT gateway needs one"))
        return failures

    def request(self, inputs: Properties) -> Request:
        """CreateNatGateway."""
        return Request(
            "ec2",
            "CreateNatGateway",
            compact(
                {
                    "SubnetId": inputs["subnetId"],
                    "AllocationId": inputs.get("allocationId"),
                    "ConnectivityType": inputs.get("connectivityType"),
                    "PrivateIpAddress": inputs.get("privateIp"),
                    "TagSpecifications": self.tag_specifications(inputs),
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateNatGateway, and wait until it works."""
        gateway_id = str(self.send(operation, inputs)["NatGateway"]["NatGatewayId"])

        def available() -> bool | None:
            gateway = self._describe(operation, gateway_id, inputs)
            if gateway is not None and gateway["State"] == "failed":
                reason = f"{gateway.get('FailureCode')}: {gateway.get('FailureMessage')}"
                raise ProviderError(f"NAT gateway {gateway_id} failed: {reason}")
            return True if gateway is not None and gateway["State"] == "available" else None

        with created(gateway_id, inputs):
            operation.wait(f"{gateway_id} to become available", available, default_seconds=_AVAILABLE_SECONDS)
        return gateway_id

    def _describe(self, operation: Aws, gateway_id: str, state: Properties) -> dict[str, Any] | None:
        with tolerating(*self.gone):
            return first(self.ec2(operation, state).describe_nat_gateways(NatGatewayIds=[gateway_id])["NatGateways"])
        return None

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeNatGateways."""
        gateway = self._describe(operation, resource_id, state)
        if gateway is None or gateway["State"] in ("deleted", "deleting"):
            return None
        addresses = gateway.get("NatGatewayAddresses") or [{}]
        address = next((item for item in addresses if item.get("IsPrimary")), addresses[0])
        return {
            "subnetId": gateway["SubnetId"],
            "allocationId": address.get("AllocationId"),
            "associationId": address.get("AssociationId"),
            "connectivityType": gateway.get("ConnectivityType", "public"),
            "networkInterfaceId": address.get("NetworkInterfaceId"),
            "privateIp": address.get("PrivateIp"),
            "publicIp": address.get("PublicIp"),
            "tags": tag_map(gateway.get("Tags")),
        }

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Only tags change in place."""
        if "tags" in changed:
            self.update_tags(operation, resource_id, old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteNatGateway, and wait: its address is bound until it is gone."""
        with tolerating(*self.gone):
            self.ec2(operation, state).delete_nat_gateway(NatGatewayId=resource_id)

        def gone() -> bool | None:
            gateway = self._describe(operation, resource_id, state)
            return True if gateway is None or gateway["State"] == "deleted" else None

        operation.wait(f"{resource_id} to be gone", gone, default_seconds=_DELETED_SECONDS)
