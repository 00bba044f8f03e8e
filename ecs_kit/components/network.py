"""The pattern's VPC, or an existing one, with the pattern's endpoints and security groups."""

from collections.abc import Collection, Mapping, Sequence
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

PRIVATE_SUBNET_BITS = 18
"""The mask of a private subnet: half of a zone's half of the VPC, which is awsx's default."""

NAT_GATEWAYS: Mapping[NatGateways, int] = {"none": 0, "single": 1, "per-az": ZONES}


@dataclass(frozen=True)
class NetworkArgs:
    """Arguments of `Network`.

    Args:
        existing: The VPC and subnets to use; None to create them.
        zones: Names of the new VPC's availability zones. Existing subnets keep theirs unless the configuration names
            some.
        workloads: What runs in the private subnets; each gets a security group.
        open_workloads: Those of them whose security groups let HTTPS out to any address.
        interface_endpoints: AWS services reached through interface endpoints, such as `ecr.api`.
        endpoint_policies: The policies of endpoints as JSON, by service; without one, AWS lets every call through.
        outlived_by: Resources destroyed after subnets and security groups: the policies with which Lambda deletes its
            network interfaces. Without the function's role it cannot, and subnets and groups remain (same page).
    """

    part: PartArgs
    existing: ExistingNetwork | None
    zones: Sequence[str]
    workloads: Sequence[str]
    open_workloads: Collection[str]
    interface_endpoints: Sequence[str]
    endpoint_policies: Mapping[str, pulumi.Input[str]]
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


def _egress_rule(
    description: str, rule: egress.EgressRule = egress.HTTPS, **peers: Any
) -> aws.ec2.SecurityGroupEgressArgs:
    """Protocol and ports of a rule; `peers` are where it leads."""
    return aws.ec2.SecurityGroupEgressArgs(
        description=description, protocol=rule.protocol, from_port=rule.from_port, to_port=rule.to_port, **peers
    )


def _route_table_ids(tables: Sequence[aws.ec2.RouteTable]) -> pulumi.Output[list[str]]:
    return pulumi.Output.all(*(table.id for table in tables))


def _in_layout(parts: pulumi.Output[Sequence[_T]], zone: int, *, public: bool) -> pulumi.Output[pulumi.CustomResource]:
    """One of awsx's subnets or route tables: they are in the order of the zones, the public one first in each."""
    return parts.apply(lambda found: found[2 * zone + (0 if public else 1)])


class Network(pulumi.ComponentResource):
    """A VPC over two zones, or an existing one, with gateway and interface endpoints, and security groups.

    Each workload gets a group without ingress, unless the configuration names groups for all of them. It lets HTTPS out
    to the endpoints alone, but for `NetworkArgs.open_workloads`. The interface endpoints share a group, which admits
    HTTPS from the workloads' groups.
    """

    vpc_id: pulumi.Input[str]
    private_subnet_ids: pulumi.Input[Sequence[str]]
    security_group_ids: Mapping[str, Sequence[pulumi.Input[str]]]
    """The security groups of each workload."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:network:Network", name, None, opts)
        self._part, self._base, self._policies = args.part, args.part.names.base, args.endpoint_policies
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
            aws.ec2.DefaultSecurityGroup(
                self._base,
                vpc_id=self.vpc_id,
                ingress=[],
                egress=[],
                tags=self._named(f"{self._base}-default"),
                opts=pulumi.ResourceOptions(parent=self),
            )
            route_tables, endpoint_subnets = vpc.route_tables.apply(_route_table_ids), self.private_subnet_ids
        gateways = {
            service: self._endpoint(service, "Gateway", route_table_ids=route_tables)
            for service in (GATEWAY_SERVICES if config.endpoints == "create" else ())
        }
        group = self._security_group("endpoints", "interface endpoints") if args.interface_endpoints else None
        self.security_group_ids = {
            workload: config.security_group_ids
            or [self._workload_group(workload, None if workload in args.open_workloads else group, gateways).id]
            for workload in args.workloads
        }
        if group:
            self._admit_workloads(group)
            for service in args.interface_endpoints:
                self._endpoint(
                    service,
                    "Interface",
                    private_dns_enabled=True,
                    subnet_ids=endpoint_subnets,
                    security_group_ids=[group.id],
                )
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
        # Without NAT gateways nothing needs a public subnet. A private one has the same addresses in either case.
        private = awsx.ec2.SubnetSpecArgs(type=awsx.ec2.SubnetType.PRIVATE, cidr_mask=PRIVATE_SUBNET_BITS)
        return awsx.ec2.Vpc(
            self._base,
            # The patterns' ranges do not overlap, so that the VPCs can be peered.
            cidr_block=f"10.{100 + 10 * self._part.names.pattern}.0.0/16",
            availability_zone_names=list(zones),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            nat_gateways=awsx.ec2.NatGatewayConfigurationArgs(strategy=awsx.ec2.NatGatewayStrategy.NONE),
            subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,
            subnet_specs=None if self._part.config.has_nat else [private],
            tags=self._part.tags,
            opts=pulumi.ResourceOptions(parent=self, transforms=[subnet_transform(subnet_options)]),
        )

    def _workload_group(
        self, workload: str, endpoints: aws.ec2.SecurityGroup | None, gateways: Mapping[str, aws.ec2.VpcEndpoint]
    ) -> aws.ec2.SecurityGroup:
        """A workload's security group: no ingress; egress by HTTPS, and what the configuration adds for tasks.

        HTTPS goes to the endpoints' group and to the services of gateway endpoints, which have public addresses, or,
        without `endpoints`, anywhere.
        """
        if endpoints:
            rules = [_egress_rule("HTTPS to interface endpoints", security_groups=[endpoints.id])]
            rules += [
                _egress_rule(f"HTTPS to {service}", prefix_list_ids=[gateway.prefix_list_id])
                for service, gateway in gateways.items()
            ]
        else:
            rules = [_egress_rule("HTTPS", cidr_blocks=[egress.HTTPS.cidr])]
        for rule in map(egress.parse, self._part.config.task_egress if workload == "tasks" else ()):
            rules.append(_egress_rule("From taskEgress", rule, cidr_blocks=[rule.cidr]))
        return self._security_group(workload, workload, ingress=[], egress=rules)

    def _admit_workloads(self, group: aws.ec2.SecurityGroup) -> None:
        """Rules of the endpoints' group: HTTPS from the workloads' groups, whose own rules name this group."""
        configured = self._part.config.security_group_ids
        peers: dict[str, pulumi.Input[str]] = {each: each for each in configured}
        peers = peers or {workload: groups[0] for workload, groups in self.security_group_ids.items()}
        for name, peer in peers.items():
            aws.vpc.SecurityGroupIngressRule(
                f"{self._base}-endpoints-{name}",
                security_group_id=group.id,
                referenced_security_group_id=peer,
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                description=f"HTTPS from {name}",
                tags=self._named(f"{self._base}-endpoints-{name}"),
                opts=pulumi.ResourceOptions(parent=self),
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

    def _endpoint(self, service: str, kind: str, **settings: Any) -> aws.ec2.VpcEndpoint:
        name = self._part.names.endpoint(service)
        return aws.ec2.VpcEndpoint(
            name,
            vpc_id=self.vpc_id,
            vpc_endpoint_type=kind,
            service_name=self._part.names.target.endpoint_service(service),
            policy=self._policies.get(service),
            tags=self._named(name),
            opts=pulumi.ResourceOptions(parent=self),
            **settings,
        )

    def _security_group(
        self,
        purpose: str,
        what: str,
        ingress: Sequence[aws.ec2.SecurityGroupIngressArgs] | None = None,
        egress: Sequence[aws.ec2.SecurityGroupEgressArgs] | None = None,
    ) -> aws.ec2.SecurityGroup:
        """A security group; without lists of rules there are none, or they are resources of their own."""
        name = f"{self._base}-{purpose}"
        return aws.ec2.SecurityGroup(
            name,
            name=name,
            description=f"{self._base}: {what}",
            vpc_id=self.vpc_id,
            ingress=ingress,
            egress=egress,
            tags=self._named(name),
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), self._waits_for_lambda),
        )

    def _named(self, name: str) -> dict[str, str]:
        """The tags and `Name`, which the AWS console shows for EC2 resources."""
        return {**self._part.tags, "Name": name}
