"""What a run's tasks wrote to CloudWatch Logs, as it comes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.reporter.items import Item


@dataclass(eq=False)
class LogLines:
    """The lines of a task, or of all tasks, which then begin with the task's name; of an attempt, or of all.

    `found` says whether there was any.
    """

    aws: AwsClients
    log_group: str
    task: str | None = None
    attempt: int | None = None
    found: bool = field(default=False, init=False)
    _tokens: dict[str, str] = field(default_factory=dict, init=False)

    def new(self, details: Iterable[Item]) -> Iterator[str]:
        """The lines that have come since the last call; `details` are the run's items of the details table."""
        for item in sorted(details, key=lambda item: (str(item["task_name"]), int(item["attempt"]))):
            is_wanted = self.task in (None, item["task_name"]) and self.attempt in (None, item["attempt"])
            if not is_wanted or not item.get("log_stream"):
                continue
            start = "" if self.task else f"{item['task_name']}/{item['attempt']} | "
            for message in self._messages(str(item["log_stream"])):
                self.found = True
                yield f"{start}{message}"

    def _messages(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get(stream)
            after: Any = {"nextToken": token} if token else {}
            try:
                answer = self.aws.logs.get_log_events(
                    logGroupName=self.log_group, logStreamName=stream, startFromHead=True, **after
                )
            except self.aws.logs.exceptions.ResourceNotFoundException:
                return
            yield from (event["message"].rstrip() for event in answer["events"])
            self._tokens[stream] = answer["nextForwardToken"]
            # The end is reached where the token stays the same.
            if self._tokens[stream] == token:
                return
