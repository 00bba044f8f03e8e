"""EC2: elastic addresses and NAT gateways."""

from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws
from local_aws.plugins.aws.ec2 import Ec2Resource
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.schema import STRING, Property, Table
from local_aws.plugins.framework.values import Properties


class Eip(Ec2Resource):
    """`aws.ec2.Eip`, for a VPC; its id is its allocation's."""

    token = "aws:ec2/eip:Eip"
    creates = "AllocateAddress"
    kind, listed, id_member = "elastic-ip", "Addresses", "AllocationId"
    gone = ("InvalidAllocationID.NotFound",)
    properties: ClassVar[Table] = {}
    outputs = ("allocationId", "arn", "domain", "publicIp", "tagsAll")

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """AllocateAddress."""
        return {**super().request(provider, inputs), "Domain": "vpc"}

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """ReleaseAddress."""
        self.client(operation).release_address(AllocationId=resource_id)


class NatGateway(Ec2Resource):
    """`aws.ec2.NatGateway`, a public one."""

    token = "aws:ec2/natGateway:NatGateway"
    creates = "CreateNatGateway"
    kind, listed, id_member = "natgateway", "NatGateways", "NatGatewayId"
    gone = ("NatGatewayNotFound",)
    # Its address is in use until it is gone; the published provider's limit.
    gone_seconds = 1800
    properties: ClassVar[Table] = {
        "subnetId": Property(STRING, required=True, replaces=True),
        "allocationId": Property(STRING, required=True, replaces=True),
    }
    outputs = ("associationId", "networkInterfaceId", "privateIp", "publicIp", "tagsAll")

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """One that is not deleted, with the members of its primary address."""
        gateway = super().describe(operation, resource_id)
        if gateway is None or gateway["State"] == "deleted":
            return None
        addresses = gateway.get("NatGatewayAddresses") or [{}]
        return {**next((item for item in addresses if item.get("IsPrimary")), addresses[0]), **gateway}
