"""The user's own job: which arguments are refused, and what the others change in a deployed pattern."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from ecs_kit.components import build_folder
from ecs_kit.components.config import KitConfig
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.job import JobArgs, ecr_repository, policy_problems, secret_arn
from ecs_kit.components.patterns import PatternArgs, TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions
from ecs_kit.components.task_image import image_tag, stage_job_context
from tests.unit.components.recorder import PROJECT, TARGET, Deployment, deployment, run

EXAMPLE = PROJECT / "examples" / "word-count"
SECRET = f"arn:aws:secretsmanager:{TARGET.region}:{TARGET.account}:secret:word-list-AbCdEf"
PARAMETER = f"arn:aws:ssm:{TARGET.region}:{TARGET.account}:parameter/word/top"
ECR_IMAGE = f"{TARGET.account}.dkr.ecr.{TARGET.region}.amazonaws.com/team/words"
DIGEST = "@sha256:" + "1" * 64
SECRETS = {"jobSecrets": json.dumps({"WORDS": f"{SECRET}:list::", "TOP": PARAMETER, "ALL": SECRET})}
POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:eu-central-1:1:words"}],
}


def problems(**raw: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        KitConfig.parse(raw)
    return {problem.key: f"{problem.value} | {problem.allowed}" for problem in refused.value.problems}


def container(deployed: Deployment) -> dict[str, Any]:
    (definition,) = deployed.the("TaskDefinition").document("containerDefinitions")
    return definition


def statements(deployed: Deployment, role: str) -> dict[str, Any]:
    return {s["Sid"]: s for s in deployed.the("RolePolicy", role).document("policy")["Statement"]}


def with_job(job: JobArgs, pattern: type[pulumi.ComponentResource] = TaskSubmissionFromLambda, **config: Any) -> Any:
    args = PatternArgs(config=KitConfig(**config), target=TARGET, stack="test", job=job)
    return run(lambda: pattern("mine", args).outputs and None)


class TestRefused:
    @pytest.mark.parametrize("name", ["KIT_JOB", "kit_x", "AWS_REGION", "ECS_ANYTHING"])
    @pytest.mark.parametrize("key", ["jobEnvironment", "jobSecrets"])
    def test_reserved_names(self, key: str, name: str) -> None:
        found = problems(**{key: json.dumps({name: SECRET})})
        assert list(found) == [key]
        assert name in found[key] and "reserved" in found[key]

    @pytest.mark.parametrize(
        ("key", "value", "says"),
        [
            ("jobEnvironment", '{"1A": "x"}', "not starting with a digit"),
            ("jobEnvironment", '{"A-B": "x"}', "letters, digits and _"),
            ("jobEnvironment", '{"A": 1}', "strings"),
            ("jobEnvironment", '{"A": 1}', "; A is 1, which is no text: `pulumi config set --type string`"),
            ("jobEnvironment", json.dumps({"A": "x" * 20_000}), "at most 16384 characters"),
            ("jobEnvironment", json.dumps({f"A{n}": "" for n in range(101)}), "at most 100 variables"),
            ("jobSecrets", '{"TOKEN": "word-list"}', "ARNs of Secrets Manager secrets or SSM parameters"),
            ("jobSecrets", json.dumps({"TOKEN": "arn:aws:s3:::bucket"}), "ARNs of Secrets Manager"),
            ("jobSecrets", json.dumps({"TOKEN": f"{SECRET}:key"}), "ARNs of Secrets Manager"),
            ("jobFunction", "word_count.run", "module:function"),
            ("jobFunction", "word count:run", "module:function"),
            ("jobCommand", '["a", ""]', "none of them empty"),
            ("jobEntryPoint", '"python"', "a list"),
            ("jobContext", "examples/nowhere", "there is no file"),
            ("jobContext", "components", "there is no file"),
            ("jobDockerfile", "../Dockerfile", "a path within jobContext"),
            ("jobImage", "Words:1", "an image reference"),
            ("jobImage", "python:3.13", "an image in a private repository of Amazon ECR, or natGateways"),
            ("jobPolicy", "{", "an IAM identity policy"),
            ("jobPolicy", "[]", "an IAM identity policy"),
            ("taskEphemeralStorage", "201", "from 20 to 200"),
            ("taskEphemeralStorage", "19", "from 20 to 200"),
            ("taskRootFileSystem", "yes", "read-only, writable"),
            ("spotShare", "101", "from 0 to 100"),
            ("spotShare", "-1", "from 0 to 100"),
        ],
    )
    def test_values_that_cannot_be_used(self, key: str, value: str, says: str) -> None:
        found = problems(**{key: value})
        assert list(found) == [key]
        assert says in found[key]

    def test_a_variable_and_a_secret_of_one_name(self) -> None:
        found = problems(jobEnvironment='{"TOKEN": "x"}', jobSecrets=json.dumps({"TOKEN": SECRET}))
        assert "TOKEN" in found["jobSecrets"]

    def test_a_ready_image_beside_a_context(self) -> None:
        assert list(problems(jobImage=f"{ECR_IMAGE}:1", jobContext="examples/word-count/image")) == ["jobImage"]

    def test_a_context_with_a_folder_where_the_kit_puts_its_library(self, tmp_path: Path) -> None:
        (tmp_path / "ecs_kit").mkdir()
        (tmp_path / "Dockerfile").write_text("FROM base")
        assert "a folder without ecs_kit/" in problems(jobContext=str(tmp_path))["jobContext"]

    @pytest.mark.parametrize(
        "make", [lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to(".."), os.mkfifo]
    )
    def test_a_context_with_what_cannot_be_packed(self, tmp_path: Path, make: Callable[[Path], None]) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "Dockerfile").write_text("FROM base")
        (tmp_path / "deep" / "link").symlink_to(tmp_path / "Dockerfile")
        make(tmp_path / "deep" / ".hidden")
        KitConfig.parse({"jobContext": str(tmp_path)})
        make(tmp_path / "deep" / "odd")
        assert "deep/odd is something else" in problems(jobContext=str(tmp_path))["jobContext"]

    def test_arguments_by_the_same_rules(self) -> None:
        job = JobArgs(environment={"AWS_REGION": "x"}, secrets={"TOKEN": "x"}, function="x")
        with pytest.raises(ConfigError) as refused:
            PatternArgs(config=KitConfig(), target=TARGET, stack="test", job=job)
        assert {problem.key for problem in refused.value.problems} == {"job.environment", "job.secrets", "job.function"}

    def test_what_is_in_another_region_unless_a_nat_gateway_leads_there(self) -> None:
        job = JobArgs(
            image=f"{TARGET.account}.dkr.ecr.us-west-2.amazonaws.com/words:1",
            secrets={"TOKEN": PARAMETER.replace(TARGET.region, "us-west-2")},
        )
        with pytest.raises(ConfigError) as refused:
            PatternArgs(config=KitConfig(), target=TARGET, stack="test", job=job)
        assert [problem.key for problem in refused.value.problems] == ["job.image", "job.secrets"]
        assert "in eu-central-1, or natGateways" in str(refused.value)
        PatternArgs(config=KitConfig(nat_gateways="single"), target=TARGET, stack="test", job=job)

    def test_a_configuration_made_in_code_that_its_rules_do_not_allow(self) -> None:
        with pytest.raises(ConfigError, match=r"(?s)taskCpu.*spotShare"):
            PatternArgs(config=KitConfig(task_cpu=3, spot_share=101), target=TARGET, stack="test")
        with pytest.raises(ConfigError, match="taskMemory"):
            PatternArgs(config=KitConfig(task_cpu=256, task_memory=4096), target=TARGET, stack="test")

    def test_a_secret_that_turns_out_to_be_none_once_it_is_known(self) -> None:
        with pytest.raises(ValueError, match=r"job\.secrets = 'TOKEN: no-arn'"):
            with_job(JobArgs(secrets={"TOKEN": pulumi.Output.from_input("no-arn")}))

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"Version": "2008-10-17"}, "Version"),
            ({"Version": None}, "Version"),
            ({"Rules": []}, "Rules is no key of a policy"),
            ({"Statement": []}, "Statement must be a list"),
            ({"Statement": ["x"]}, "Statement[0] must be an object"),
            ({"Statement": [{**POLICY["Statement"][0], "Principal": "*"}]}, "Principal is no key"),
            ({"Statement": [{**POLICY["Statement"][0], "Effect": "allow"}]}, "Effect must be Allow or Deny"),
            ({"Statement": [{**POLICY["Statement"][0], "Sid": "a b"}]}, "Sid"),
            ({"Statement": [{**POLICY["Statement"][0], "Action": "SendMessage"}]}, "Action cannot be 'SendMessage'"),
            ({"Statement": [{**POLICY["Statement"][0], "Action": []}]}, "Action must be a string or a list"),
            ({"Statement": [{**POLICY["Statement"][0], "NotAction": "s3:*"}]}, "exactly one of Action and NotAction"),
            ({"Statement": [{"Effect": "Allow", "Action": "s3:*"}]}, "exactly one of Resource and NotResource"),
            ({"Statement": [{**POLICY["Statement"][0], "Resource": "words"}]}, "Resource cannot be 'words'"),
            ({"Statement": [{**POLICY["Statement"][0], "Condition": "x"}]}, "Condition must be an object"),
            (
                {"Statement": [{**POLICY["Statement"][0], "Action": [f"s3:Get{n}" for n in range(1000)]}]},
                "8000 is the most",
            ),
        ],
    )
    def test_a_document_that_is_no_identity_policy(self, change: dict[str, Any], says: str) -> None:
        assert any(says in reason for reason in policy_problems({**POLICY, **change}))
        assert says in problems(jobPolicy=json.dumps({**POLICY, **change}))["jobPolicy"]


def test_a_policy_of_one_statement_that_stands_alone_is_a_policy() -> None:
    assert policy_problems({**POLICY, "Statement": POLICY["Statement"][0]}) == []


class TestOff:
    def test_nothing_of_it_is_in_the_default_stack(self) -> None:
        deployed = deployment(patterns="1")
        assert not container(deployed).keys() & {"entryPoint", "command", "secrets"}
        assert "KIT_JOB" not in {pair["name"] for pair in container(deployed)["environment"]}
        assert deployed.the("TaskDefinition").inputs.get("ephemeralStorage") is None
        assert set(statements(deployed, "-execution")) == {"SignInToRegistry", "PullImage", "WriteLog"}


LIBRARY = ("task/job.py", "common/log.py", "contract/errors.py", "launcher/handler.py")


class TestContext:
    def test_holds_the_jobs_own_files_and_the_kits_library_beside_them(self, tmp_path: Path) -> None:
        context = tmp_path / "context"
        (context / "deep").mkdir(parents=True)
        for name in ("Dockerfile", "deep/job.py", ".dockerignore", ".env"):
            (context / name).write_text(name)
        (context / "start.sh").write_text("#!/bin/sh")
        (context / "start.sh").chmod(0o700)
        for name in ("__init__.py", "runtime/__init__.py", *(f"runtime/{each}" for each in LIBRARY)):
            file = tmp_path / "ecs_kit" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)

        staged = stage_job_context(context, "Dockerfile", tmp_path)

        files = build_folder.read_folder(tmp_path / staged.path)
        assert {path: oct(mode) for path, (mode, _) in files.items()} == {
            "Dockerfile": "0o644",
            "deep/job.py": "0o644",
            ".dockerignore": "0o644",
            "start.sh": "0o755",
            "ecs_kit/__init__.py": "0o644",
            "ecs_kit/runtime/__init__.py": "0o644",
            "ecs_kit/runtime/task/job.py": "0o644",
            "ecs_kit/runtime/common/log.py": "0o644",
            "ecs_kit/runtime/contract/errors.py": "0o644",
        }
        assert staged.dockerfile == staged.path / "Dockerfile"

    def test_is_what_the_image_is_built_and_tagged_by(self) -> None:
        image = deployment(patterns="1", jobContext="examples/word-count/image").the("Image").inputs
        context = stage_job_context(EXAMPLE / "image", "Dockerfile")
        assert image["build"]["context"] == context.path.as_posix()
        assert image["build"]["dockerfile"] == f"{context.path.as_posix()}/Dockerfile"
        tag = image_tag(context, build_args=image["build"]["args"], platform="linux/amd64", dockerfile="Dockerfile")
        assert image["imageName"].endswith(f":{tag}")
        assert "word_count.py" in {path.name for path in (PROJECT / context.path).iterdir()}


@pytest.mark.parametrize("suffix", [":1.2", DIGEST, f":1.2{DIGEST}"])
def test_a_ready_image_is_pulled_and_nothing_is_built(suffix: str) -> None:
    deployed = deployment(patterns="2", jobImage=ECR_IMAGE + suffix)
    assert not deployed.of("Image") and not deployed.of("Repository") and not deployed.of("LifecyclePolicy")
    assert container(deployed)["image"] == ECR_IMAGE + suffix
    assert statements(deployed, "-execution")["PullImage"]["Resource"] == [
        f"arn:aws:ecr:{TARGET.region}:{TARGET.account}:repository/team/words"
    ]
    outputs = deployed.outputs["pattern2"]
    assert outputs["imageUri"] == ECR_IMAGE + suffix and "repositoryUrl" not in outputs


def test_an_image_outside_of_ecr_needs_no_permission_but_a_nat_gateway() -> None:
    deployed = deployment(patterns="2", jobImage="python:3.13-slim", natGateways="single")
    assert set(statements(deployed, "-execution")) == {"WriteLog"}


def test_command_entry_point_and_function_are_the_containers() -> None:
    deployed = deployment(
        patterns="1",
        jobFunction="word_count:run",
        jobEntryPoint='["python3", "-m", "ecs_kit.runtime.task"]',
        jobCommand='["--fast"]',
    )
    definition = container(deployed)
    assert definition["entryPoint"] == ["python3", "-m", "ecs_kit.runtime.task"]
    assert definition["command"] == ["--fast"]
    assert {"name": "KIT_JOB", "value": "word_count:run"} in definition["environment"]


def test_the_environment_is_the_containers_beside_the_kits_own() -> None:
    environment = {
        pair["name"]: pair["value"]
        for pair in container(deployment(patterns="1", jobEnvironment='{"JOB_TOP": "5", "TZ": "UTC"}'))["environment"]
    }
    assert environment["JOB_TOP"] == "5" and environment["TZ"] == "UTC"
    assert environment["KIT_DETAILS_TABLE"] == "workflow_details_pattern_1"


class TestSecrets:
    def test_are_handed_over_by_ecs(self) -> None:
        assert container(deployment(patterns="1", **SECRETS))["secrets"] == [
            {"name": "ALL", "valueFrom": SECRET},
            {"name": "TOP", "valueFrom": PARAMETER},
            {"name": "WORDS", "valueFrom": f"{SECRET}:list::"},
        ]

    def test_may_be_read_by_the_execution_role_and_no_others(self) -> None:
        found = statements(deployment(patterns="1", **SECRETS), "-execution")
        assert (found["ReadSecrets"]["Action"], found["ReadSecrets"]["Resource"]) == (
            ["secretsmanager:GetSecretValue"],
            [SECRET],
        )
        assert (found["ReadParameters"]["Action"], found["ReadParameters"]["Resource"]) == (
            ["ssm:GetParameters"],
            [PARAMETER],
        )

    def test_bring_their_endpoints_where_there_is_no_nat_gateway(self) -> None:
        def services(**config: str) -> set[str]:
            endpoints = deployment(patterns="1", **config).of("VpcEndpoint")
            return {endpoint.inputs["serviceName"].rsplit(".", 1)[1] for endpoint in endpoints}

        assert services(**SECRETS) - services() == {"secretsmanager", "ssm"}
        only = {"jobSecrets": json.dumps({"TOP": PARAMETER})}
        assert services(**only) - services() == {"ssm"}
        assert services(**SECRETS, natGateways="single") == services()

    def test_bring_no_endpoint_twice(self) -> None:
        endpoints = json.dumps(["ssm", "ecs", "ecr.api", "ecr.dkr", "logs", "states"])
        deployed = deployment(patterns="1", jobSecrets=json.dumps({"TOP": PARAMETER}), interfaceEndpoints=endpoints)
        assert len([e for e in deployed.of("VpcEndpoint") if e.inputs["serviceName"].endswith(".ssm")]) == 1

    @pytest.mark.parametrize(
        ("reference", "arn"),
        [
            (SECRET, SECRET),
            (f"{SECRET}:key:AWSCURRENT:", SECRET),
            (f"{SECRET}:::", SECRET),
            (PARAMETER, PARAMETER),
            (f"{SECRET}:key", None),
            ("/word/top", None),
            ("arn:aws:ssm:eu-central-1:123456789012:document/x", None),
        ],
    )
    def test_are_named_in_policies_without_key_and_version(self, reference: str, arn: str | None) -> None:
        assert secret_arn(reference) == arn


@pytest.mark.parametrize(
    ("image", "arn"),
    [
        (f"{ECR_IMAGE}:1", f"arn:aws:ecr:{TARGET.region}:{TARGET.account}:repository/team/words"),
        (
            f"210987654321.dkr.ecr.us-west-2.amazonaws.com/x{DIGEST}",
            "arn:aws:ecr:us-west-2:210987654321:repository/x",
        ),
        ("public.ecr.aws/docker/library/python:3", None),
        ("python", None),
    ],
)
def test_the_repository_of_an_image_is_the_one_its_name_says(image: str, arn: str | None) -> None:
    assert ecr_repository(image, "aws") == arn


def test_further_permissions_are_a_policy_of_their_own_that_is_there_before_the_task_definition() -> None:
    deployed = deployment(patterns="1", jobPolicy=json.dumps(POLICY))
    own = deployed.the("RolePolicy", "-task-job")
    assert own.document("policy") == POLICY
    assert own.inputs["role"] == "amazon-ecs-starter-kit-pattern-1-task"
    assert own.inputs["name"] == "amazon-ecs-starter-kit-pattern-1-task-job"
    assert own.urn in deployed.the("TaskDefinition").dependencies
    assert deployed.the("RolePolicy", "-task").document("policy") == deployment(patterns="1").the(
        "RolePolicy", "-task"
    ).document("policy")


def test_storage_and_file_system_follow_the_configuration() -> None:
    deployed = deployment(patterns="1", taskEphemeralStorage="100", taskRootFileSystem="writable")
    assert deployed.the("TaskDefinition").inputs["ephemeralStorage"] == {"sizeInGib": 100}
    assert container(deployed)["readonlyRootFilesystem"] is False


class TestSpot:
    @pytest.mark.parametrize("share", ["0", "50"])
    def test_the_cluster_has_both_capacity_providers_whatever_the_share_for_runs_that_keep_theirs(
        self, share: str
    ) -> None:
        providers = deployment(patterns="1", spotShare=share).the("ClusterCapacityProviders").inputs
        assert providers["clusterName"] == "amazon-ecs-starter-kit-pattern-1"
        assert providers["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]

    def test_the_launcher_is_told_the_share(self) -> None:
        function = deployment(patterns="1", spotShare="50").the("Function", "launcher")
        assert json.loads(function.inputs["environment"]["variables"]["KIT_SETTINGS"])["spot_share"] == 50

    def test_the_state_machine_asks_for_a_provider_and_no_launch_type(self) -> None:
        text = deployment(patterns="2", spotShare="50").the("StateMachine").inputs["definition"]
        assert "FARGATE_SPOT" in text and "LaunchType" not in text


class TestAsALibrary:
    """A program of the user's own makes a pattern with arguments that other resources of it give."""

    @pytest.mark.parametrize("pattern", [TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions])
    def test_arguments_may_be_outputs(self, pattern: type[pulumi.ComponentResource]) -> None:
        deployed = with_job(
            JobArgs(
                image=pulumi.Output.from_input(f"{ECR_IMAGE}:1"),
                environment={"JOB_QUEUE": pulumi.Output.from_input("words")},
                secrets={"TOKEN": pulumi.Output.from_input(SECRET)},
                policy=pulumi.Output.from_input(POLICY),
            ),
            pattern,
        )
        definition = container(deployed)
        assert definition["image"] == f"{ECR_IMAGE}:1"
        assert {"name": "JOB_QUEUE", "value": "words"} in definition["environment"]
        assert definition["secrets"] == [{"name": "TOKEN", "valueFrom": SECRET}]
        found = statements(deployed, "-execution")
        assert found["ReadSecrets"]["Resource"] == [SECRET]
        assert found["PullImage"]["Resource"][0].endswith(":repository/team/words")
        assert deployed.the("RolePolicy", "-task-job").document("policy") == POLICY

    def test_sizes_are_the_configurations(self) -> None:
        deployed = with_job(JobArgs(), task_cpu=1024, task_memory=2048, task_ephemeral_storage=21, spot_share=100)
        inputs = deployed.the("TaskDefinition").inputs
        assert (inputs["cpu"], inputs["memory"], inputs["ephemeralStorage"]) == ("1024", "2048", {"sizeInGib": 21})

    def test_the_arguments_job_goes_before_the_configured_one(self) -> None:
        args = PatternArgs(
            config=KitConfig(job_function="a:b"), target=TARGET, stack="test", job=JobArgs(function="c:d")
        )
        assert args.chosen_job.function == "c:d"
        assert PatternArgs(config=args.config, target=TARGET, stack="test").chosen_job.function == "a:b"

    def test_what_is_packed_goes_to_the_folder_of_the_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        deployed = with_job(JobArgs(context=EXAMPLE / "image"))
        assert (tmp_path / deployed.the("Image").inputs["build"]["dockerfile"]).is_file()
        assert (tmp_path / deployed.the("Function", "launcher").inputs["code"].path).is_file()


def test_the_examples_settings_are_a_configuration_of_the_kit() -> None:
    document = yaml.safe_load((EXAMPLE / "Pulumi.word-count.yaml").read_text())["config"]
    raw = {
        key.removeprefix("ecs-step-functions-kit:"): json.dumps(value) if isinstance(value, dict) else str(value)
        for key, value in document.items()
    }
    assert KitConfig.parse(raw).job.context == PROJECT / "examples/word-count/image"
