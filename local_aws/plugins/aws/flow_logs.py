"""EC2: flow logs of VPCs."""

from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws
from local_aws.plugins.aws.ec2 import Ec2Resource
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.schema import INTEGER, STRING, Property, Table
from local_aws.plugins.framework.values import Properties

_GIVEN = Property(STRING, required=True, replaces=True)


class FlowLog(Ec2Resource):
    """`aws.ec2.FlowLog` of a VPC, to a log group."""

    token = "aws:ec2/flowLog:FlowLog"
    creates = "CreateFlowLogs"
    kind, listed, id_member = "vpc-flow-log", "FlowLogs", "FlowLogId"
    gone = ("InvalidFlowLogId.NotFound",)
    properties: ClassVar[Table] = {
        "vpcId": _GIVEN,
        "trafficType": _GIVEN,
        "logDestination": _GIVEN,
        "iamRoleArn": Property(STRING, required=True, replaces=True, unreadable=True),
        "maxAggregationInterval": Property(INTEGER, default=600, replaces=True, unreadable=True),
    }
    outputs = ("arn", "tagsAll")

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """CreateFlowLogs."""
        return {
            "ResourceType": "VPC",
            "ResourceIds": [inputs["vpcId"]],
            "TrafficType": inputs["trafficType"],
            "LogDestinationType": "cloud-watch-logs",
            "LogDestination": inputs["logDestination"],
            "DeliverLogsPermissionArn": inputs["iamRoleArn"],
            "MaxAggregationInterval": inputs["maxAggregationInterval"],
        }

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateFlowLogs, CreateTags; `ProviderError`: EC2 says why it made none."""
        answer = self.send(operation, inputs)
        for failure in answer.get("Unsuccessful") or ():
            raise ProviderError(f"no flow log of {inputs['vpcId']}: {failure['Error']['Message']}")
        (operation.created,) = answer["FlowLogIds"]
        self.change_tags(operation, str(operation.created), {}, inputs)
        return str(operation.created)

    def described(self, operation: Aws, resource_id: str, item: dict[str, Any]) -> Properties:
        """As DescribeFlowLogs has it; what the emulator does not tell is what it was created with."""
        return {**super().described(operation, resource_id, item), "vpcId": item["ResourceId"]}

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteFlowLogs."""
        self.client(operation).delete_flow_logs(FlowLogIds=[resource_id])
