"""Structured logs: one JSON object a line, with the workflow's name and the run's id.

A message is constant; what differs are the keys of `details`.
"""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from ecs_kit.runtime.contract.clock import to_iso

_run: ContextVar[dict[str, Any]] = ContextVar("_run", default={})  # noqa: B039
_logger = logging.getLogger("kit")


class JsonFormatter(logging.Formatter):
    """Writes a log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: time, level, message, workflowName, workflowRunId, and the details."""
        entry: dict[str, Any] = {
            "time": to_iso(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "message": record.getMessage(),
            **_run.get(),
            **getattr(record, "details", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure() -> None:
    """Send the root logger's records of level INFO and above to standard output as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("boto3", "botocore", "s3transfer", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def bind(workflow_name: str | None = None, run_id: int | None = None, **more: Any) -> None:
    """Set the run that the following records name; without arguments, none."""
    named = {"workflowName": workflow_name, "workflowRunId": None if run_id is None else str(run_id), **more}
    _run.set({name: value for name, value in named.items() if value is not None})


def info(message: str, **details: Any) -> None:
    """Log that something happened."""
    _logger.info(message, extra={"details": details})


def warning(message: str, **details: Any) -> None:
    """Log something that an operator should check."""
    _logger.warning(message, extra={"details": details})


def exception(message: str, **details: Any) -> None:
    """Log the exception being handled."""
    _logger.exception(message, extra={"details": details})
