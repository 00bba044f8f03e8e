"""Jobs of one's own in a program of one's own, end to end."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ecs_kit.automation.journeys import spec_files
from ecs_kit.automation.stacks.local import LocalTarget
from tests.e2e.conftest import ROOT, Deployed, local_stack, sample

pytestmark = [pytest.mark.acceptance, pytest.mark.e2e]

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
config = KitConfig(name_suffix="own", spot_share=100)
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


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A program of the user's own, deployed from a folder of its own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "image").mkdir()
    for name, text in (
        ("Pulumi.yaml", PROJECT),
        ("__main__.py", PROGRAM.format(root=str(ROOT))),
        ("image/Dockerfile", DOCKERFILE),
        ("image/witness.py", WITNESS),
    ):
        (folder / name).write_text(text)
    (folder / "work").mkdir()

    def config(target: LocalTarget) -> Mapping[str, str]:
        secrets, parameters = target.aws.client("secretsmanager"), target.aws.client("ssm")
        secret = secrets.create_secret(Name="words", SecretString='{"word": "bear"}')["ARN"]
        parameters.put_parameter(Name="/words/top", Value="5", Type="SecureString")
        parameter = parameters.get_parameter(Name="/words/top")["Parameter"]["ARN"]
        return {"own:secret": secret, "own:parameter": parameter}

    with local_stack("own", folder, folder / "work", config=config) as own:
        yield own


def seen_by_one_task(library: Deployed, pattern: int) -> dict[str, Any]:
    """Run one task on Spot capacity, and read what its job saw."""
    seen: list[dict[str, Any]] = []
    document = spec_files.with_tasks(sample(pattern), 1)
    verdict = library.run(pattern, document, lambda _, result: seen.append(json.loads(result)) or "")
    assert verdict.problems == ()
    ecs, cluster = library.target.aws.ecs, library.outputs[f"pattern{pattern}"]["clusterName"]
    arns = ecs.list_tasks(cluster=cluster, desiredStatus="STOPPED")["taskArns"]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    assert {task.get("capacityProviderName") for task in tasks} == {"FARGATE_SPOT"}
    return seen[0]


def test_a_program_of_one_s_own_builds_its_image_from_its_own_folder(library: Deployed) -> None:
    assert seen_by_one_task(library, 1) == {
        "parameters": {"COLOUR": "red"},
        "arguments": [],
        "word": None,
        "top": None,
        "mayDescribe": False,
        "mayScan": False,
    }
    assert list((library.project / ".kit" / "build" / "task-image").iterdir())


def test_a_ready_image_runs_with_secrets_command_environment_and_permissions(library: Deployed) -> None:
    assert library.outputs["pattern2"]["imageUri"] == library.outputs["pattern1"]["imageUri"]
    assert seen_by_one_task(library, 2) == {
        "parameters": {"TABLE": "workflow_details_pattern_1-own"},
        "arguments": ["--fast", "7"],
        "word": "bear",
        "top": "5",
        "mayDescribe": True,
        "mayScan": False,
    }
