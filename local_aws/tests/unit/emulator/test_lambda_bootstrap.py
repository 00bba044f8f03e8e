"""The process of an execution environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from local_aws.emulator.aws_behaviour import lambda_bootstrap


def serve(folder: Path, code: str, *events: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Run invocations; answers with their answers and the lines of the log."""
    (folder / "code.py").write_text(code)
    environment = {
        "code": str(folder),
        "packages": [],
        "handler": "code.handler",
        "functionName": "f",
        "version": "$LATEST",
        "memory": 128,
        "logGroup": "g",
        "logStream": "s",
    }
    invocations = [
        {"event": event, "requestId": f"r{index}", "arn": "arn", "deadline": time.time() + 5, "traceId": "t"}
        for index, event in enumerate(events)
    ]
    done = subprocess.run(
        [sys.executable, lambda_bootstrap.__file__],
        input="\n".join(json.dumps(each) for each in [environment, *invocations]),
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines()


def test_a_result_and_what_was_printed_are_kept_apart(tmp_path: Path) -> None:
    code = (
        "def handler(event, context):\n"
        "    print('log', event)\n"
        "    return {'got': event, 'id': context.aws_request_id}\n"
    )
    answers, log = serve(tmp_path, code, 1, 2)
    assert answers == [{"result": {"got": 1, "id": "r0"}}, {"result": {"got": 2, "id": "r1"}}]
    assert log == ["log 1", lambda_bootstrap.END_OF_LOG, "log 2", lambda_bootstrap.END_OF_LOG]


def test_an_exception_is_reported_as_aws_lambda_does(tmp_path: Path) -> None:
    answers, log = serve(tmp_path, "def handler(event, context):\n    raise KeyError('k')\n", None)
    error = answers[0]["error"]
    assert (error["errorType"], error["errorMessage"], error["requestId"]) == ("KeyError", "'k'", "r0")
    assert any("raise KeyError" in line for line in log)


def test_a_result_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    answers, _log = serve(tmp_path, "def handler(event, context):\n    return {1, 2}\n", None)
    assert answers[0]["error"]["errorType"] == "TypeError"


def test_a_handler_that_cannot_be_loaded_fails_every_invocation(tmp_path: Path) -> None:
    answers, _log = serve(tmp_path, "import nowhere_to_be_found\n", 1, 2)
    assert [answer["error"]["errorType"] for answer in answers] == ["Runtime.ImportModuleError"] * 2
    assert answers[1]["error"]["requestId"] == "r1"


def test_the_context_counts_down(tmp_path: Path) -> None:
    code = "def handler(event, context):\n    return context.get_remaining_time_in_millis()\n"
    answers, _log = serve(tmp_path, code, None)
    assert 0 < answers[0]["result"] <= 5000
