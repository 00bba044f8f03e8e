"""Configuration is read once, checked as a whole, and refused with every reason."""

from __future__ import annotations

import json

import pulumi
import pytest

from ecs_kit.components.config import NAMESPACE, KitConfig, declarations
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.program import check_config


def problems(**raw: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        KitConfig.parse(raw)
    return {problem.key: problem.allowed for problem in refused.value.problems}


def test_nothing_given_means_the_defaults():
    config = KitConfig.parse({})
    assert config == KitConfig()
    assert (config.deployed_patterns, config.task_cpu, config.task_memory) == ((1, 2), 256, 512)


def test_every_key_has_a_description_and_a_default_that_its_own_rule_accepts():
    raw = {key.name: key.default if isinstance(key.default, str) else json.dumps(key.default) for key in declarations()}
    assert KitConfig.parse(raw) == KitConfig()
    assert all(len(key.description) > 20 for key in declarations())


def test_values_are_typed_by_their_key():
    config = KitConfig.parse(
        {
            "patterns": "2",
            "nameSuffix": "blue-2",
            "sourceBuckets": '["in-1", "in-2"]',
            "tags": '{"team": "data"}',
            "taskCpu": "1024",
            "taskMemory": "3072",
            "cpuArchitecture": "ARM64",
        }
    )
    assert config.deployed_patterns == (2,)
    assert config.source_buckets == ("in-1", "in-2")
    assert config.tags == {"team": "data"}
    assert (config.task_cpu, config.task_memory, config.docker_platform) == (1024, 3072, "linux/arm64")


@pytest.mark.parametrize(
    ("key", "values"),
    {
        "patterns": ["3", "", "ALL"],
        "nameSuffix": ["-a", "a-", "A", "a_b", "abcdefghijklm"],
        "targetPrefix": ["", "/a", "a/", "a//b", "..", "a/../b", "a b", "x" * 201],
        "sourceBuckets": [
            "x",
            "{}",
            '["A"]',
            '["ab"]',
            '["a..b"]',
            '["one", "one"]',
            "[1]",
            json.dumps([f"bucket-{n}" for n in range(21)]),
        ],
        "tableBilling": ["provisioned"],
        "availabilityZones": [
            '["us-east-1a"]',
            '["us-east-1a", "us-east-1a"]',
            '["us-east-1", "us-east-2"]',
            "us-east-1a",
        ],
        "natGateways": ["1", "all"],
        "interfaceEndpoints": ["ecs", '["ecs", "ecs"]', '["com/amazonaws"]'],
        "containerInsights": ["true"],
        "taskCpu": ["100", "1 vCPU", "256.0"],
        "taskMemory": ["511", "122881", "much"],
        "cpuArchitecture": ["arm64"],
        "baseImage": ["", "Python", "python:3.13@sha256:12"],
        "stopTimeoutSeconds": ["1", "121"],
        "taskAttempts": ["0", "11"],
        "taskTimeoutSeconds": ["29", "86401"],
        "runTimeoutSeconds": ["59", "129601"],
        "toleratedFailurePercentage": ["-1", "101"],
        "maxConcurrency": ["-1", "5001"],
        "recordRetentionDays": ["-1", "3651"],
        "logRetentionDays": ["0", "2"],
        "tags": [
            "[]",
            '{"a": 1}',
            '{"aws:a": "b"}',
            '{"kit:stack": "b"}',
            '{"": "b"}',
            '{"a;": "b"}',
            json.dumps({"a": "b" * 257}),
        ],
    }.items(),
)
def test_a_value_out_of_range_is_refused_with_its_key_and_what_is_allowed(key, values):
    for value in values:
        found = problems(**{key: value})
        assert list(found) == [key], value
        assert found[key]


def test_every_problem_is_reported_at_once():
    with pytest.raises(ConfigError) as refused:
        KitConfig.parse({"patterns": "3", "taskCpu": "1", "tags": "x", "nameSufix": "a"})
    message = str(refused.value)
    for part in ("patterns = '3': must be one of all, 1, 2", "taskCpu = '1'", "tags = 'x'", "nameSufix = 'a'"):
        assert part in message


def test_a_misspelt_key_is_refused_with_the_one_that_was_meant():
    assert "did you mean nameSuffix?" in problems(nameSufix="a")["nameSufix"]


def test_an_unknown_key_is_refused_with_the_known_ones():
    assert "maxConcurrency" in problems(zzz="1")["zzz"]


@pytest.mark.parametrize(
    ("cpu", "memory", "offered"),
    [("256", "4096", "512, 1024, 2048"), ("512", "512", "1024, 2048, 3072, 4096"), ("1024", "2560", "2048, 3072")],
)
def test_memory_that_fargate_does_not_offer_for_the_cpu_is_refused_with_what_it_offers(cpu, memory, offered):
    assert offered in problems(taskCpu=cpu, taskMemory=memory)["taskMemory"]


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        ("256", "2048"),
        ("512", "4096"),
        ("1024", "8192"),
        ("2048", "16384"),
        ("4096", "30720"),
        ("8192", "61440"),
        ("16384", "122880"),
    ],
)
def test_the_largest_memory_of_each_fargate_size_is_accepted(cpu, memory):
    assert KitConfig.parse({"taskCpu": cpu, "taskMemory": memory}).task_memory == int(memory)


def test_a_run_may_not_end_before_its_tasks_may():
    assert "at least taskTimeoutSeconds, which is 3600" in problems(runTimeoutSeconds="3599")["runTimeoutSeconds"]
    assert KitConfig.parse({"runTimeoutSeconds": "3600"}).run_timeout_seconds == 3600


def test_only_ecs_agent_may_be_dropped_from_the_endpoints():
    without = '["ecs", "ecr.api", "ecr.dkr", "logs", "states"]'
    assert "ecs-agent" not in KitConfig.parse({"interfaceEndpoints": without}).interface_endpoints
    assert (
        "a list with states too"
        in problems(interfaceEndpoints='["ecs", "ecr.api", "ecr.dkr", "logs"]')["interfaceEndpoints"]
    )


def test_with_nat_gateways_no_endpoint_is_required():
    assert KitConfig.parse({"interfaceEndpoints": "[]", "natGateways": "single"}).interface_endpoints == ()


def test_an_interface_endpoint_beside_a_gateway_endpoint_is_refused():
    raw = '["ecs", "ecr.api", "ecr.dkr", "logs", "states", "s3"]'
    assert "without s3" in problems(interfaceEndpoints=raw)["interfaceEndpoints"]


def test_a_joint_check_does_not_judge_a_value_that_is_wrong_by_itself():
    assert list(problems(taskCpu="3", taskMemory="4096")) == ["taskCpu"]


def test_the_driver_checks_with_the_same_rules():
    assert check_config({"patterns": "1"}).deployed_patterns == (1,)
    with pytest.raises(ValueError, match="patterns"):
        check_config({"patterns": "9"})


def test_the_stack_configuration_is_read_from_the_projects_namespace():
    pulumi.runtime.set_all_config({f"{NAMESPACE}:patterns": "1", "aws:region": "eu-west-1", "other:patterns": "9"})
    assert KitConfig.read() == KitConfig(patterns="1")


def test_a_misspelt_key_of_the_stack_is_noticed():
    pulumi.runtime.set_all_config({f"{NAMESPACE}:patern": "1"})
    with pytest.raises(ConfigError, match=r"did you mean patterns\?"):
        KitConfig.read()
