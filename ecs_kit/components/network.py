"""The pattern's VPC, or an existing one, with the pattern's endpoints and security groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx

from ecs_kit.components import egress
from ecs_kit.components.config import GATEWAY_SERVICES, NatGateways
from ecs_kit.components.existing_network import ExistingNetwork
from ecs_kit.components.parts import PartArgs
from ecs_kit.components.zones import ZONES

_T = TypeVar("_T", bound=pulumi.CustomResource)

DELETE_TIMEOUT = "45m"
"""Delete time-out of security groups and subnets. With Lambda's network interfaces they "can take up to 45 minutes to
successfully delete" (the published `aws` provider, "SecurityGroup" and "Subnet")."""

NAT_GATEWAYS: Mapping[NatGateways, int] = {"none": 0, "single": 1, "per-az": ZONES}


@dataclass(frozen=True)
class NetworkArgs:
    """Arguments of `Network`.

    Args:
        existing: The VPC and subnets to use; None to create them.
        zones: Names of the new VPC's availability zones. Existing subnets keep theirs unless the configuration names
            some.
        workloads: What runs in the private subnets; each gets a security group.
        interface_endpoints: AWS services reached through interface endpoints, such as `ecr.api`.
        outlived_by: Resources destroyed after subnets and security groups: the policies with which Lambda deletes its
            network interfaces. Without the function's role it cannot, and subnets and groups remain (same page).
    """

    part: PartArgs
    existing: ExistingNetwork | None
    zones: Sequence[str]
    workloads: Sequence[str]
    interface_endpoints: Sequence[str]
    outlived_by: Sequence[pulumi.Resource]


def subnet_transform(options: pulumi.ResourceOptions) -> pulumi.ResourceTransform:
    """Changes awsx's subnets: none assigns public addresses, and each gets `options`.

    awsx creates the subnets in its plugin's process, with public addresses in the public ones. The engine runs the
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


def _in_layout(parts: pulumi.Output[Sequence[_T]], zone: int, *, public: bool) -> pulumi.Output[pulumi.CustomResource]:
    """One of awsx's subnets or route tables: they are in the order of the zones, the public one first in each."""
    return parts.apply(lambda found: found[2 * zone + (0 if public else 1)])


class Network(pulumi.ComponentResource):
    """A VPC over two zones, or an existing one, with gateway and interface endpoints, and security groups.

    Each workload gets a group without ingress, unless the configuration names groups for all of them.
    """

    vpc_id: pulumi.Input[str]
    private_subnet_ids: pulumi.Input[Sequence[str]]
    security_group_ids: Mapping[str, Sequence[pulumi.Input[str]]]
    """The security groups of each workload."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:network:Network", name, None, opts)
        self._part, self._base = args.part, args.part.names.base
        self._waits_for_lambda = pulumi.ResourceOptions(
            depends_on=list(args.outlived_by), custom_timeouts=pulumi.CustomTimeouts(delete=DELETE_TIMEOUT)
        )
        config, existing = args.part.config, args.existing
        route_tables: pulumi.Input[Sequence[str]]
        endpoint_subnets: pulumi.Input[Sequence[str]]
        if existing:
            self.vpc_id, self.private_subnet_ids = config.vpc_id, list(config.private_subnet_ids)
            route_tables, endpoint_subnets = existing.route_table_ids, existing.zone_subnets()
        else:
            vpc = self._vpc(args.zones)
            self.vpc_id, self.private_subnet_ids = vpc.vpc_id, vpc.private_subnet_ids
            self._nat_gateways(vpc)
            route_tables, endpoint_subnets = vpc.route_tables.apply(_route_table_ids), self.private_subnet_ids
        self.security_group_ids = {
            workload: config.security_group_ids or [self._workload_group(workload).id] for workload in args.workloads
        }
        for service in GATEWAY_SERVICES if config.endpoints == "create" else ():
            self._endpoint(service, "Gateway", route_table_ids=route_tables)
        for service in args.interface_endpoints:
            self._interface_endpoint(service, endpoint_subnets)
        self.register_outputs({"vpcId": self.vpc_id, "privateSubnetIds": self.private_subnet_ids})

    @property
    def all_security_group_ids(self) -> list[pulumi.Input[str]]:
        """The security groups of all workloads, each once."""
        configured = self._part.config.security_group_ids
        return list(configured) or [group for groups in self.security_group_ids.values() for group in groups]

    def _vpc(self, zones: Sequence[str]) -> awsx.ec2.Vpc:
        subnet_options = pulumi.ResourceOptions.merge(
            self._waits_for_lambda,
            pulumi.ResourceOptions(ignore_changes=[] if self._part.config.availability_zones else ["availabilityZone"]),
        )
        return awsx.ec2.Vpc(
            self._base,
            # The patterns' ranges do not overlap, so that the VPCs can be peered.
            cidr_block=f"10.{100 + 10 * self._part.names.pattern}.0.0/16",
            availability_zone_names=list(zones),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            nat_gateways=awsx.ec2.NatGatewayConfigurationArgs(strategy=awsx.ec2.NatGatewayStrategy.NONE),
            subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,
            tags=self._part.tags,
            opts=pulumi.ResourceOptions(parent=self, transforms=[subnet_transform(subnet_options)]),
        )

    def _workload_group(self, workload: str) -> aws.ec2.SecurityGroup:
        """A workload's security group: no ingress; egress by HTTPS, and what the configuration adds for tasks."""
        further = map(egress.parse, self._part.config.task_egress if workload == "tasks" else ())
        rules = [("HTTPS to AWS services", egress.HTTPS), *(("From taskEgress", rule) for rule in further)]
        return self._security_group(
            workload,
            f"{self._base}: {workload}",
            egress=[
                aws.ec2.SecurityGroupEgressArgs(
                    description=description,
                    protocol=rule.protocol,
                    from_port=rule.from_port,
                    to_port=rule.to_port,
                    cidr_blocks=[rule.cidr],
                )
                for description, rule in rules
            ],
        )

    def _nat_gateways(self, vpc: awsx.ec2.Vpc) -> None:
        """NAT gateways in the public subnets, and the private subnets' routes to them.

        Creating one fails while no internet gateway is attached to the VPC (EC2 API reference, NatGateway,
        `Gateway.NotAttached`), and awsx creates both concurrently. Aliases adopt those that awsx made in older stacks.
        """

        def options(kind: str, name: str, parent: pulumi.Output[pulumi.CustomResource]) -> pulumi.ResourceOptions:
            urn: pulumi.Output[str] = parent.apply(lambda found: found.urn)
            former = pulumi.create_urn(name, kind, parent=urn)
            return pulumi.ResourceOptions(parent=self, depends_on=[vpc.internet_gateway], aliases=[former])

        gateways: list[aws.ec2.NatGateway] = []
        for zone in range(NAT_GATEWAYS[self._part.config.nat_gateways]):
            name = f"{self._base}-{zone + 1}"
            tags, subnet = self._named(name), _in_layout(vpc.subnets, zone, public=True)
            address = aws.ec2.Eip(name, tags=tags, opts=options("aws:ec2/eip:Eip", name, subnet))
            gateway = aws.ec2.NatGateway(
                name,
                subnet_id=vpc.public_subnet_ids[zone],
                allocation_id=address.allocation_id,
                tags=tags,
                opts=options("aws:ec2/natGateway:NatGateway", name, subnet),
            )
            gateways.append(gateway)
        for zone in range(ZONES) if gateways else ():
            name, table = f"{self._base}-private-{zone + 1}", _in_layout(vpc.route_tables, zone, public=False)
            table_id: pulumi.Output[str] = table.apply(lambda found: found.id)
            aws.ec2.Route(
                name,
                route_table_id=table_id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=gateways[min(zone, len(gateways) - 1)].id,
                opts=options("aws:ec2/route:Route", name, table),
            )

    def _interface_endpoint(self, service: str, subnet_ids: pulumi.Input[Sequence[str]]) -> None:
        ingress = aws.ec2.SecurityGroupIngressArgs(
            description="HTTPS from workloads of the kit",
            protocol="tcp",
            from_port=443,
            to_port=443,
            security_groups=self.all_security_group_ids,
        )
        group = self._security_group(f"endpoint-{service}", f"{self._base}: endpoint of {service}", ingress=[ingress])
        self._endpoint(
            service,
            "Interface",
            private_dns_enabled=True,
            subnet_ids=subnet_ids,
            security_group_ids=[group.id],
        )

    def _endpoint(self, service: str, kind: str, **settings: Any) -> None:
        name = self._part.names.endpoint(service)
        aws.ec2.VpcEndpoint(
            name,
            vpc_id=self.vpc_id,
            vpc_endpoint_type=kind,
            service_name=self._part.names.target.endpoint_service(service),
            tags=self._named(name),
            opts=pulumi.ResourceOptions(parent=self),
            **settings,
        )

    def _security_group(
        self,
        purpose: str,
        description: str,
        *,
        ingress: Sequence[aws.ec2.SecurityGroupIngressArgs] = (),
        egress: Sequence[aws.ec2.SecurityGroupEgressArgs] = (),
    ) -> aws.ec2.SecurityGroup:
        name = f"{self._base}-{purpose}"
        return aws.ec2.SecurityGroup(
            name,
            name=name,
            description=description,
            vpc_id=self.vpc_id,
            ingress=list(ingress),
            egress=list(egress),
            tags=self._named(name),
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), self._waits_for_lambda),
        )

    def _named(self, name: str) -> dict[str, str]:
        """The tags and `Name`, which the AWS console shows for EC2 resources."""
        return {**self._part.tags, "Name": name}
