"""The component package through the real engine, as programs in every language use it: by its schema's names."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecs_kit.automation.errors import DriverError
from local_aws.locks import in_turn
from local_aws.pulumi_cli import COMPILER_OPTIONS, default_cache_dir
from tests.documentation import example
from tests.e2e.conftest import ROOT, Deployed, finish, local_stack, new_stack, start

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]

PYTHON = f"""\
name: others
runtime: python
plugins:
  providers:
    - name: ecs-kit
      path: {ROOT}
"""
PROGRAM = """\
import pulumi


class Jobs(pulumi.ComponentResource):
    startInput: pulumi.Output[str]
    stateMachineArn: pulumi.Output[str]
    detailsTable: pulumi.Output[str]

    def __init__(self, kind, name, **arguments):
        outputs = dict.fromkeys(("startInput", "stateMachineArn", "detailsTable"))
        super().__init__(f"ecs-kit:index:{kind}", name, {**arguments, **outputs}, remote=True)


for number, kind in ((1, "TaskSubmissionFromLambda"), (2, "TaskSubmissionFromStepFunctions")):
    jobs = Jobs(kind, f"jobs-{number}", taskMemory=1024, taskAttempts=2, jobEnvironment={"JOB_COLOUR": "red"})
    for name in ("startInput", "stateMachineArn", "detailsTable"):
        pulumi.export(f"{name}{number}", getattr(jobs, name))
"""
YAML = f"""\
name: others
runtime: yaml
plugins:
  providers:
    - name: ecs-kit
      path: {ROOT}
variables:
  environment: {{JOB_COLOUR: red}}
resources:
  one:
    type: ecs-kit:TaskSubmissionFromLambda
    properties: {{taskMemory: 1024, taskAttempts: 2, jobEnvironment: "${{environment}}"}}
  two:
    type: ecs-kit:TaskSubmissionFromStepFunctions
    properties: {{taskMemory: 1024, taskAttempts: 2, jobEnvironment: "${{environment}}"}}
outputs:
  startInput1: ${{one.startInput}}
  startInput2: ${{two.startInput}}
  stateMachineArn1: ${{one.stateMachineArn}}
  stateMachineArn2: ${{two.stateMachineArn}}
  detailsTable1: ${{one.detailsTable}}
  detailsTable2: ${{two.detailsTable}}
"""
YAML_HOST = "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml@v1.25.0"
BUILD_SECONDS = 1800.0


def yaml_host() -> Path:
    """The folder of Pulumi's host for YAML programs: on PATH, or else built of its module and kept with the CLI."""
    name = "pulumi-language-yaml"
    if found := shutil.which(name):
        return Path(found).parent
    if shutil.which("go") is None:
        pytest.skip(f"there is no {name}, and no Go to build it with")
    folder, new = (default_cache_dir() / f"{kind}{YAML_HOST.rpartition('@')[2]}" for kind in ("yaml-", ".new-yaml-"))
    with in_turn(default_cache_dir() / "yaml.lock", waiting=lambda: None, limit_seconds=BUILD_SECONDS):
        if not (folder / name).exists():
            environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOBIN": str(new)}
            subprocess.run(["go", "install", *COMPILER_OPTIONS, YAML_HOST], check=True, env=environment)
            new.rename(folder)
    return folder


@pytest.fixture(scope="module", params=["python", "yaml"])
def others(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A program in another language, or in Python without the kit's package."""
    folder = tmp_path_factory.mktemp("others")
    (folder / "work").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "yaml":
            patch.setenv("PATH", f"{yaml_host()}{os.pathsep}{os.environ['PATH']}")
            (folder / "Pulumi.yaml").write_text(YAML)
        else:
            (folder / "Pulumi.yaml").write_text(PYTHON)
            (folder / "__main__.py").write_text(PROGRAM)
        with local_stack("others", folder, folder / "work") as made:
            yield made


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_program_starts_a_run_with_the_component_s_outputs(others: Deployed, pattern: int) -> None:
    aws, outputs = others.target.aws, others.outputs
    given = json.loads(outputs[f"startInput{pattern}"])
    aws.s3.put_object(Bucket=given["s3BucketName"], Key="in/a.txt", Body=b"a")
    tasks = [{"taskName": f"t{n}", "objectKey": "in/a.txt"} for n in range(10)]
    arn = aws.stepfunctions.start_execution(
        stateMachineArn=outputs[f"stateMachineArn{pattern}"], input=json.dumps({**given, "taskList": tasks})
    )["executionArn"]
    while (execution := aws.stepfunctions.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.2)
    assert execution["status"] == "SUCCEEDED", execution
    rows = aws.dynamodb.scan(TableName=outputs[f"detailsTable{pattern}"])["Items"]
    assert sorted(row["status"]["S"] for row in rows) == ["Completed"] * 10
    definition = aws.ecs.describe_task_definition(taskDefinition=given["taskDefinition"])["taskDefinition"]
    assert definition["memory"] == "1024", "whole numbers arrive as floats"


IMAGE = {
    "Dockerfile": 'FROM scratch\nCOPY greet.sh /greet.sh\nENTRYPOINT ["/bin/sh", "/greet.sh"]\n',
    "greet.sh": "echo hello\n",
}
MAIN = "import sys; sys.argv[0] = 'ecs-kit'; from ecs_kit.automation.cli.e2e import main; sys.exit(main())"


def test_the_commands_know_the_yaml_program_of_the_documentation(tmp_path: Path) -> None:
    program = example("your-own-job.md", "runtime: yaml").replace("path/to/the/checkout", str(ROOT))
    (tmp_path / "Pulumi.yaml").write_text(program)
    (tmp_path / "image").mkdir()
    for name, text in IMAGE.items():
        (tmp_path / "image" / name).write_text(text)
    (tmp_path / "tasks.json").write_text('[{"taskName": "bear"}, {"taskName": "wolf"}]')
    (tmp_path / "work").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{yaml_host()}{os.pathsep}{os.environ['PATH']}")
        with local_stack("yaml", tmp_path, tmp_path / "work") as made:
            environment = {**made.target.environment, "PYTHONPATH": str(ROOT)}

            def call(*command: str) -> str:
                driver = start(tmp_path, *command, command=("-c", MAIN), **environment)
                out, err = finish(driver)
                assert driver.returncode == 0, err
                return out

            call("start", "--specs", "tasks.json", "--watch")
            (run,) = json.loads(call("status", "--json"))["runs"]
            assert (run["status"], run["tasks"]["completed"]) == ("Completed", 2), run
            assert call("logs", "--task", "bear") == "hello\n"


def test_arguments_that_cannot_be_used_are_named_before_anything_is_created(others: Deployed, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for path in others.project.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_text(path.read_text().replace("taskMemory: 1024", "taskMemory: 1"))
    program = tmp_path / "__main__.py"
    if program.exists():
        program.write_text(program.read_text().replace("taskMemory=1024", "taskMemory=1"))
    refused = new_stack(others.target, "refused", tmp_path, tmp_path / "work", {})
    with pytest.raises(DriverError, match=r"property taskMemory .*'1' must be a whole number from 512 to"):
        refused.preview()


def test_the_package_s_schema_is_what_the_engine_reads(others: Deployed, tmp_path: Path) -> None:
    command = ["package", "get-schema", str(ROOT)]
    schema = json.loads(others.stack._pulumi.run(command, str(tmp_path), {}).stdout)
    assert set(schema["resources"]) == {
        "ecs-kit:index:TaskSubmissionFromLambda",
        "ecs-kit:index:TaskSubmissionFromStepFunctions",
    }
