"""EC2: VPC endpoints."""

from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws
from local_aws.plugins.aws.ec2 import READY_SECONDS, Ec2Resource
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.schema import BOOLEAN, STRING, Property, SetOf, Table
from local_aws.plugins.framework.values import Properties


class VpcEndpoint(Ec2Resource):
    """`aws.ec2.VpcEndpoint`, gateway or interface."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    creates = "CreateVpcEndpoint"
    kind, listed, id_member = "vpc-endpoint", "VpcEndpoints", "VpcEndpointId"
    gone = ("InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound")
    # Its network interfaces use subnets and security groups until it is gone.
    gone_seconds = READY_SECONDS
    properties: ClassVar[Table] = {
        "vpcId": Property(STRING, required=True, replaces=True),
        "serviceName": Property(STRING, required=True, replaces=True),
        "vpcEndpointType": Property(STRING, replaces=True, default="Gateway", allowed=("Gateway", "Interface")),
        "privateDnsEnabled": Property(BOOLEAN),
        "routeTableIds": Property(SetOf(STRING)),
        "subnetIds": Property(SetOf(STRING)),
        "securityGroupIds": Property(SetOf(STRING)),
    }
    outputs = ("arn", "ownerId", "state", "tagsAll")

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """One that is not deleted, with its groups by their ids."""
        endpoint = super().describe(operation, resource_id)
        if endpoint is None or endpoint.get("State", "").lower() == "deleted":
            return None
        return {**endpoint, "SecurityGroupIds": [group["GroupId"] for group in endpoint.get("Groups") or ()]}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ModifyVpcEndpoint with what is added and removed."""
        parameters: dict[str, Any] = {}
        for name in changed - {"privateDnsEnabled"}:
            before, after, member = set(old.get(name) or ()), set(new.get(name) or ()), name[0].upper() + name[1:]
            parameters[f"Add{member}"], parameters[f"Remove{member}"] = sorted(after - before), sorted(before - after)
        if "privateDnsEnabled" in changed:
            parameters["PrivateDnsEnabled"] = bool(new.get("privateDnsEnabled"))
        parameters = {key: value for key, value in parameters.items() if value != []}
        self.client(operation).modify_vpc_endpoint(VpcEndpointId=resource_id, **parameters)
        self.wait_until_available(operation, resource_id)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteVpcEndpoints."""
        answer = self.client(operation).delete_vpc_endpoints(VpcEndpointIds=[resource_id])
        for failure in answer.get("Unsuccessful") or ():
            error = failure.get("Error", {})
            if error.get("Code") not in self.gone:
                raise ProviderError(f"AWS answered DeleteVpcEndpoints with {error.get('Code')}: {error.get('Message')}")
