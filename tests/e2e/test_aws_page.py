"""What docs/aws.md shows, line by line, on the local AWS: with the deployer's role and its actions enforced."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from local_aws import session
from tests.e2e.conftest import COPIED, DRIVER_SECONDS, ROOT, copy_project

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]

PAGE = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
OWN_STATE = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE")
"""Variables of the local AWS that the page replaces by the state in S3, and its secrets by a KMS key."""
AWS_CLI = '''\
"""As much of the AWS CLI as the page uses: operations of services, --query, and text instead of JSON."""
import json, pathlib, re, sys
import boto3, jmespath

service, operation, *rest = sys.argv[1:]
client = boto3.client({"s3api": "s3"}.get(service, service))
method = operation.replace("-", "_")
shapes = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape.members
given = dict(zip(rest[::2], rest[1::2], strict=True))
query, output = given.pop("--query", None), given.pop("--output", "json")

def value(name, text):
    shape = shapes[name]
    if name == "Body":
        return pathlib.Path(text).read_bytes()
    if text.startswith("file://"):
        return pathlib.Path(text[7:]).read_text()
    if shape.type_name == "structure":
        pairs = dict(pair.split("=") for pair in text.split(","))
        return {key: word == "true" if word in ("true", "false") else word for key, word in pairs.items()}
    return int(text) if shape.type_name == "integer" else text

names = {re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower(): name for name in shapes}
arguments = {names[option[2:]]: value(names[option[2:]], text) for option, text in given.items()}
answer = getattr(client, method)(**arguments)
found = jmespath.search(query, answer) if query else answer
if output == "text":
    print("\\t".join(map(str, found)) if isinstance(found, list) else found)
else:
    print(json.dumps(found, default=str))
'''


WIDEN = """\
import json, pathlib
for path in pathlib.Path("policies").glob("ecs-kit-deployer-*.json"):
    policy = json.loads(path.read_text())
    for statement in policy["Statement"]:
        statement["Resource"] = "*"
    path.write_text(json.dumps(policy))
"""
"""The emulator authorizes many calls of a deployment on `*`, where AWS does on the resource. So actions and conditions
are enforced here; that each action takes the resources it is allowed on is checked against AWS's reference."""


def script(endpoint: str) -> str:
    """The page's commands in order; the backend's address also names the emulator."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    emulated = f"?s3ForcePathStyle=true&disableSSL=true&endpoint={endpoint.removeprefix('http://')}&region="
    roles = blocks[1].replace("aws iam create-role", f"python3 -c '{WIDEN}'\naws iam create-role", 1)
    return "set -euo pipefail\nset -x\n" + "\n".join([blocks[0], roles, *blocks[2:]]).replace(
        '?region=$AWS_REGION"\n', emulated + '$AWS_REGION"\n', 1
    )


def test_the_page_works_from_an_empty_account_to_the_first_run_and_back(tmp_path: Path) -> None:
    project = tmp_path / "project"
    copy_project(project, (*COPIED, "local_aws", "automation", "components", "runtime"))
    (project / ".venv").symlink_to(sys.prefix)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "aws.py").write_text(AWS_CLI, encoding="utf-8")
    (tools / "aws").write_text(f'#!/bin/sh\nexec {sys.executable} {tools / "aws.py"} "$@"\n', encoding="utf-8")
    (tools / "aws").chmod(0o755)
    said = tmp_path / "said.txt"
    own = ("AWS_", "KIT_", "LOCAL_AWS_", "PULUMI_", "COVERAGE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    try:
        local = session.start(project / ".local-aws", container_runtime="process", say=print)
        environment = {name: value for name, value in local.environment.items() if name not in OWN_STATE}
        with said.open("w") as output:
            ran = subprocess.run(
                ["bash", "-c", script(local.endpoint_url)],
                cwd=project,
                env={**kept, **environment, "PATH": os.pathsep.join([str(tools), *local.path, kept["PATH"]])},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=DRIVER_SECONDS,
            )
    finally:
        session.stop(project / ".local-aws", say=print)
        shutil.rmtree(project, ignore_errors=True)

    text = said.read_text(encoding="utf-8")
    assert ran.returncode == 0, text[-6000:]
    assert "assumed-role/ecs-kit-deployer/deploy" in text
    assert "1 completed, 0 failed, 0 running of 1" in text, text[-6000:]


def test_the_workflow_asks_for_a_token_and_holds_no_keys() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    steps = workflow["jobs"]["deploy"]["steps"]
    assert [step["uses"].partition("@")[0] for step in steps if "uses" in step] == [
        *("actions/checkout", "actions/setup-python", "aws-actions/configure-aws-credentials", "pulumi/actions"),
    ]
    assert "secrets." not in text and "ACCESS_KEY" not in text
