"""The entry points of the two functions."""

from __future__ import annotations

from typing import Any

import pytest

from ecs_kit.runtime.contract.errors import PayloadInvalid
from ecs_kit.runtime.functions import clients, function
from ecs_kit.runtime.launcher import handler as launcher
from ecs_kit.runtime.monitor import handler as monitor
from tests.unit.runtime.fakes import EXECUTION, REGION, FakeContext, execution, settings_json, spec
from tests.unit.runtime.test_monitor import event

LAUNCH = {"action": "launch", "execution": execution(), "spec": spec(tasks=2)}


@pytest.fixture
def deployed(w: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world whose clients the handlers find."""
    monkeypatch.setenv("KIT_SETTINGS", settings_json())
    monkeypatch.setattr(function, "Clock", lambda: w.clock)
    for name, client in (("dynamodb", w.dynamodb), ("stepfunctions", w.stepfunctions)):
        monkeypatch.setattr(clients, name, lambda client=client: client)
    for name in ("ecs", "ecs_without_retries"):
        monkeypatch.setattr(clients, name, lambda: w.ecs)
    return w


class TestLauncher:
    def test_launches_in_the_time_that_is_left(self, deployed: Any) -> None:
        assert launcher.handler(LAUNCH, FakeContext(1))["remaining"] == 1
        assert launcher.handler(LAUNCH, FakeContext())["launched"] == 1

    def test_refuses_other_actions(self, deployed: Any) -> None:
        with pytest.raises(PayloadInvalid, match="action is 'sweep', not 'launch'"):
            launcher.handler({"action": "sweep"}, FakeContext())


class TestMonitor:
    def test_registers_and_records_failures(self, deployed: Any) -> None:
        run = monitor.handler({**LAUNCH, "action": "register"}, FakeContext())
        numbers = dict.fromkeys(("index", "infrastructureFailures", "waitedSeconds", "turn", "retries"), 0)
        failure = {"task": LAUNCH["spec"]["taskList"][0], "sourceBucket": "b", "attempt": 1, "error": "x", "cause": ""}
        payload = {**run, **numbers, **failure, "action": "record_failure", "execution": execution()}
        assert not monitor.handler(payload, FakeContext())["again"]

    def test_polls(self, deployed: Any) -> None:
        run = launcher.handler(LAUNCH, FakeContext())
        deployed.end_tasks()
        payload = {**run, "action": "monitor", "execution": execution()}
        assert monitor.handler(payload, FakeContext())["succeeded"]

    def test_ends_and_sweeps(self, deployed: Any) -> None:
        launcher.handler(LAUNCH, FakeContext())
        deployed.stepfunctions.executions[EXECUTION] = {"status": "ABORTED"}
        assert len(monitor.handler({"action": "sweep"}, FakeContext())["finalized"]) == 1
        assert monitor.handler(event(), FakeContext())["finalized"]

    @pytest.mark.parametrize("payload", [{}, {"action": "launch"}])
    def test_refuses_other_payloads(self, deployed: Any, payload: Any) -> None:
        with pytest.raises(PayloadInvalid, match="not 'register', 'monitor', 'record_failure' or 'sweep'"):
            monitor.handler(payload, FakeContext())


def test_clients_are_made_once_and_run_task_is_never_repeated_by_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    made = (clients.dynamodb, clients.ecs, clients.ecs_without_retries, clients.stepfunctions)
    try:
        assert [client().meta.config.retries["total_max_attempts"] for client in made] == [11, 9, 1, 9]
        assert clients.dynamodb() is clients.dynamodb()
    finally:
        for client in made:
            client.cache_clear()
