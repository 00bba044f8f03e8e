"""SDKs of the component package for Go and TypeScript: the CLI's own generators make them, and programs fit them."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from ecs_kit.package.components import Package
from local_aws.pulumi_cli import COMPILER_OPTIONS

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]

GENERATOR = Path(__file__).parent / "sdks"
MODULE = "example.com/pulumi-ecs-kit/sdk/go/ecs-kit"
"""Where generated Go code says that it is."""
PULUMI = "github.com/pulumi/pulumi/sdk/v3"

GO = """\
package main

import (
	ecskit "example.com/pulumi-ecs-kit/sdk/go/ecs-kit"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		memory := 1024
		jobs, err := ecskit.NewTaskSubmissionFromLambda(ctx, "jobs", &ecskit.TaskSubmissionFromLambdaArgs{
			TaskMemory:     %s,
			JobEnvironment: map[string]pulumi.StringInput{"JOB_COLOUR": pulumi.String("red")},
		})
		if err != nil {
			return err
		}
		ctx.Export("stateMachineArn", jobs.StateMachineArn)
		return nil
	})
}
"""
TYPESCRIPT = """\
import * as ecs from "./sdk";

const jobs = new ecs.TaskSubmissionFromStepFunctions("jobs", {
    taskMemory: %s,
    jobEnvironment: { JOB_COLOUR: "red" },
});
export const stateMachineArn = jobs.stateMachineArn;
export const startInput = jobs.startInput.apply(text => JSON.parse(text));
"""


def call(folder: Path, *command: str, check: bool = True, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a command; what it said is in the test's output."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **more}, capture_output=True, text=True, check=False, timeout=600
    )
    print(done.stdout, done.stderr)
    assert not check or done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


BUILD: Mapping[str, str] = {"CGO_ENABLED": "0", "GOFLAGS": ""}
"""As the CLI is built, whose compiled packages are then used."""


@pytest.fixture(scope="module")
def sdks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the SDKs, one below for each language."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go to build the generators with")
    folder = tmp_path_factory.mktemp("sdks")
    (folder / "schema.json").write_text(str(Package().schema))
    call(GENERATOR, "go", "build", *COMPILER_OPTIONS, "-mod=readonly", "-o", str(folder / "sdks"), ".", **BUILD)
    call(folder, "./sdks", "schema.json", ".")
    return folder


def test_a_go_program_compiles_with_the_sdk(sdks: Path) -> None:
    program = sdks / "program"
    program.mkdir()
    of_generator = json.loads(call(GENERATOR, "go", "mod", "edit", "-json").stdout)["Require"]
    version = next(each["Version"] for each in of_generator if each["Path"] == PULUMI)
    sdk = sdks / "go" / "ecskit"
    for folder, module in ((sdk, MODULE), (program, "program")):
        shutil.copy(GENERATOR / "go.sum", folder)
        replaced = f"require {MODULE} v0.0.0\nreplace {MODULE} => {sdk}\n" if folder is program else ""
        (folder / "go.mod").write_text(f"module {module}\ngo 1.25.0\nrequire {PULUMI} {version}\n{replaced}")
    build = ("go", "build", *COMPILER_OPTIONS, "-mod=mod", "-o", os.devnull, ".")

    (program / "main.go").write_text(GO % "&memory")
    call(program, *build, **BUILD)
    (program / "main.go").write_text(GO % '"1024"')
    assert "cannot use" in call(program, *build, check=False, **BUILD).stderr


def test_a_typescript_program_is_type_checked_against_the_sdk(sdks: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("there is no npm to install TypeScript with")
    program = sdks / "typescript"
    shutil.copytree(sdks / "nodejs", program / "sdk")
    dependencies = json.loads((sdks / "nodejs" / "package.json").read_text())["dependencies"]
    (program / "package.json").write_text(json.dumps({"dependencies": dependencies}))
    call(program, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")
    check = ("node_modules/.bin/tsc", "--noEmit", "--strict", "--target", "es2020", "--module", "commonjs", "index.ts")

    (program / "index.ts").write_text(TYPESCRIPT % "1024")
    call(program, *check, "--skipLibCheck")
    (program / "index.ts").write_text(TYPESCRIPT % '"1024"')
    assert "not assignable to type 'number'" in call(program, *check, "--skipLibCheck", check=False).stdout
