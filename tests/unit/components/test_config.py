"""Configuration is read once, checked as a whole, and refused with every reason."""

import json
import tomllib
from collections.abc import Iterator

import pulumi
import pytest
import yaml

from ecs_kit.components.config import NAMESPACE, KitConfig, declarations
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.job import JobArgs
from ecs_kit.components.program import KIT_VERSION
from ecs_kit.runtime.contract.fargate import FARGATE_MEMORY
from tests.unit.components.recorder import PROJECT

FILE = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())


def problems(**raw: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        KitConfig.parse(raw)
    return {problem.key: problem.allowed for problem in refused.value.problems}


def test_every_default_is_accepted_by_its_own_rule():
    raw = {key.name: key.default if isinstance(key.default, str) else json.dumps(key.default) for key in declarations()}
    assert KitConfig.parse(raw) == KitConfig.parse({}) == KitConfig()


def test_values_are_typed_by_their_key():
    config = KitConfig.parse(
        {
            "patterns": "2",
            "sourceBuckets": '["in-1", "in-2"]',
            "tags": '{"team": "data"}',
            "taskCpu": "1024",
            "taskMemory": "3072",
            "cpuArchitecture": "ARM64",
        }
    )
    assert (config.deployed_patterns, config.source_buckets, config.tags) == ((2,), ("in-1", "in-2"), {"team": "data"})
    assert (config.task_cpu, config.task_memory, config.docker_platform) == (1024, 3072, "linux/arm64")
    assert (KitConfig().deployed_patterns, KitConfig().docker_platform) == ((1, 2), "linux/amd64")


REFUSED = {
    "patterns": ["3", "", "ALL"],
    "nameSuffix": ["-a", "a-", "A", "a_b", "abcdefghijklm"],
    "targetPrefix": ["", "/a", "a/", "a//b", "..", "a/../b", "a b", "x" * 201],
    "sourceBuckets": [
        *("x", "{}", '["A"]', '["ab"]', '["a..b"]', '["one", "one"]', "[1]"),
        json.dumps([f"bucket-{n}" for n in range(21)]),
    ],
    "tableBilling": ["provisioned"],
    "availabilityZones": ['["us-east-1a"]', '["us-east-1a", "us-east-1a"]', '["us-east-1", "us-east-2"]', "us-east-1a"],
    "natGateways": ["1", "all"],
    "interfaceEndpoints": ["ecs", '["ecs", "ecs"]', '["com/amazonaws"]'],
    "vpcId": ["vpc", "vpc-1", "subnet-11111111"],
    "privateSubnetIds": ["subnet-11111111", '["vpc-11111111"]', json.dumps([f"subnet-{n}{n:07}" for n in range(7)])],
    "securityGroupIds": ['["default"]', '["sg-11111111", "sg-11111111"]'],
    "endpoints": ["all", ""],
    "taskEgress": [
        *map(json.dumps, (["tcp:443:0.0.0.0/0"], ["tcp:5432"], ["icmp:1:10.0.0.0/8"], ["tcp:1:10.0.0.1/8"])),
        *map(json.dumps, (["tcp:2-1:10.0.0.0/8"], ["tcp:65536:10.0.0.0/8"], ["tcp:1:10.0.0.0"], ["udp:1:::/0"])),
        json.dumps(["tcp:1:10.0.0.0/8", "tcp:1-1:10.0.0.0/8"]),
        json.dumps([f"tcp:{port}:10.0.0.0/8" for port in range(21)]),
    ],
    "clusterName": ["arn:aws:ecs:us-east-1:123456789012:cluster/own", "a b"],
    "permissionsBoundary": ["limits", "arn:aws:iam::123456789012:role/limits"],
    "kmsKeyArn": ["alias/own", "arn:aws:kms:us-east-1:123456789012:alias/own"],
    "retainData": ["true"],
    "containerInsights": ["true"],
    "taskCpu": ["100", "1 vCPU", "256.0"],
    "taskMemory": ["511", "122881", "much"],
    "taskEphemeralStorage": ["19", "201"],
    "taskRootFileSystem": ["yes"],
    "spotShare": ["-1", "101"],
    "cpuArchitecture": ["arm64"],
    "baseImage": ["", "Python", "python:3.13@sha256:12"],
    "stopTimeoutSeconds": ["1", "121"],
    "taskAttempts": ["0", "11"],
    "taskTimeoutSeconds": ["29", "86401"],
    "runTimeoutSeconds": ["59", "129601"],
    "toleratedFailurePercentage": ["-1", "101"],
    "maxConcurrency": ["-1", "5001"],
    "runTaskRate": ["0", "201"],
    "recordRetentionDays": ["-1", "3651"],
    "logRetentionDays": ["0", "2"],
    "tags": [
        *("[]", '{"a": 1}', '{"aws:a": "b"}', '{"Kit:stack": "b"}', '{"": "b"}', '{"a;": "b"}'),
        *map(json.dumps, ({"a": "b" * 257}, {"a" * 129: "b"}, {f"a{n}": "b" for n in range(41)})),
    ],
}


@pytest.mark.parametrize("key", REFUSED)
def test_a_value_out_of_range_is_refused_with_its_key_and_what_is_allowed(key):
    for value in REFUSED[key]:
        found = problems(**{key: value})
        assert list(found) == [key] and found[key], value


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"task_memory": 1024.0}, "taskMemory"),
        ({"max_concurrency": True}, "maxConcurrency"),
        ({"name_suffix": 5}, "nameSuffix"),
        ({"tags": {"a": 1}}, "tags"),
        ({"source_buckets": (1,)}, "sourceBuckets"),
        ({"job": JobArgs(environment={"JOB_A": 5})}, "jobEnvironment"),
        ({"job": JobArgs(environment=["a"])}, "jobEnvironment"),
        ({"job": JobArgs(environment={1: "a"})}, "jobEnvironment"),
        ({"job": JobArgs(secrets=5)}, "jobSecrets"),
        ({"job": JobArgs(command=["sleep", 1.5])}, "jobCommand"),
        ({"job": JobArgs(command="sleep")}, "jobCommand"),
        ({"job": JobArgs(entry_point=None)}, "jobEntryPoint"),
        ({"job": JobArgs(context=5)}, "jobContext"),
        ({"job": JobArgs(policy="x")}, "jobPolicy"),
        ({"job": JobArgs(policy=[])}, "jobPolicy"),
        ({"job": JobArgs(success_exit_codes="07", records="ecs")}, "jobSuccessExitCodes"),
        ({"kms_key_arn": None}, "kmsKeyArn"),
        ({"availability_zones": None}, "availabilityZones"),
        ({"job": None}, "job"),
    ],
)
def test_a_value_of_another_type_that_a_program_gives_is_refused(given, key):
    with pytest.raises(ConfigError) as refused:
        KitConfig(**given).check("eu-central-1")
    assert key in {problem.key for problem in refused.value.problems}


def test_whole_numbers_are_texts_in_lists_and_a_policy_may_be_json_text():
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    numbers = {"command": ["sleep", 5], "success_exit_codes": (0, 7), "retry_exit_codes": [75]}
    given = KitConfig(job=JobArgs(records="ecs", mirror="a/b:1", policy=json.dumps(policy), **numbers))
    given.check("eu-central-1")
    assert (given.job.command, given.job.policy) == (("sleep", "5"), policy)
    read = KitConfig.parse({"jobRecords": "ecs", "jobMirror": "a/b:1", "jobSuccessExitCodes": "[0, 7]"}).job
    assert read.success_exit_codes == given.job.success_exit_codes == ("0", "7")
    with pytest.raises(ConfigError, match=r"\[1\] is true, which is no text"):
        KitConfig.parse({"jobCommand": '["echo", true]'})


def test_every_problem_is_reported_at_once():
    with pytest.raises(ValueError) as refused:
        KitConfig.parse({"patterns": "3", "taskCpu": "1", "taskMemory": "513", "tags": "x", "zzz": "a"})
    message = str(refused.value)
    for part in ("patterns = '3': must be one of all, 1, 2", "taskCpu = '1'", "tags = 'x'", "zzz = 'a'"):
        assert part in message
    assert "taskMemory = " not in message, "not judged together with a value that is wrong by itself"


def test_an_unknown_key_is_refused_with_the_nearest_one_and_all_others():
    found = problems(nameSufix="a")["nameSufix"]
    assert "did you mean nameSuffix?" in found and "maxConcurrency" in found


def sizes() -> Iterator[tuple[int, int, bool]]:
    for cpu, offered in FARGATE_MEMORY.items():
        yield cpu, offered[0], True
        yield cpu, offered[-1], True
        yield cpu, offered[0] + 1, False


@pytest.mark.parametrize(("cpu", "memory", "is_offered"), [*sizes(), (256, 4096, False), (512, 512, False)])
def test_memory_is_one_that_fargate_offers_for_the_cpu(cpu, memory, is_offered):
    raw = {"taskCpu": str(cpu), "taskMemory": str(memory)}
    if is_offered:
        assert KitConfig.parse(raw).task_memory == memory
    else:
        assert ", ".join(map(str, FARGATE_MEMORY[cpu])) in problems(**raw)["taskMemory"]


def test_a_run_may_not_end_before_its_tasks_may():
    assert "at least taskTimeoutSeconds, which is 3600" in problems(runTimeoutSeconds="3599")["runTimeoutSeconds"]
    assert KitConfig.parse({"runTimeoutSeconds": "3600"}).run_timeout_seconds == 3600


def test_only_ecs_agent_may_be_dropped_from_the_endpoints_unless_there_is_a_nat_gateway():
    required = ["ecs", "ecr.api", "ecr.dkr", "logs", "states"]
    assert KitConfig.parse({"interfaceEndpoints": json.dumps(required)}).interface_endpoints == tuple(required)
    assert "with states too" in problems(interfaceEndpoints=json.dumps(required[:-1]))["interfaceEndpoints"]
    assert KitConfig.parse({"interfaceEndpoints": "[]", "natGateways": "single"}).interface_endpoints == ()
    assert "without s3" in problems(interfaceEndpoints=json.dumps([*required, "s3"]))["interfaceEndpoints"]


VPC = {"vpcId": "vpc-11111111", "privateSubnetIds": '["subnet-11111111"]', "endpoints": "none"}


@pytest.mark.parametrize(
    ("raw", "key", "allowed"),
    [
        ({"privateSubnetIds": '["subnet-11111111"]'}, "privateSubnetIds", "left out, or vpcId must name"),
        ({"securityGroupIds": '["sg-11111111"]'}, "securityGroupIds", "left out, or vpcId must name"),
        ({"endpoints": "none"}, "endpoints", "create, or vpcId must name a VPC"),
        ({"vpcId": "vpc-11111111", "endpoints": "none"}, "privateSubnetIds", "a list of one to 6 subnets"),
        ({**VPC, "availabilityZones": '["us-east-1a", "us-east-1b"]'}, "availabilityZones", "when vpcId is set"),
        ({**VPC, "natGateways": "single"}, "natGateways", "none when vpcId is set"),
        ({**VPC, "interfaceEndpoints": "[]"}, "interfaceEndpoints", "left out when endpoints is none"),
        ({**VPC, "endpoints": "create"}, "endpoints", "none when vpcId is set and patterns is all"),
        (
            {**VPC, "securityGroupIds": '["sg-11111111"]', "taskEgress": '["tcp:1:10.0.0.0/8"]'},
            "taskEgress",
            "left out when securityGroupIds is set",
        ),
        (
            {"clusterName": "own", "containerInsights": "enabled"},
            "containerInsights",
            "disabled when clusterName is set",
        ),
    ],
)
def test_keys_of_an_existing_network_that_do_not_fit_together_are_refused(raw, key, allowed):
    assert allowed in problems(**raw)[key]
    assert len(problems(**raw)) == 1


def test_an_existing_network_is_configured_by_its_ids():
    config = KitConfig.parse(VPC)
    assert (config.has_own_vpc, config.vpc_id, config.private_subnet_ids) == (
        False,
        "vpc-11111111",
        ("subnet-11111111",),
    )
    KitConfig.parse({**VPC, "endpoints": "create", "patterns": "2", "interfaceEndpoints": '["logs"]'})
    KitConfig(vpc_id="vpc-11111111", private_subnet_ids=("subnet-11111111",)).check("us-east-1")


def test_a_key_is_one_of_the_stacks_region():
    config = KitConfig(kms_key_arn="arn:aws:kms:us-east-1:123456789012:key/1-2")
    config.check("us-east-1")
    with pytest.raises(ConfigError, match=r"kmsKeyArn = .*: must be the ARN of a key in eu-central-1"):
        config.check("eu-central-1")


def test_the_stack_configuration_is_read_from_the_projects_namespace():
    pulumi.runtime.set_all_config({f"{NAMESPACE}:patterns": "1", "aws:region": "eu-west-1", "other:patterns": "9"})
    assert KitConfig.read() == KitConfig(patterns="1")
    pulumi.runtime.set_all_config({f"{NAMESPACE}:patern": "1"})
    with pytest.raises(ConfigError, match=r"did you mean patterns\?"):
        KitConfig.read()


def test_the_project_file_has_the_namespace_and_the_version_of_the_code():
    assert (FILE["name"], FILE["runtime"]["name"]) == (NAMESPACE, "python")
    assert FILE["config"]["sourceBuckets"].items() >= {"type": "array", "items": {"type": "string"}}.items()
    assert tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"] == KIT_VERSION


def test_the_local_aws_takes_the_same_versions_as_the_kit() -> None:
    kit, local = (
        set(tomllib.loads((PROJECT / file).read_text())["project"]["dependencies"])
        for file in ("pyproject.toml", "local_aws/pyproject.toml")
    )
    assert {each.split(">")[0] for each in local - kit} == {"docker", "ministack==1.5.33"}
