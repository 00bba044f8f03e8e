"""What a pattern creates in an existing network and cluster, and what it looks up before."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ecs_kit.components import program
from ecs_kit.components.errors import ConfigError
from tests.unit.components import recorder
from tests.unit.components.recorder import EXISTING, TARGET, Deployment, deployment
from tests.unit.components.test_resources import LONGEST

VPC, SUBNETS = "vpc-11111111", ["subnet-aaaaaaaa", "subnet-bbbbbbbb"]
NETWORK = {"vpcId": VPC, "privateSubnetIds": json.dumps(SUBNETS)}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1-2"
BOUNDARY = "arn:aws:iam::123456789012:policy/limits"
BASE = "amazon-ecs-starter-kit-pattern-1"


def existing(pattern: str = "1", **config: str) -> Deployment:
    return deployment(patterns=pattern, **NETWORK, **config)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs the program with other answers of some lookups, and returns its error."""

    def run(lookups: dict[str, Any], **config: str) -> str:
        monkeypatch.setattr(recorder, "EXISTING", {**EXISTING, **lookups})
        registered: list[str] = []
        monkeypatch.setattr(
            recorder.Recorder, "new_resource", lambda _, made: (registered.append(made.typ) or "an-id", {})
        )
        with pytest.raises(ConfigError) as error:
            recorder.run(program.program, {"patterns": "1", **NETWORK, **config})
        assert registered == ["kit:patterns:TaskSubmissionFromLambda"], "which is no resource of AWS"
        return str(error.value)

    return run


def test_no_network_is_created_but_endpoints_and_security_groups() -> None:
    deployed = existing()
    for kind in ("Vpc", "NatGateway", "Eip", "Route"):
        assert deployed.of(kind) == []
    assert {each.inputs["vpcId"] for kind in ("SecurityGroup", "VpcEndpoint") for each in deployed.of(kind)} == {VPC}
    for function in deployed.of("Function"):
        assert function.inputs["vpcConfig"]["subnetIds"] == SUBNETS
    endpoints = {each.inputs["serviceName"].rpartition(".")[2]: each.inputs for each in deployed.of("VpcEndpoint")}
    assert len(endpoints) == 8
    assert endpoints["states"]["subnetIds"] == SUBNETS
    assert endpoints["s3"]["routeTableIds"] == ["rtb-0", "rtb-1"], "one subnet has the main route table"
    assert deployed.outputs["pattern1"]["subnetIdLiteral"] == "$".join(SUBNETS)
    assert deployed.outputs["pattern1"]["vpcId"] == VPC


def test_the_patterns_own_endpoints_are_known_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"privateDnsEnabled": True, "securityGroupIds": ["sg-33333333"], "routeTableIds": []}
    of_logs = {"com.amazonaws.eu-central-1.logs": {**made, "tags": {"Name": f"{BASE}-logs"}}}
    monkeypatch.setattr(recorder, "EXISTING", {**EXISTING, "getVpcEndpoint": of_logs})
    assert len(existing(tags='{"team": "new"}').of("VpcEndpoint")) == 8


def test_with_endpoints_none_the_network_has_to_have_them(refused: Callable[..., str]) -> None:
    error = refused({}, endpoints="none")
    for service in ("ecs", "ecr.api", "ecr.dkr", "logs", "states", "s3", "dynamodb"):
        assert f"privateSubnetIds = 'subnet-aaaaaaaa': must be a subnet that reaches {service}, " in error


def test_with_a_default_route_to_a_nat_gateway_it_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = [{"cidrBlock": "10.9.0.0/16", "gatewayId": "igw-1"}, {"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"}]
    lookups = {
        "getRouteTable": {name: {"routeTableId": "rtb-1", "routes": routes} for name in SUBNETS},
        "getNatGateways": {"ids": ["nat-1"]},
    }
    monkeypatch.setattr(recorder, "EXISTING", {**EXISTING, **lookups})
    deployed = deployment(**NETWORK, endpoints="none")
    assert deployed.of("VpcEndpoint") == []
    assert len(deployed.of("SecurityGroup")) == 5, "one for each workload"


@pytest.mark.parametrize(
    ("lookups", "config", "expected"),
    [
        ({"getVpcEndpoint": {"com.amazonaws.eu-central-1.logs": {"privateDnsEnabled": True}}}, {}, "without logs"),
        ({"getSubnet": {"subnet-aaaaaaaa": EXISTING["getSubnet"]["subnet-aaaaaaaa"]}}, {}, "there is no such subnet"),
        ({}, {"securityGroupIds": '["sg-22222222"]'}, "securityGroupIds = 'sg-22222222'"),
        ({}, {"securityGroupIds": '["sg-11111111"]'}, "must be groups of which one lets HTTPS out"),
        ({}, {"clusterName": "none"}, "clusterName = 'none': must be an active ECS cluster in eu-central-1"),
    ],
)
def test_what_is_looked_up_is_judged(
    refused: Callable[..., str], lookups: dict[str, Any], config: dict[str, str], expected: str
) -> None:
    endpoint = {"securityGroupIds": ["sg-33333333"], "routeTableIds": [], "tags": {}}
    lookups = {
        function: {key: {**endpoint, **each} for key, each in answers.items()} for function, answers in lookups.items()
    }
    assert expected in refused(lookups, **config)


def test_configured_groups_are_those_of_tasks_and_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {"securityGroupId": "sg-11111111", "isEgress": True, "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"}
    rules = {"getSecurityGroupRules": {"ids": ["sgr-1"]}, "getSecurityGroupRule": {"sgr-1": rule}}
    monkeypatch.setattr(recorder, "EXISTING", {**EXISTING, **rules})
    deployed = existing(securityGroupIds='["sg-11111111"]')
    group = deployed.the("SecurityGroup")
    assert {tuple(f.inputs["vpcConfig"]["securityGroupIds"]) for f in deployed.of("Function")} == {("sg-11111111",)}
    assert deployed.outputs["pattern1"]["securityGroupId"] == "sg-11111111"
    admitting = deployed.the("SecurityGroupIngressRule").inputs
    assert (admitting["securityGroupId"], admitting["referencedSecurityGroupId"]) == (f"{group.name}-id", "sg-11111111")
    assert group.name == f"{BASE}-endpoints"


def test_the_longest_settings_fit_into_the_environment_of_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    groups, subnets = [f"sg-{n:017}" for n in range(5)], [f"subnet-{n:017}" for n in range(6)]
    cluster, subnet = "c" * 255, EXISTING["getSubnet"]["subnet-aaaaaaaa"]
    rule = {"securityGroupId": groups[0], "isEgress": True, "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"}
    lookups = {
        "getSubnet": dict.fromkeys(subnets, subnet),
        "getSecurityGroup": {group: {"vpcId": VPC} for group in groups},
        "getSecurityGroupRules": {"ids": ["sgr-1"]},
        "getSecurityGroupRule": {"sgr-1": rule},
        "getCluster": {cluster: {"status": "ACTIVE"}},
    }
    monkeypatch.setattr(recorder, "EXISTING", {**EXISTING, **lookups})
    network = {"vpcId": VPC, "privateSubnetIds": json.dumps(subnets), "securityGroupIds": json.dumps(groups)}
    deployed = deployment(patterns="1", clusterName=cluster, **network, **LONGEST)
    document = deployed.the("Function", "monitor").inputs["environment"]["variables"]["KIT_SETTINGS"]
    assert len("KIT_SETTINGS") + len(document) <= 4096


@pytest.mark.parametrize("pattern", ["1", "2"])
def test_tasks_run_in_an_existing_cluster_and_nothing_else_is_allowed(pattern: str) -> None:
    deployed = existing(pattern, clusterName="own")
    assert deployed.of("Cluster") == deployed.of("ClusterCapacityProviders") == []
    assert deployed.outputs[f"pattern{pattern}"]["clusterName"] == "own"
    policies = [policy.inputs["policy"] for policy in deployed.of("RolePolicy")]
    assert any(TARGET.arn("ecs", "cluster/own") in policy for policy in policies)
    assert not any(f":cluster/{BASE[:-1]}" in policy or f":task/{BASE[:-1]}" in policy for policy in policies)


def test_every_role_has_the_permissions_boundary() -> None:
    deployed = deployment(permissionsBoundary=BOUNDARY)
    assert len(deployed.of("Role")) == 9
    assert {role.inputs["permissionsBoundary"] for role in deployed.of("Role")} == {BOUNDARY}


def test_a_key_encrypts_bucket_tables_logs_and_repository_and_each_role_may_use_it_as_it_must() -> None:
    deployed = deployment(kmsKeyArn=KEY)
    for bucket in deployed.of("BucketServerSideEncryptionConfiguration"):
        by_default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
        assert bucket.inputs["rules"] == [
            {"applyServerSideEncryptionByDefault": by_default, "bucketKeyEnabled": True},
        ]
    assert [table.inputs["serverSideEncryption"] for table in deployed.of("Table")] == 4 * [
        {"enabled": True, "kmsKeyArn": KEY}
    ]
    assert {group.inputs["kmsKeyId"] for group in deployed.of("LogGroup")} == {KEY}
    for repository in deployed.of("Repository"):
        assert repository.inputs["encryptionConfigurations"] == [{"encryptionType": "KMS", "kmsKey": KEY}]
    uses = {
        policy.name.removesuffix("-key"): {
            statement["Condition"]["StringEquals"]["kms:ViaService"].split(".")[0]: statement["Action"]
            for statement in policy.document("policy")["Statement"]
        }
        for policy in deployed.of("RolePolicy")
        if policy.name.endswith("-key")
    }
    rows, objects = {"dynamodb": ["kms:Decrypt"]}, {"s3": ["kms:Decrypt", "kms:GenerateDataKey"]}
    assert uses == {
        **{f"pattern-{number}-monitor": {**rows, **objects} for number in (1, 2)},
        **{f"pattern-{number}-task": {**rows, **objects} for number in (1, 2)},
        "pattern-1-launcher": {**rows, **objects},
        "pattern-2-state-machine": {**rows, "s3": ["kms:Decrypt"]},
    }


def test_task_egress_is_added_to_the_tasks_group_alone() -> None:
    deployed = deployment(patterns="1", taskEgress='["tcp:5432:10.0.0.0/8", "udp:8125-8126:10.1.2.3/32"]')
    ports = {
        group.name.removeprefix(f"{BASE}-"): [
            (rule["protocol"], rule["fromPort"], rule["toPort"], *rule["cidrBlocks"])
            for rule in group.inputs.get("egress", ())
            if "cidrBlocks" in rule
        ]
        for group in deployed.of("SecurityGroup")
    }
    assert ports.pop("tasks") == [("tcp", 5432, 5432, "10.0.0.0/8"), ("udp", 8125, 8126, "10.1.2.3/32")]
    assert ports == {"launcher": [], "monitor": [], "endpoints": []}


@pytest.mark.parametrize("endpoints", ["create", "none"])
def test_in_an_existing_vpc_https_goes_to_any_address(endpoints: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its endpoints may be others', with groups and subnets of their own."""
    routes = [{"cidrBlock": "0.0.0.0/0", "transitGatewayId": "tgw-1"}]
    tables = {name: {"routeTableId": "rtb-1", "routes": routes} for name in SUBNETS}
    monkeypatch.setattr(recorder, "EXISTING", {**EXISTING, "getRouteTable": tables})
    deployed = existing(endpoints=endpoints)
    assert deployed.of("DefaultSecurityGroup") == []
    for group in deployed.of("SecurityGroup"):
        if not group.name.endswith("-endpoints"):
            (rule,) = group.inputs["egress"]
            assert (rule["fromPort"], rule["cidrBlocks"]) == (443, ["0.0.0.0/0"])


def test_retained_data_outlive_the_stack_with_their_settings() -> None:
    holding = ("Table", "Repository", "LifecyclePolicy")
    for choice in ("delete", "retain"):
        deployed = deployment(patterns="1", retainData=choice)
        kept = {each.type.rsplit(":", 1)[1] for each in deployed.resources if each.retained}
        buckets = {each.type.rsplit(":", 1)[1] for each in deployed.resources if ":s3/" in each.type}
        assert kept == ({*holding, *buckets} if choice == "retain" else set())
        emptied = (deployed.the("Bucket").inputs["forceDestroy"], deployed.the("Repository").inputs["forceDelete"])
        assert emptied == (choice == "delete", choice == "delete")
