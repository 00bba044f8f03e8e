"""What a stack left behind, by asking the services."""

from botocore.stub import Stubber

from ecs_kit.automation.stacks import leftovers
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import PhysicalResource, physical_resources


def resource(type_token: str, identifier: str, **inputs: str) -> PhysicalResource:
    return PhysicalResource(type_token, "urn", identifier, inputs, {})


def test_the_inventory_knows_what_each_service_calls_a_resource() -> None:
    had = leftovers.inventory(
        "e2e",
        [
            resource("aws:lambda/function:Function", "f", name="kit-monitor"),
            resource("aws:ecs/cluster:Cluster", "arn:cluster", name="kit"),
            resource("aws:s3/bucket:Bucket", "", bucket="not-seen-to-be-created"),
            resource("aws:ec2/vpc:Vpc", "vpc-1"),
        ],
    )

    assert had.named("aws:s3/bucket:Bucket") == {"not-seen-to-be-created"}
    assert had.named("aws:cloudwatch/logGroup:LogGroup") == {
        "/aws/lambda/kit-monitor",
        "/aws/ecs/containerinsights/kit/performance",
    }
    assert had.ids == {"f", "arn:cluster", "vpc-1"}


def test_what_is_retained_is_no_leftover() -> None:
    document = {"type": "aws:s3/bucket:Bucket", "urn": "urn", "id": "kept", "custom": True, "retainOnDelete": True}
    resources = physical_resources({"resources": [document, {**document, "id": "gone", "retainOnDelete": False}]})
    had = leftovers.inventory("e2e", resources)
    assert (had.named("aws:s3/bucket:Bucket"), had.ids) == ({"gone"}, {"gone"})


def test_leftovers_are_named_by_service_and_what_aws_keeps_is_apart(aws: AwsClients) -> None:
    vpc = aws.ec2.create_vpc(CidrBlock="10.110.0.0/16")["Vpc"]["VpcId"]
    subnet = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.110.0.0/20")["Subnet"]["SubnetId"]
    tags = [{"ResourceType": "internet-gateway", "Tags": [{"Key": "kit:stack", "Value": "e2e"}]}]
    gateway = aws.ec2.create_internet_gateway(TagSpecifications=tags)["InternetGateway"]["InternetGatewayId"]
    for bucket in ("kit-bucket", "of-another-stack"):
        aws.s3.create_bucket(Bucket=bucket)
    aws.ecs.create_cluster(clusterName="kit")
    aws.logs.create_log_group(logGroupName="/aws/lambda/kit-monitor")
    aws.iam.create_role(RoleName="kit-task", AssumeRolePolicyDocument="{}")
    aws.events.put_rule(Name="kit-sweep", ScheduleExpression="rate(10 minutes)")
    aws.events.put_rule(Name=leftovers.MANAGED_RULE, EventPattern="{}")
    aws.logs.put_resource_policy(policyName=leftovers.LOG_DELIVERY_POLICY, policyDocument="{}")
    aws.iam.create_role(
        RoleName=leftovers.ECS_ROLE, Path="/aws-service-role/ecs.amazonaws.com/", AssumeRolePolicyDocument="{}"
    )
    for _ in range(2):
        aws.ecs.register_task_definition(family="kit", containerDefinitions=[{"name": "c", "image": "i", "memory": 8}])
    aws.ecs.deregister_task_definition(taskDefinition="kit:1")
    had = leftovers.inventory(
        "e2e",
        [
            resource("aws:ec2/vpc:Vpc", vpc),
            resource("aws:s3/bucket:Bucket", "kit-bucket", bucket="kit-bucket"),
            resource("aws:ecs/cluster:Cluster", "arn", name="kit"),
            resource("aws:ecs/taskDefinition:TaskDefinition", "arn", family="kit"),
            resource("aws:lambda/function:Function", "kit-monitor", name="kit-monitor"),
            resource("aws:iam/role:Role", "kit-task", name="kit-task"),
            resource("aws:cloudwatch/eventRule:EventRule", "kit-sweep", name="kit-sweep"),
        ],
    )

    found = leftovers.find(aws, had)

    assert {
        f"ec2 VPC {vpc}",
        f"ec2 subnet {subnet}",
        f"ec2 internet gateway {gateway}",
        "s3 bucket kit-bucket",
        "ecs cluster kit",
        "ecs active task definition kit:2",
        "logs log group /aws/lambda/kit-monitor",
        "iam role kit-task",
        "events rule kit-sweep",
    } <= set(found.living)
    assert not any("of-another-stack" in line for line in found.living)
    assert found.kept_by_aws == (
        "ecs inactive task definition kit:1",
        f"events rule {leftovers.MANAGED_RULE} (managed by Step Functions)",
        f"iam role {leftovers.ECS_ROLE} (linked to ECS, one for the account)",
        f"logs resource policy {leftovers.LOG_DELIVERY_POLICY} (of log delivery, one for the account and region)",
    )


def test_what_is_on_a_second_page_is_found(aws: AwsClients) -> None:
    had = leftovers.inventory(
        "e2e",
        [
            resource("aws:s3/bucket:Bucket", "kit-bucket", bucket="kit-bucket"),
            resource("aws:cloudwatch/eventRule:EventRule", "kit-sweep", name="kit-sweep"),
        ],
    )
    page = {"MaxBuckets": 1000}
    with Stubber(aws.s3) as s3, Stubber(aws.events) as events:
        s3.add_response("list_buckets", {"Buckets": [{"Name": "other"}], "ContinuationToken": "more"}, page)
        s3.add_response("list_buckets", {"Buckets": [{"Name": "kit-bucket"}]}, {**page, "ContinuationToken": "more"})
        events.add_response("list_rules", {"Rules": [{"Name": "other"}], "NextToken": "more"}, {})
        events.add_response("list_rules", {"Rules": [{"Name": "kit-sweep"}]}, {"NextToken": "more"})
        events.add_response("list_rules", {"Rules": []}, {"NamePrefix": leftovers.MANAGED_RULE})

        assert leftovers.find(aws, had).living == ("events rule kit-sweep", "s3 bucket kit-bucket")


def test_revisions_of_a_forgotten_task_definition_are_known_by_the_cluster_s_name_on_every_page(
    aws: AwsClients,
) -> None:
    had = leftovers.inventory("e2e", [resource("aws:ecs/cluster:Cluster", "arn", name="kit")])
    asked = {"familyPrefix": "kit", "status": "ACTIVE"}
    with Stubber(aws.ecs) as ecs:
        arns = ["arn:aws:ecs:r:1:task-definition/kit:1", "arn:aws:ecs:r:1:task-definition/kit-more:1"]
        ecs.add_response("list_task_definitions", {"taskDefinitionArns": arns, "nextToken": "more"}, asked)
        arns = ["arn:aws:ecs:r:1:task-definition/kit:2"]
        ecs.add_response("list_task_definitions", {"taskDefinitionArns": arns}, {**asked, "nextToken": "more"})

        assert leftovers.active_revisions(aws, had) == ["kit:1", "kit:2"]
