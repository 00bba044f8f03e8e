"""The pattern's VPC, its endpoints and its security groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx

from components.config import GATEWAY_SERVICES, NatGateways
from components.names import Pattern, Place
from components.tags import named

CIDR_BLOCKS: Mapping[Pattern, str] = {1: "10.110.0.0/16", 2: "10.120.0.0/16"}
"""Address range of each pattern's VPC; they do not overlap, so that the two can be peered."""

DELETE_TIMEOUT = "45m"
"""How long security groups and subnets may wait for Lambda's network interfaces: with them they "can take up to 45
minutes to successfully delete" (the published `aws` provider, "SecurityGroup" and "Subnet")."""

_NAT_STRATEGIES: Mapping[NatGateways, awsx.ec2.NatGatewayStrategy] = {
    "none": awsx.ec2.NatGatewayStrategy.NONE,
    "single": awsx.ec2.NatGatewayStrategy.SINGLE,
    "per-az": awsx.ec2.NatGatewayStrategy.ONE_PER_AZ,
}


@dataclass(frozen=True)
class NetworkArgs:
    """Arguments of `Network`.

    Args:
        base: Start of all names.
        place: Where it is deployed, for the endpoints' service names.
        cidr_block: The VPC's address range, a /16.
        zones: Names of its availability zones.
        keeps_zones: Whether subnets stay in the zones that they are in, whatever `zones` says.
        workloads: What runs in the private subnets; each gets a security group.
        nat_gateways: NAT gateways for the private subnets.
        interface_endpoints: AWS services reached through interface endpoints, such as `ecr.api`.
        outlived_by: What subnets and security groups are destroyed before: the policies by which Lambda may delete its
            network interfaces. Without the function's role it cannot, and subnets and groups stay (same page).
        tags: Tags of everything.
    """

    base: str
    place: Place
    cidr_block: str
    zones: Sequence[str]
    keeps_zones: bool
    workloads: Sequence[str]
    nat_gateways: NatGateways
    interface_endpoints: Sequence[str]
    outlived_by: Sequence[pulumi.Resource]
    tags: Mapping[str, str]


def _waits_for_lambda(args: NetworkArgs) -> pulumi.ResourceOptions:
    """Of what a function's network interfaces hold."""
    return pulumi.ResourceOptions(
        depends_on=list(args.outlived_by), custom_timeouts=pulumi.CustomTimeouts(delete=DELETE_TIMEOUT)
    )


def subnet_transform(options: pulumi.ResourceOptions) -> pulumi.ResourceTransform:
    """Changes awsx's subnets: none gives out public addresses, and each gets `options`.

    awsx makes the subnets in its plugin's process and maps public addresses in the public ones; the engine runs the
    transform over every child of the VPC component before it is created.
    """

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ != "aws:ec2/subnet:Subnet":
            return None
        return pulumi.ResourceTransformResult(
            props={**args.props, "mapPublicIpOnLaunch": False}, opts=pulumi.ResourceOptions.merge(args.opts, options)
        )

    return transform


def _route_table_ids(tables: Sequence[aws.ec2.RouteTable]) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*(table.id for table in tables))


class Network(pulumi.ComponentResource):
    """A VPC over two zones with gateway and interface endpoints, and a security group per workload without ingress."""

    vpc_id: pulumi.Output[str]
    private_subnet_ids: pulumi.Output[Sequence[str]]
    security_groups: Mapping[str, aws.ec2.SecurityGroup]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:network:Network", name, None, opts)
        subnet_options = pulumi.ResourceOptions.merge(
            _waits_for_lambda(args),
            pulumi.ResourceOptions(ignore_changes=["availabilityZone"] if args.keeps_zones else []),
        )
        vpc = awsx.ec2.Vpc(
            args.base,
            cidr_block=args.cidr_block,
            availability_zone_names=list(args.zones),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            nat_gateways=awsx.ec2.NatGatewayConfigurationArgs(strategy=_NAT_STRATEGIES[args.nat_gateways]),
            subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, transforms=[subnet_transform(subnet_options)]),
        )
        self.vpc_id = vpc.vpc_id
        self.private_subnet_ids = vpc.private_subnet_ids
        self.security_groups = {workload: self._workload_group(workload, args) for workload in args.workloads}
        for service in GATEWAY_SERVICES:
            self._gateway_endpoint(service, args, vpc)
        for service in args.interface_endpoints:
            self._interface_endpoint(service, args)
        self.register_outputs({"vpcId": self.vpc_id, "privateSubnetIds": self.private_subnet_ids})

    def _workload_group(self, workload: str, args: NetworkArgs) -> aws.ec2.SecurityGroup:
        """Nothing reaches a workload; it reaches AWS, S3 and DynamoDB at their public addresses, by HTTPS."""
        return self._security_group(
            workload,
            args,
            description=f"{args.base}: {workload}",
            egress=[
                aws.ec2.SecurityGroupEgressArgs(
                    description="HTTPS to AWS services",
                    protocol="tcp",
                    from_port=443,
                    to_port=443,
                    cidr_blocks=["0.0.0.0/0"],
                )
            ],
        )

    def _gateway_endpoint(self, service: str, args: NetworkArgs, vpc: awsx.ec2.Vpc) -> None:
        route_tables: pulumi.Output[list[str]] = vpc.route_tables.apply(_route_table_ids)
        aws.ec2.VpcEndpoint(
            f"{args.base}-{service}",
            vpc_id=self.vpc_id,
            vpc_endpoint_type="Gateway",
            service_name=args.place.endpoint_service(service),
            route_table_ids=route_tables,
            tags=named(args.tags, f"{args.base}-{service}"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _interface_endpoint(self, service: str, args: NetworkArgs) -> None:
        group = self._security_group(
            f"endpoint-{service}",
            args,
            description=f"{args.base}: endpoint of {service}",
            ingress=[
                aws.ec2.SecurityGroupIngressArgs(
                    description="HTTPS from workloads of the kit",
                    protocol="tcp",
                    from_port=443,
                    to_port=443,
                    security_groups=[workload.id for workload in self.security_groups.values()],
                )
            ],
        )
        aws.ec2.VpcEndpoint(
            f"{args.base}-{service}",
            vpc_id=self.vpc_id,
            vpc_endpoint_type="Interface",
            service_name=args.place.endpoint_service(service),
            private_dns_enabled=True,
            subnet_ids=self.private_subnet_ids,
            security_group_ids=[group.id],
            tags=named(args.tags, f"{args.base}-{service}"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _security_group(
        self,
        purpose: str,
        args: NetworkArgs,
        *,
        description: str,
        ingress: Sequence[aws.ec2.SecurityGroupIngressArgs] = (),
        egress: Sequence[aws.ec2.SecurityGroupEgressArgs] = (),
    ) -> aws.ec2.SecurityGroup:
        name = f"{args.base}-{purpose}"
        return aws.ec2.SecurityGroup(
            name,
            name=name,
            description=description,
            vpc_id=self.vpc_id,
            ingress=list(ingress),
            egress=list(egress),
            tags=named(args.tags, name),
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), _waits_for_lambda(args)),
        )
