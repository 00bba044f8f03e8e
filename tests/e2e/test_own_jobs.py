"""Jobs of one's own, end to end: the example through the driver, and the components as a library."""

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import runs, spec_files, verify
from ecs_kit.automation.stacks.lifecycle import Stack
from ecs_kit.automation.stacks.local import LocalTarget
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess
from local_aws.testing import docker_images
from tests.e2e.conftest import finish
from tests.e2e.test_driver import ROOT, start

pytestmark = [pytest.mark.acceptance, pytest.mark.e2e]

EXAMPLE = ROOT / "examples" / "word-count"

RECORDING = """
import importlib.util, json, pathlib
spec = importlib.util.spec_from_file_location("expect", {expect!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
def expected(source, result):
    with pathlib.Path({record!r}).open("a") as file:
        print(json.dumps([source.decode(), json.loads(result)]), file=file)
    return module.expected(source, result)
"""

COUNTS = {
    "bears": {
        "words": 20,
        "differentWords": 15,
        "mostFrequent": {"berg": 2, "über": 2, "bear\u2019s": 1, "beeren": 1, "berries": 1},
    },
    "empty": {"words": 0, "differentWords": 0, "mostFrequent": {}},
    "patterns": {
        "words": 23,
        "differentWords": 16,
        "mostFrequent": {"tasks": 3, "pattern": 2, "both": 1, "launcher": 1, "none": 1},
    },
    "queue": {
        "words": 61,
        "differentWords": 41,
        "mostFrequent": {"that": 4, "down": 2, "queue": 2, "written": 2, "after": 1},
    },
}
"""What the example has to find in each of its texts; words of four letters or more, the five most frequent."""


@pytest.mark.parametrize("runtime", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_the_example_runs_in_both_patterns_through_its_own_files_alone(tmp_path: Path, runtime: str) -> None:
    if runtime == "docker" and (problem := docker_images.problem()):
        pytest.skip(f"real containers cannot run here ({problem}); `make docker-e2e` brings an engine")
    base = os.environ.get("KIT_BASE_IMAGE")
    record = tmp_path / "results"
    (tmp_path / "expect.py").write_text(RECORDING.format(expect=str(EXAMPLE / "expect.py"), record=str(record)))

    driver = start(
        tmp_path,
        *("--stack-config", str(EXAMPLE / "Pulumi.word-count.yaml"), "--specs", str(EXAMPLE / "spec.json")),
        *("--pattern", "all", "--sources", str(EXAMPLE), "--expect", "expect.py"),
        *("--container-runtime", runtime, "--json", "report.json"),
        *(("--config", f"baseImage={base}") if runtime == "docker" and base else ()),
    )
    shown = finish(driver)[1]

    assert driver.returncode == 0, shown
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [(each["pattern"], each["passed"], each["copies"]) for each in report["patterns"]] == [
        (1, True, 4),
        (2, True, 4),
    ]
    results = [json.loads(line) for line in record.read_text().splitlines()]
    for name, counts in COUNTS.items():
        text = (EXAMPLE / "texts" / f"{name}.txt").read_text(encoding="utf-8")
        assert [result for source, result in results if source == text] == [counts, counts], name


DOCKERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ENV PYTHONPATH=/app
WORKDIR /app
COPY ecs_kit ecs_kit
COPY witness.py .
ENTRYPOINT ["python3", "-m", "ecs_kit.runtime.task"]
"""

WITNESS = '''
import json, os
import boto3
from botocore.exceptions import ClientError

def run(job, s3):
    """Tell what the job was given, and what it may do."""
    def may(call, **arguments):
        try:
            call(**arguments)
            return True
        except ClientError as error:
            return error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException")
    dynamodb = boto3.client("dynamodb")
    table = os.environ["KIT_DETAILS_TABLE"]
    seen = {
        "parameters": dict(job.parameters),
        "arguments": list(job.arguments),
        "word": os.environ.get("WORD"),
        "top": os.environ.get("TOP"),
        "mayDescribe": may(dynamodb.describe_table, TableName=table),
        "mayScan": may(dynamodb.scan, TableName=table),
    }
    s3.put_object(Bucket=job.target.bucket, Key=job.target.key, Body=json.dumps(seen).encode())
'''


PROJECT = """
name: own
runtime: python
"""

PROGRAM = """
# Pattern 1 builds the image; pattern 2 takes the same one, ready, with other arguments.
import sys
from pathlib import Path

sys.path.append({root!r})

import pulumi
import pulumi_aws
from ecs_kit.components.config import KitConfig
from ecs_kit.components.job import JobArgs
from ecs_kit.components.names import DeploymentTarget
from ecs_kit.components.patterns import PatternArgs, TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions

own = pulumi.Config()
target = DeploymentTarget(
    partition=pulumi_aws.get_partition().partition,
    account=pulumi_aws.get_caller_identity().account_id,
    region=pulumi_aws.get_region().region,
)
config = KitConfig(name_suffix="own", task_ephemeral_storage=30, task_root_file_system="writable", spot_share=100)
built = TaskSubmissionFromLambda(
    "built",
    PatternArgs(
        config=config,
        target=target,
        stack=pulumi.get_stack(),
        job=JobArgs(context=Path("image"), function="witness:run", environment={{"JOB_COLOUR": "red"}}),
    ),
)
ready = TaskSubmissionFromStepFunctions(
    "ready",
    PatternArgs(
        config=config,
        target=target,
        stack=pulumi.get_stack(),
        job=JobArgs(
            image=built.outputs["imageUri"],
            function="witness:run",
            command=["--fast", "7"],
            environment={{"JOB_TABLE": built.outputs["ddbTableNameWFDetails"]}},
            secrets={{"WORD": own.require("secret") + ":word::", "TOP": own.require("parameter")}},
            policy={{
                "Version": "2012-10-17",
                "Statement": [
                    {{
                        "Effect": "Allow",
                        "Action": "dynamodb:DescribeTable",
                        "Resource": target.arn("dynamodb", "table/workflow_details_pattern_2-own"),
                    }}
                ],
            }},
        ),
    ),
)
pulumi.export("pattern1", dict(built.outputs))
pulumi.export("pattern2", dict(ready.outputs))
"""


class Library:
    """A program of the user's own, deployed from a folder of its own.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = LocalTarget(work_dir=folder / "work", container_runtime="process")
        self.outputs: Mapping[str, Any] = {}

    def run(self, pattern: int) -> tuple[verify.Verdict, dict[str, Any]]:
        """Run one task, and read what it saw."""
        aws, deployed = self.target.aws, self.outputs[f"pattern{pattern}"]
        document = spec_files.with_tasks(spec_files.load(spec_files.sample_path(ROOT, pattern)), 1)
        rendered = spec_files.render(Path("spec.json"), document, deployed)
        runs.put_sources(aws, rendered, deployed["s3BucketName"])
        started = runs.start(aws, pattern=pattern, spec=rendered, deployed=deployed, name=uuid.uuid4().hex)
        ended = runs.watch(aws, [started], on_counts=lambda *_: None, poll_seconds=0.2, limit_seconds=120)
        finished, _ = ended[pattern]
        seen: list[dict[str, Any]] = []
        facts = verify.gather(aws, finished, lambda _, result: seen.append(json.loads(result)) or "")
        return verify.judge(finished, facts), seen[0] if seen else {}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "image").mkdir()
    (folder / "work").mkdir()
    for name, content in (
        ("Pulumi.yaml", PROJECT),
        ("__main__.py", PROGRAM.format(root=str(ROOT))),
        ("image/Dockerfile", DOCKERFILE),
        ("image/witness.py", WITNESS),
    ):
        (folder / name).write_text(content)
    own = Library(folder)
    with pytest.MonkeyPatch.context() as patch:
        for variable in [name for name in os.environ if name.startswith(("AWS_", "PULUMI_"))]:
            patch.delenv(variable)
        try:
            own.target.start(print)
            secrets, parameters = own.target.aws.client("secretsmanager"), own.target.aws.client("ssm")
            secret = secrets.create_secret(Name="words", SecretString='{"word": "bear"}')["ARN"]
            parameters.put_parameter(Name="/words/top", Value="5", Type="SecureString")
            parameter = parameters.get_parameter(Name="/words/top")["Parameter"]["ARN"]
            pulumi_process = PulumiProcess(
                own.target.pulumi.executable,
                version=own.target.pulumi.version,
                environment=own.target.environment,
                interruption=Interruption(),
                log_file=folder / "pulumi.log",
            )
            stack = Stack(
                name="own",
                pulumi=pulumi_process,
                work_dir=folder / "work",
                project=folder,
                config={**own.target.config, "own:secret": secret, "own:parameter": parameter},
            )
            stack.create()
            own.outputs = stack.deploy(on_resource=lambda _: None).outputs
            yield own
            stack.destroy()
        finally:
            own.target.stop()


def test_a_program_of_one_s_own_builds_its_image_from_its_own_folder(library: Library) -> None:
    verdict, seen = library.run(1)

    assert verdict.passed, verdict.problems
    assert seen == {
        "parameters": {"COLOUR": "red"},
        "arguments": [],
        "word": None,
        "top": None,
        "mayDescribe": False,
        "mayScan": False,
    }
    assert list((library.folder / ".kit" / "build" / "task-image").iterdir())


def test_a_ready_image_runs_with_secrets_command_environment_and_permissions(library: Library) -> None:
    assert library.outputs["pattern2"]["imageUri"] == library.outputs["pattern1"]["imageUri"]

    verdict, seen = library.run(2)

    assert verdict.passed, verdict.problems
    assert seen == {
        "parameters": {"TABLE": "workflow_details_pattern_1-own"},
        "arguments": ["--fast", "7"],
        "word": "bear",
        "top": "5",
        "mayDescribe": True,
        "mayScan": False,
    }


def test_tasks_run_on_spot_capacity(library: Library) -> None:
    ecs = library.target.aws.ecs
    for pattern in (1, 2):
        library.run(pattern)
        cluster = library.outputs[f"pattern{pattern}"]["clusterName"]
        arns = ecs.list_tasks(cluster=cluster, desiredStatus="STOPPED")["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
        assert {task.get("capacityProviderName") for task in tasks} == {"FARGATE_SPOT"}


def test_storage_and_file_system_are_the_task_definition_s(library: Library) -> None:
    ecs = library.target.aws.ecs
    definition = ecs.describe_task_definition(taskDefinition=library.outputs["pattern1"]["taskDefinition"])
    assert definition["taskDefinition"]["ephemeralStorage"] == {"sizeInGiB": 30}
    assert definition["taskDefinition"]["containerDefinitions"][0]["readonlyRootFilesystem"] is False
