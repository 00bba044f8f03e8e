"""The process of one AWS Lambda execution environment. Run by path, with the standard library alone.

The first line of standard input is the environment (`code`, `packages`, `handler`, `functionName`, `version`,
`memory`, `logGroup`, `logStream`); every further line an invocation (`event`, `requestId`, `arn`, `deadline`,
`traceId`). Each is answered with one line on what was standard output at the start: `{"result": …}`, or
`{"error": {"errorMessage", "errorType", "requestId", "stackTrace"}}` as AWS Lambda reports an exception
(https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html). What the handler prints is its log; the line
`END_OF_LOG` follows it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any

END_OF_LOG = "\x04"


class Context:
    """The handler's second argument (https://docs.aws.amazon.com/lambda/latest/dg/python-context.html)."""

    identity = None
    client_context = None

    def __init__(self, environment: dict[str, Any], invocation: dict[str, Any]) -> None:
        self.function_name = environment["functionName"]
        self.function_version = environment["version"]
        self.invoked_function_arn = invocation["arn"]
        self.memory_limit_in_mb = str(environment["memory"])
        self.aws_request_id = invocation["requestId"]
        self.log_group_name = environment["logGroup"]
        self.log_stream_name = environment["logStream"]
        self._deadline = invocation["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out."""
        return max(0, int((self._deadline - time.time()) * 1000))


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as AWS Lambda reports it."""
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def main() -> None:
    """Serve invocations until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    environment = json.loads(sys.stdin.readline())
    sys.path[:0] = [environment["code"], *environment["packages"]]
    handler = failure = None
    module, _, function = environment["handler"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), function)
    except Exception as error:  # noqa: BLE001 - reported as the answer to every invocation
        traceback.print_exc()
        failure = describe(error)
        if isinstance(error, ImportError):
            failure["errorType"] = "Runtime.ImportModuleError"
            failure["errorMessage"] = f"Unable to import module '{module}': {error}"
    for line in sys.stdin:
        invocation = json.loads(line)
        os.environ.pop("_X_AMZN_TRACE_ID", None)
        if invocation.get("traceId"):
            os.environ["_X_AMZN_TRACE_ID"] = invocation["traceId"]
        answer: dict[str, Any] = {"error": failure}
        if handler is not None:
            try:
                result = handler(invocation["event"], Context(environment, invocation))
                answer = {"result": json.loads(json.dumps(result))}
            except Exception as error:  # noqa: BLE001 - the edge of the handler
                traceback.print_exc()
                answer = {"error": describe(error)}
        if "error" in answer:
            answer["error"]["requestId"] = invocation["requestId"]
        sys.stdout.flush()
        print(END_OF_LOG, file=sys.stderr, flush=True)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
