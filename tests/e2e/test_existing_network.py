"""Both patterns in a network and a cluster that another stack has made."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.journeys import spec_files
from ecs_kit.automation.stacks import leftovers
from tests.documentation import example
from tests.e2e.conftest import NAMESPACE, Deployed, copy_project, local_stack, new_stack, sample, stack_on

pytestmark = [pytest.mark.acceptance, pytest.mark.e2e]

PROJECT = "name: network\nruntime: python\n"
PROGRAM = """
import pulumi
import pulumi_aws as aws

VPC = "10.50.0.0/16"
vpc = aws.ec2.Vpc("own", cidr_block=VPC, enable_dns_hostnames=True)
table = aws.ec2.RouteTable("own", vpc_id=vpc.id)
subnets = []
for number, zone in enumerate(("us-east-1a", "us-east-1b")):
    name = f"own-{number}"
    subnet = aws.ec2.Subnet(name, vpc_id=vpc.id, cidr_block=f"10.50.{number}.0/24", availability_zone=zone)
    aws.ec2.RouteTableAssociation(name, route_table_id=table.id, subnet_id=subnet.id)
    subnets.append(subnet.id)
from_vpc = {"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_blocks": [VPC]}
group = aws.ec2.SecurityGroup("own", name="own", description="endpoints", vpc_id=vpc.id, ingress=[from_vpc])
for service in ("ecs", "ecr.api", "ecr.dkr", "logs", "states"):
    aws.ec2.VpcEndpoint(
        service,
        vpc_id=vpc.id,
        vpc_endpoint_type="Interface",
        service_name=f"com.amazonaws.us-east-1.{service}",
        private_dns_enabled=True,
        subnet_ids=subnets,
        security_group_ids=[group.id],
    )
for service in ("s3", "dynamodb"):
    service_name = f"com.amazonaws.us-east-1.{service}"
    aws.ec2.VpcEndpoint(service, vpc_id=vpc.id, service_name=service_name, route_table_ids=[table.id])
bare = aws.ec2.Vpc("bare", cidr_block="10.60.0.0/16", enable_dns_hostnames=True)
in_bare = {"vpc_id": bare.id, "availability_zone": "us-east-1a"}
bare_subnets = [aws.ec2.Subnet(f"bare-{n}", cidr_block=f"10.60.{n}.0/24", **in_bare).id for n in range(2)]
cluster = aws.ecs.Cluster("own", name="own", settings=[{"name": "containerInsights", "value": "disabled"}])
pulumi.export("vpcId", vpc.id)
pulumi.export("privateSubnetIds", subnets)
pulumi.export("clusterName", cluster.name)
pulumi.export("bare", {"vpcId": bare.id, "privateSubnetIds": bare_subnets})
"""

NOT_CREATED = ("Vpc", "Subnet", "RouteTable", "Route", "NatGateway", "VpcEndpoint", "Cluster")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A VPC with endpoints and no way out, one without either, and a cluster, by a program without the kit."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "Pulumi.yaml").write_text(PROJECT)
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "work").mkdir()
    with local_stack("network", folder, folder / "work") as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the kit's project."""
    copy_project(tmp_path / "project")
    (tmp_path / "work").mkdir()
    return tmp_path / "project"


def config(network: Deployed, **values: str) -> dict[str, str]:
    """The kit's configuration for the network."""
    found = network.outputs
    existing = {"vpcId": found["vpcId"], "privateSubnetIds": json.dumps(found["privateSubnetIds"]), "endpoints": "none"}
    return {f"{NAMESPACE}:{key}": value for key, value in {**existing, **values}.items()}


def test_both_patterns_run_there_and_a_destroy_leaves_the_network_and_retained_data(
    network: Deployed, project: Path
) -> None:
    aws, cluster = network.target.aws, network.outputs["clusterName"]
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    boundary = aws.iam.create_policy(PolicyName="boundary", PolicyDocument=json.dumps(allow))["Policy"]["Arn"]
    values = config(network, clusterName=cluster, permissionsBoundary=boundary)
    documented = yaml.safe_load(example("existing-network.md", "permissionsBoundary:"))["config"]
    assert values.keys() == documented.keys(), "the documentation's example, but for names and ids"
    values |= {f"{NAMESPACE}:retainData": "retain", f"{NAMESPACE}:taskEgress": '["tcp:5432:10.50.0.0/16"]'}
    with stack_on(network.target, "kit", project, project.parent / "work", config=values) as kit:
        types = {kind.rsplit(":", 1)[1] for kind in kit.resources}
        assert types.isdisjoint(NOT_CREATED)
        for pattern in (1, 2):
            assert kit.run(pattern, spec_files.with_tasks(sample(pattern), 10)).problems == ()
            outputs = kit.outputs[f"pattern{pattern}"]
            assert (outputs["vpcId"], outputs["clusterName"]) == (network.outputs["vpcId"], cluster)
            role = aws.iam.get_role(RoleName=f"amazon-ecs-starter-kit-pattern-{pattern}-monitor")["Role"]
            assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
        assert len(aws.ecs.list_tasks(cluster=cluster, desiredStatus="STOPPED")["taskArns"]) == 20
        had = kit.stack.resources()
        outputs = [kit.outputs[f"pattern{pattern}"] for pattern in (1, 2)]

    assert kit.stack.resources() == []
    for each in outputs:
        assert aws.s3.list_objects_v2(Bucket=each["s3BucketName"])["KeyCount"] >= 10
        assert aws.s3.get_public_access_block(Bucket=each["s3BucketName"])
        rows = aws.dynamodb.scan(TableName=each["ddbTableNameWFDetails"])["Items"]
        assert [row["status"]["S"] for row in rows] == ["Completed"] * 10
    assert len(aws.ecr.describe_repositories()["repositories"]) == 2
    left = leftovers.find(aws, leftovers.inventory("kit", had)).living
    assert [line for line in left if "task definition" not in line] == []
    assert network.stack.refresh().nothing, "the network is as its own stack made it"


def test_a_pattern_creates_its_endpoints_in_a_vpc_without_them_once(network: Deployed, project: Path) -> None:
    bare = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in network.outputs["bare"].items()
    }
    key = "arn:aws:kms:us-east-1:000000000000:key/11112222-3333-4444-5555-666677778888"
    values = config(network, **bare, patterns="2", endpoints="create", kmsKeyArn=key, nameSuffix="bare")
    with stack_on(network.target, "bare", project, project.parent / "work", config=values) as kit:
        assert kit.resources["aws:ec2/vpcEndpoint:VpcEndpoint"] == 8
        assert kit.run(2, spec_files.with_tasks(sample(2), 1)).problems == ()
        bucket = kit.outputs["pattern2"]["s3BucketName"]
        found = network.target.aws.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
        assert found["Rules"][0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key
        assert kit.stack.preview().nothing, "its own endpoints are no conflict"
    assert network.stack.refresh().nothing


@pytest.mark.parametrize("stack", ["deploy", "preview"])
def test_a_missing_endpoint_and_a_wrong_cluster_are_named_before_anything_is_created(
    network: Deployed, project: Path, stack: str
) -> None:
    ec2, service = network.target.aws.ec2, "com.amazonaws.us-east-1.states"
    of_service = [{"Name": "service-name", "Values": [service]}]
    for endpoint in ec2.describe_vpc_endpoints(Filters=of_service)["VpcEndpoints"]:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    values = config(network, nameSuffix="refused", clusterName="none")
    refused = new_stack(network.target, stack, project, project.parent / "work", values)
    with pytest.raises(DriverError) as error:
        getattr(refused, stack)()
    message = str(error.value)
    for subnet in network.outputs["privateSubnetIds"]:
        assert (
            f"privateSubnetIds = '{subnet}': must be a subnet that reaches states, by an interface endpoint" in message
        )
    assert "clusterName = 'none': must be an active ECS cluster in us-east-1" in message
    assert "reaches logs" not in message
    assert refused.resources() == []


def test_endpoints_that_exclude_those_of_the_kit_are_named(network: Deployed, project: Path) -> None:
    values = config(network, nameSuffix="refused", patterns="2", endpoints="create")
    refused = new_stack(network.target, "conflict", project, project.parent / "work", values)
    with pytest.raises(
        DriverError, match=r"endpoints = 'create': must be none, or interfaceEndpoints without logs: vpc-"
    ):
        refused.preview()
