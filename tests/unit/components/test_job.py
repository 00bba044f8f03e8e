"""The user's own job: which arguments are refused, and what the others change in a deployed pattern."""

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
from ecs_kit.components.job import JobArgs
from ecs_kit.components.patterns import Pattern, PatternArgs, TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions
from ecs_kit.components.task_image import image_tag, stage_job_context
from ecs_kit.runtime.contract.environment import RESERVED_PREFIXES
from ecs_kit.runtime.contract.settings import from_json
from tests.unit.components.recorder import PROJECT, TARGET, Deployment, deployment, run

EXAMPLE = PROJECT / "examples" / "word-count"
SECRET = f"arn:aws:secretsmanager:{TARGET.region}:{TARGET.account}:secret:word-list-AbCdEf"
DOCUMENT = f"arn:aws:ssm:{TARGET.region}:{TARGET.account}:document/x"
PARAMETER = f"arn:aws:ssm:{TARGET.region}:{TARGET.account}:parameter/word/top"
ECR_IMAGE = f"{TARGET.account}.dkr.ecr.{TARGET.region}.amazonaws.com/team/words"
REPOSITORY = f"arn:aws:ecr:{TARGET.region}:{TARGET.account}:repository/team/words"
DIGEST = "@sha256:" + "1" * 64
REFERENCES = {"ALL": SECRET, "OLD": f"{SECRET}:list:AWSPREVIOUS:", "TOP": PARAMETER, "WORDS": f"{SECRET}:list::"}
SECRETS = {"jobSecrets": json.dumps(dict(reversed(REFERENCES.items())))}
ALLOW = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:eu-central-1:1:words"}
POLICY: dict[str, Any] = {"Version": "2012-10-17", "Statement": [ALLOW]}
OF_ONE_STATEMENT = POLICY | {"Statement": ALLOW}
OWN_JOB = {
    **SECRETS,
    "jobContext": "examples/word-count/image",
    "jobFunction": "word_count:run",
    "jobEntryPoint": '["python3", "-m", "ecs_kit.runtime.task"]',
    "jobCommand": '["--fast"]',
    "jobEnvironment": '{"JOB_TOP": "5", "TZ": "UTC"}',
    "jobPolicy": json.dumps(OF_ONE_STATEMENT),
}


def problems(**raw: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        KitConfig.parse(raw)
    return {problem.key: f"{problem.value} | {problem.allowed}" for problem in refused.value.problems}


def argument_problems(config: KitConfig, job: JobArgs | None = None) -> set[str]:
    with pytest.raises(ConfigError) as refused:
        PatternArgs(config, TARGET, "test", job)
    return {problem.key for problem in refused.value.problems}


def statements(deployed: Deployment, role: str) -> dict[str, Any]:
    return {s["Sid"]: s for s in deployed.the("RolePolicy", role).document("policy")["Statement"]}


def with_job(job: JobArgs | None, config: KitConfig, pattern: type[Pattern] = TaskSubmissionFromLambda) -> Deployment:
    return run(lambda: pattern("mine", PatternArgs(config, TARGET, "test", job)))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        *(
            (
                key,
                json.dumps({name: SECRET}),
                f"{name} | by names that do not start with {', '.join(RESERVED_PREFIXES)}",
            )
            for key in ("jobEnvironment", "jobSecrets")
            for name in ("KIT_JOB", "kit_x", "AWS_REGION", "ECS_ANYTHING")
        ),
        ("jobEnvironment", '{"1A": "x"}', "not starting with a digit"),
        ("jobEnvironment", '{"A-B": "x"}', "letters, digits and _"),
        ("jobEnvironment", '{"A": 1}', "strings"),
        ("jobEnvironment", '{"A": 1}', "; A is 1, which is no text: `pulumi config set --type string`"),
        ("jobEnvironment", json.dumps({"A": "x" * 20_000}), "at most 16384 characters"),
        ("jobEnvironment", json.dumps({f"A{n}": "" for n in range(101)}), "at most 100 variables"),
        ("jobSecrets", '{"TOKEN": "word-list"}', "ARNs of Secrets Manager secrets or SSM parameters"),
        ("jobSecrets", json.dumps({"TOKEN": "arn:aws:s3:::bucket"}), "ARNs of Secrets Manager"),
        ("jobSecrets", json.dumps({"TOKEN": f"{SECRET}:key"}), "ARNs of Secrets Manager"),
        ("jobSecrets", json.dumps({"TOKEN": DOCUMENT}), "ARNs of Secrets Manager"),
        ("jobFunction", "word_count.run", "module:function"),
        ("jobFunction", "word count:run", "module:function"),
        ("jobCommand", '["a", ""]', "none of them empty"),
        ("jobCommand", json.dumps(["{task.name}" + "ä" * 200]), "at most 800 characters"),
        ("jobCommand", json.dumps(["a"] * 101), "at most 100 words"),
        ("jobEntryPoint", '"python"', "a list"),
        ("jobEntryPoint", '["run", "{task.name}"]', "without placeholders: jobCommand has them"),
        ("jobContext", "examples/nowhere", "there is no file"),
        ("jobContext", "components", "there is no file"),
        ("jobContext", "x" * 1025, "a folder"),
        ("jobDockerfile", "../Dockerfile", "a path within jobContext"),
        ("jobImage", "Words:1", "an image reference"),
        ("jobImage", "python:3.13", "an image in a private repository of Amazon ECR, or natGateways"),
        ("jobMirror", "Words:1", "an image reference"),
        ("jobUser", "a b", "a user or user:group"),
        ("jobDropCapabilities", '["NET"]', "capabilities such as NET_RAW, or ALL"),
        ("jobPolicy", "{", "an IAM identity policy"),
        ("jobPolicy", "[]", "an IAM identity policy"),
    ],
)
def test_unusable_values_are_refused(key: str, value: str, says: str) -> None:
    found = problems(**{key: value})
    assert list(found) == [key] and says in found[key]


def test_arguments_that_exclude_each_other_are_refused() -> None:
    found = problems(jobEnvironment='{"TOKEN": "x"}', jobSecrets=json.dumps({"TOKEN": SECRET}))
    assert "TOKEN" in found["jobSecrets"]
    context = "examples/word-count/image"
    assert problems(jobImage=f"{ECR_IMAGE}:1", jobContext=context) == {
        "jobImage": f"{ECR_IMAGE}:1 | left out where there is a jobContext, or jobContext left out"
    }
    assert list(problems(jobMirror="alpine:3", jobContext=context)) == ["jobMirror"]
    assert list(problems(jobMirror="alpine:3", jobImage=f"{ECR_IMAGE}:1")) == ["jobImage"]


def test_a_context_with_a_folder_where_the_kit_puts_its_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ecs_kit").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM base")
    assert "a folder without ecs_kit/" in problems(jobContext=str(tmp_path))["jobContext"]


@pytest.mark.parametrize(
    "make", [lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to(".."), os.mkfifo]
)
def test_a_context_with_something_that_cannot_be_packed_is_refused(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM base")
    (tmp_path / "deep" / "link").symlink_to(tmp_path / "Dockerfile")
    make(tmp_path / "deep" / ".hidden")
    KitConfig.parse({"jobContext": str(tmp_path)})
    make(tmp_path / "deep" / "odd")
    assert "deep/odd is something else" in problems(jobContext=str(tmp_path))["jobContext"]


def test_arguments_of_a_program_have_the_same_rules() -> None:
    job = JobArgs(environment={"AWS_REGION": "x"}, secrets={"TOKEN": "x"}, function="x")
    assert argument_problems(KitConfig(), job) == {"jobEnvironment", "jobSecrets", "jobFunction"}
    assert argument_problems(KitConfig(task_cpu=3, spot_share=101)) == {"taskCpu", "spotShare"}
    assert argument_problems(KitConfig(task_cpu=256, task_memory=4096)) == {"taskMemory"}
    assert argument_problems(KitConfig(name_suffix=1)) == {"nameSuffix"}


def test_images_and_secrets_of_another_region_need_a_nat_gateway() -> None:
    job = JobArgs(
        image=f"{TARGET.account}.dkr.ecr.us-west-2.amazonaws.com/words:1",
        secrets={"TOKEN": PARAMETER.replace(TARGET.region, "us-west-2")},
    )
    assert argument_problems(KitConfig(), job) == {"jobImage", "jobSecrets"}
    PatternArgs(KitConfig(nat_gateways="single"), TARGET, "test", job)


def test_a_secret_is_checked_once_it_is_known() -> None:
    with pytest.raises(ValueError, match="jobSecrets = 'TOKEN: no-arn'"):
        with_job(JobArgs(secrets={"TOKEN": pulumi.Output.from_input("no-arn")}), KitConfig())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"Version": "2008-10-17"}, "Version"),
        ({"Version": None}, "Version"),
        ({"Rules": []}, "Rules is no key of a policy"),
        ({"Statement": []}, "Statement must be a list"),
        ({"Statement": ["x"]}, "Statement[0] must be an object"),
        ({"Statement": [ALLOW | {"Principal": "*"}]}, "Principal is no key"),
        ({"Statement": [ALLOW | {"Effect": "allow"}]}, "Effect must be Allow or Deny"),
        ({"Statement": [ALLOW | {"Sid": "a b"}]}, "Sid"),
        ({"Statement": [ALLOW | {"Action": "SendMessage"}]}, "Action cannot be 'SendMessage'"),
        ({"Statement": [ALLOW | {"Action": []}]}, "Action must be a string or a list"),
        ({"Statement": [ALLOW | {"NotAction": "s3:*"}]}, "exactly one of Action and NotAction"),
        ({"Statement": [{"Effect": "Allow", "Action": "s3:*"}]}, "exactly one of Resource and NotResource"),
        ({"Statement": [ALLOW | {"Resource": "words"}]}, "Resource cannot be 'words'"),
        ({"Statement": [ALLOW | {"Condition": "x"}]}, "Condition must be an object"),
        ({"Statement": [ALLOW | {"Action": [f"s3:Get{n}" for n in range(1000)]}]}, "8000 is the most"),
    ],
)
def test_a_document_that_is_no_identity_policy_is_refused(change: dict[str, Any], says: str) -> None:
    assert says in problems(jobPolicy=json.dumps(POLICY | change))["jobPolicy"]


def test_the_default_stack_has_nothing_of_a_job() -> None:
    deployed = deployment(patterns="1")
    assert not deployed.container().keys() & {"entryPoint", "command", "secrets"}
    assert set(statements(deployed, "-execution")) == {"SignInToRegistry", "PullImage", "WriteLog"}


def test_a_context_is_staged_with_the_kits_library_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = tmp_path / "context"
    library = [f"runtime/{name}" for name in ("task/job.py", "common/log.py", "contract/errors.py")]
    files = {context / name: name for name in ("Dockerfile", "deep/job.py", ".dockerignore", ".env", "start.sh")}
    for name in ("__init__.py", "runtime/__init__.py", *library, "runtime/launcher/handler.py"):
        files[tmp_path / "ecs_kit" / name] = name
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (context / "start.sh").chmod(0o700)
    monkeypatch.chdir(tmp_path)

    staged = stage_job_context(context, "Dockerfile", tmp_path)

    found = build_folder.read_folder(staged.path)
    assert {path: oct(mode) for path, (mode, _) in found.items()} == {
        **dict.fromkeys(("Dockerfile", "deep/job.py", ".dockerignore"), "0o644"),
        **dict.fromkeys(("ecs_kit/__init__.py", "ecs_kit/runtime/__init__.py"), "0o644"),
        **{f"ecs_kit/{name}": "0o644" for name in library},
        "start.sh": "0o755",
    }
    assert staged.dockerfile == staged.path / "Dockerfile"


def test_the_image_is_built_from_the_context_and_tagged_by_it() -> None:
    image = deployment(patterns="1", **OWN_JOB).the("Image").inputs
    context = stage_job_context(EXAMPLE / "image", "Dockerfile")
    assert image["build"]["context"] == context.path.as_posix()
    assert image["build"]["dockerfile"] == f"{context.path.as_posix()}/Dockerfile"
    tag = image_tag(context, build_args=image["build"]["args"], platform="linux/amd64")
    assert image["imageName"].endswith(f":{tag}")
    assert "word_count.py" in {path.name for path in context.path.iterdir()}


@pytest.mark.parametrize(
    ("image", "nat_gateways", "repository"),
    [
        *((ECR_IMAGE + suffix, "none", REPOSITORY) for suffix in (":1.2", DIGEST, f":1.2{DIGEST}")),
        (
            f"210987654321.dkr.ecr.us-west-2.amazonaws.com/x{DIGEST}",
            "single",
            "arn:aws:ecr:us-west-2:210987654321:repository/x",
        ),
        ("public.ecr.aws/docker/library/python:3", "single", None),
        ("python:3.13-slim", "single", None),
    ],
)
def test_a_ready_image_is_pulled_and_nothing_is_built(image: str, nat_gateways: str, repository: str | None) -> None:
    deployed = deployment(patterns="2", jobImage=image, natGateways=nat_gateways)
    assert not deployed.of("Image") and not deployed.of("Repository") and not deployed.of("LifecyclePolicy")
    outputs = deployed.outputs["pattern2"]
    assert deployed.container()["image"] == outputs["imageUri"] == image and "repositoryUrl" not in outputs
    found = statements(deployed, "-execution")
    if repository is None:
        assert set(found) == {"WriteLog"}
    else:
        assert found["PullImage"]["Resource"] == [repository]


def test_a_mirrored_image_is_built_of_nothing_else_into_the_pattern_s_repository() -> None:
    deployed = deployment(patterns="2", jobMirror="public.ecr.aws/x/y:1", jobRecords="ecs")
    build = deployed.the("Image").inputs["build"]
    assert build["args"] == {"BASE_IMAGE": "public.ecr.aws/x/y:1"}
    assert Path(build["dockerfile"]).read_text() == "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
    assert [path.name for path in Path(build["context"]).iterdir()] == ["Dockerfile"]
    assert deployed.container()["image"].startswith(deployed.outputs["pattern2"]["repositoryUrl"])
    assert deployed.the("Image").inputs["imageName"] != deployment(patterns="2").the("Image").inputs["imageName"]


def test_user_and_capabilities_of_the_container_can_be_chosen() -> None:
    assert deployment(patterns="1").container()["user"] == "10001:10001", "that of the kit's own image"
    assert "user" not in deployment(patterns="1", jobMirror="docker.io/library/alpine:3.22").container()
    chosen = deployment(patterns="1", jobUser="app:app", jobDropCapabilities='["NET_RAW", "MKNOD"]').container()
    assert chosen["user"] == "app:app"
    assert chosen["linuxParameters"]["capabilities"] == {"add": [], "drop": ["NET_RAW", "MKNOD"]}
    assert "capabilities" not in deployment(patterns="1", jobDropCapabilities="[]").container()["linuxParameters"]


def test_command_entry_point_function_and_environment_are_the_containers() -> None:
    deployed = deployment(patterns="1", **OWN_JOB)
    assert deployed.container()["entryPoint"] == ["python3", "-m", "ecs_kit.runtime.task"]
    assert deployed.container()["command"] == ["--fast"]
    assert deployed.environment() == {
        **deployment(patterns="1").environment(),
        "KIT_JOB": "word_count:run",
        "JOB_TOP": "5",
        "TZ": "UTC",
    }


def test_secrets_come_from_ecs_and_only_the_execution_role_may_read_them() -> None:
    deployed = deployment(patterns="1", **OWN_JOB)
    assert deployed.container()["secrets"] == [
        {"name": name, "valueFrom": reference} for name, reference in REFERENCES.items()
    ]
    found = statements(deployed, "-execution")
    read = found["ReadSecrets"], found["ReadParameters"]
    assert [(s["Action"], s["Resource"]) for s in read] == [
        (["secretsmanager:GetSecretValue"], [SECRET]),
        (["ssm:GetParameters"], [PARAMETER]),
    ]
    assert statements(deployed, "-task") == statements(deployment(patterns="1"), "-task")


def test_secrets_bring_the_endpoints_that_they_need_without_a_nat_gateway() -> None:
    def services(**config: str) -> list[str]:
        found = deployment(patterns="1", **config).of("VpcEndpoint")
        return sorted(endpoint.inputs["serviceName"].rsplit(".", 1)[1] for endpoint in found)

    only = {"jobSecrets": json.dumps({"TOP": PARAMETER})}
    assert services(**OWN_JOB) == sorted([*services(), "secretsmanager", "ssm"])
    assert services(**only) == sorted([*services(), "ssm"])
    assert services(**SECRETS, natGateways="single") == services()
    configured = json.dumps(["ssm", "ecs", "ecr.api", "ecr.dkr", "logs", "states"])
    assert services(**only, interfaceEndpoints=configured).count("ssm") == 1


def test_further_permissions_are_a_policy_of_their_own_that_exists_before_the_task_definition() -> None:
    deployed = deployment(patterns="1", **OWN_JOB)
    own = deployed.the("RolePolicy", "-task-job")
    assert own.document("policy") == OF_ONE_STATEMENT
    role = "amazon-ecs-starter-kit-pattern-1-task"
    assert (own.inputs["role"], own.inputs["name"]) == (role, f"{role}-job")
    assert own.urn in deployed.the("TaskDefinition").dependencies
    assert statements(deployed, "-task") == statements(deployment(patterns="1"), "-task")


@pytest.mark.parametrize("pattern", [TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions])
def test_arguments_of_a_program_may_be_outputs(pattern: type[Pattern]) -> None:
    job = JobArgs(
        image=pulumi.Output.from_input(f"{ECR_IMAGE}:1"),
        environment={"JOB_QUEUE": pulumi.Output.from_input("words")},
        secrets={"TOKEN": pulumi.Output.from_input(SECRET)},
        policy=pulumi.Output.from_input(POLICY),
    )
    deployed = with_job(job, KitConfig(task_cpu=1024, task_memory=2048), pattern)
    definition = deployed.container()
    assert definition["image"] == f"{ECR_IMAGE}:1"
    assert {"name": "JOB_QUEUE", "value": "words"} in definition["environment"]
    assert definition["secrets"] == [{"name": "TOKEN", "valueFrom": SECRET}]
    found = statements(deployed, "-execution")
    assert found["ReadSecrets"]["Resource"] == [SECRET]
    assert found["PullImage"]["Resource"][0].endswith(":repository/team/words")
    assert deployed.the("RolePolicy", "-task-job").document("policy") == POLICY
    assert deployed.the("TaskDefinition").inputs["cpu"] == "1024"


def test_a_programs_job_replaces_the_configured_one_and_is_packed_into_the_programs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = KitConfig(job=JobArgs(function="a:b"))
    deployed = with_job(JobArgs(context=EXAMPLE / "image"), config)
    assert "KIT_JOB" not in deployed.environment()
    assert Path(deployed.the("Image").inputs["build"]["dockerfile"]).is_file()
    assert Path(deployed.the("Function", "launcher").inputs["code"].path).is_file()
    assert with_job(None, config).environment()["KIT_JOB"] == "a:b"


@pytest.mark.parametrize("example", sorted(path.name for path in (PROJECT / "examples").iterdir()))
def test_the_examples_settings_are_a_configuration_of_the_kit(example: str) -> None:
    document = yaml.safe_load((PROJECT / "examples" / example / f"Pulumi.{example}.yaml").read_text())["config"]
    raw = {
        key.removeprefix("ecs-step-functions-kit:"): json.dumps(value) if isinstance(value, dict) else str(value)
        for key, value in document.items()
    }
    context = KitConfig.parse(raw).job.context
    assert context is None or context == Path("examples") / example / "image"


ANY_CONTAINER = {"jobRecords": "ecs", "jobImage": f"{ECR_IMAGE}:1"}


@pytest.mark.parametrize(
    ("raw", "key", "says"),
    [
        ({"jobRecords": "ecs"}, "jobRecords", "jobContext, jobImage or jobMirror must name an image"),
        ({**ANY_CONTAINER, "jobFunction": "a:run"}, "jobFunction", "or jobRecords must be kit"),
        ({"jobSuccessExitCodes": '["0", "3"]'}, "jobSuccessExitCodes", "or jobRecords must be ecs"),
        ({"jobRetryExitCodes": '["3"]'}, "jobRetryExitCodes", "or jobRecords must be ecs"),
        ({**ANY_CONTAINER, "jobSuccessExitCodes": '["3"]'}, "jobSuccessExitCodes", "with 0"),
        ({**ANY_CONTAINER, "jobSuccessExitCodes": '["0", "256"]'}, "jobSuccessExitCodes", "from 0 to 255"),
        ({**ANY_CONTAINER, "jobRetryExitCodes": '["0"]'}, "jobRetryExitCodes", "from 1 to 255"),
        ({**ANY_CONTAINER, "jobRetryExitCodes": '["x"]'}, "jobRetryExitCodes", "from 1 to 255"),
        (
            {**ANY_CONTAINER, "jobSuccessExitCodes": '["0", "3"]', "jobRetryExitCodes": '["3"]'},
            "jobRetryExitCodes",
            "other codes than jobSuccessExitCodes",
        ),
        ({"jobCommand": '["{source.url}"]'}, "jobCommand", "source.url | with placeholders of source.uri"),
        ({"jobEnvironment": '{"A": "{task.no}"}'}, "jobEnvironment", "task.no | with placeholders of"),
        ({"jobCommand": json.dumps(["{run.id}" + "x" * 1000])}, "jobCommand", "at most 800 characters"),
    ],
)
def test_arguments_of_a_container_that_knows_nothing_of_the_kit_are_checked(
    raw: dict[str, str], key: str, says: str
) -> None:
    found = problems(**raw)
    assert list(found) == [key] and says in found[key]


def test_such_a_container_has_its_own_variables_alone_and_its_states_are_reported() -> None:
    job = JobArgs(
        image=f"{ECR_IMAGE}:1",
        records="ecs",
        environment={"MODE": "fast", "FROM": "{source.uri}"},
        command=("work", "{target.uri}"),
        retry_exit_codes=("75",),
    )
    deployed = with_job(job, KitConfig())
    (container,) = json.loads(deployed.the("TaskDefinition").inputs["containerDefinitions"])
    assert {each["name"] for each in container["environment"]} == {"MODE", "FROM"}
    assert "KeepOwnRecord" not in statements(deployed, "-task")
    assert deployed.the("EventRule", "-tasks").document("eventPattern") == {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "clusterArn": [TARGET.arn("ecs", "cluster/amazon-ecs-starter-kit-pattern-1")],
            "taskDefinitionArn": [{"prefix": TARGET.arn("ecs", "task-definition/amazon-ecs-starter-kit-pattern-1:")}],
            "lastStatus": ["RUNNING", "STOPPED"],
        },
    }
    variables = deployed.the("Function", "-monitor").inputs["environment"]["variables"]
    settings = from_json(variables["KIT_SETTINGS"])
    assert (settings.job_records, settings.retry_exit_codes) == ("ecs", ("75",))
    assert settings.job_command == ("work", "{target.uri}")
    assert settings.job_environment == {"FROM": "{source.uri}"}, "MODE is the same for every task"


def test_its_build_context_lacks_the_kit_s_library(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM base")
    staged = stage_job_context(tmp_path, "Dockerfile", has_library=False)
    assert [path.name for path in staged.path.iterdir()] == ["Dockerfile"]
