"""The page of a run that is watched: it shows the newest state that was read."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

from ecs_kit.automation.journeys.report_page import gather
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.reporter.data import Reading, document
from ecs_kit.runtime.reporter.page import embedded, page
from ecs_kit.runtime.reporter.reading import logs_of_failed
from ecs_kit.runtime.reporter.run_state import RunKey, RunState


class LivePage:
    """A run's page and its data, at `name`.html and `name`.json. One thread updates it, others read it."""

    def __init__(self, aws: AwsClients, key: RunKey) -> None:
        self.name = f"pattern-{key.pattern}-run-{key.run_id}"
        self._aws = aws
        self._reading: Reading = gather.reading(aws, RunState(key, None, None, ()), logs={})
        self._is_registered = False
        self._lock = threading.Lock()

    def update(self, state: RunState) -> None:
        """Show a newer state. Logs of failed tasks are read once, and the task definition once it is known."""
        if not self._is_registered and state.summary is not None:
            self._is_registered = True
            found = gather.reading(self._aws, state, logs={})
        else:
            found = replace(self._reading, state=state, now=datetime.now(UTC))
        logs = logs_of_failed(self._aws, state, known=self._reading.logs)
        with self._lock:
            self._reading = replace(found, logs=logs)

    def html(self) -> str:
        """The page, which asks for newer data."""
        return page(self._document(), source=f"{self.name}.json")

    def json(self) -> str:
        """The newest data."""
        return embedded(self._document())

    def _document(self) -> dict[str, object]:
        with self._lock:
            newest = self._reading
        return document(newest)
