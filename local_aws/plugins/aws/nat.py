"""EC2: elastic addresses and NAT gateways."""

from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, AwsProvider, Request, created
from local_aws.plugins.aws.ec2 import READY_SECONDS, Ec2Resource
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.schema import STRING, Property, Table
from local_aws.plugins.framework.values import Properties

_DELETED_SECONDS: Final = 1800.0
"""The published provider's limit for a NAT gateway."""


class Eip(Ec2Resource):
    """`aws.ec2.Eip`, for a VPC; its id is its allocation's."""

    token = "aws:ec2/eip:Eip"
    creates = "AllocateAddress"
    kind, describes, listed, id_member = "elastic-ip", "DescribeAddresses", "Addresses", "AllocationId"
    gone = ("InvalidAllocationID.NotFound",)
    properties: ClassVar[Table] = {}
    outputs = ("allocationId", "arn", "domain", "publicIp", "tagsAll")

    def request(self, provider: AwsProvider, inputs: Properties) -> Request:
        """AllocateAddress."""
        request = super().request(provider, inputs)
        return Request("ec2", self.creates, {**request.parameters, "Domain": "vpc"})

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """ReleaseAddress."""
        ec2 = self.client(operation)
        self.when_free(operation, resource_id, lambda: ec2.release_address(AllocationId=resource_id))


class NatGateway(Ec2Resource):
    """`aws.ec2.NatGateway`, a public one."""

    token = "aws:ec2/natGateway:NatGateway"
    creates = "CreateNatGateway"
    kind, describes, listed, id_member = "natgateway", "DescribeNatGateways", "NatGateways", "NatGatewayId"
    gone = ("NatGatewayNotFound",)
    properties: ClassVar[Table] = {
        "subnetId": Property(STRING, required=True, replaces=True),
        "allocationId": Property(STRING, required=True, replaces=True),
    }
    outputs = ("associationId", "networkInterfaceId", "privateIp", "publicIp", "tagsAll")

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateNatGateway, and wait until it works."""
        gateway_id = super().create(operation, inputs)

        def available() -> bool | None:
            gateway = self.describe(operation, gateway_id) or {}
            if gateway.get("State") == "failed":
                reason = f"{gateway.get('FailureCode')}: {gateway.get('FailureMessage')}"
                raise ProviderError(f"NAT gateway {gateway_id} failed: {reason}")
            return True if gateway.get("State") == "available" else None

        with created(gateway_id, inputs):
            operation.wait(f"{gateway_id} to become available", available, default_seconds=READY_SECONDS)
        return gateway_id

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """One that is not gone, with the members of its primary address."""
        gateway = super().describe(operation, resource_id)
        if gateway is None or gateway["State"] == "deleted":
            return None
        addresses = gateway.get("NatGatewayAddresses") or [{}]
        return {**next((item for item in addresses if item.get("IsPrimary")), addresses[0]), **gateway}

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteNatGateway, and wait: its address is bound until it is gone."""
        self.client(operation).delete_nat_gateway(NatGatewayId=resource_id)
        self.wait_until_gone(operation, resource_id, state, _DELETED_SECONDS)
