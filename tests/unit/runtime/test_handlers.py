"""The entry points of the two functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ecs_kit.runtime.common import clients
from ecs_kit.runtime.contract.errors import PayloadInvalid, SettingsInvalid
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.launcher import handler as launcher
from ecs_kit.runtime.monitor import handler as monitor
from tests.unit.runtime.fakes import EXECUTION, REGION, FakeContext, execution, settings_json, spec
from tests.unit.runtime.test_monitor import event, finish


@pytest.fixture
def deployed(world: Callable[..., Any], dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world whose clients the handlers find."""
    w = world()
    monkeypatch.setenv("KIT_SETTINGS", settings_json())
    for module in (launcher, monitor):
        monkeypatch.setattr(module, "Clock", lambda: w.clock)
    monkeypatch.setattr(clients, "dynamodb", lambda: dynamodb)
    monkeypatch.setattr(clients, "ecs", lambda: w.ecs)
    monkeypatch.setattr(clients, "ecs_without_retries", lambda: w.ecs)
    monkeypatch.setattr(clients, "stepfunctions", lambda: w.stepfunctions)
    return w


def launch_payload() -> dict[str, Any]:
    return {"action": "launch", "execution": execution(), "spec": spec(tasks=2)}


class TestLauncher:
    def test_launches(self, deployed: Any) -> None:
        assert launcher.handler(launch_payload(), FakeContext())["launched"] == 2

    def test_minds_the_time_left(self, deployed: Any) -> None:
        assert launcher.handler(launch_payload(), FakeContext(1))["remaining"] == 1

    def test_refuses_other_actions(self, deployed: Any) -> None:
        with pytest.raises(PayloadInvalid, match="action is 'sweep', not 'launch'"):
            launcher.handler({"action": "sweep"}, FakeContext())

    def test_needs_its_settings(self, deployed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("KIT_SETTINGS")
        with pytest.raises(SettingsInvalid):
            launcher.handler(launch_payload(), FakeContext())


class TestMonitor:
    def test_registers(self, deployed: Any) -> None:
        assert monitor.handler({"action": "register", "execution": execution(), "spec": spec()}, FakeContext())["runId"]

    def test_follows(self, deployed: Any) -> None:
        run = launcher.handler(launch_payload(), FakeContext())
        finish(deployed, TaskStatus.COMPLETED)
        payload = {"action": "monitor", "execution": execution(), **run}
        assert monitor.handler({**payload, "action": "monitor"}, FakeContext())["succeeded"]

    def test_ends(self, deployed: Any) -> None:
        launcher.handler(launch_payload(), FakeContext())
        assert monitor.handler(event(), FakeContext())["finalized"]

    def test_sweeps(self, deployed: Any) -> None:
        launcher.handler(launch_payload(), FakeContext())
        deployed.stepfunctions.executions[EXECUTION] = {"status": "ABORTED"}
        assert len(monitor.handler({"action": "sweep"}, FakeContext())["finalized"]) == 1

    @pytest.mark.parametrize("payload", [{}, {"action": "launch"}])
    def test_refuses_other_payloads(self, deployed: Any, payload: Any) -> None:
        with pytest.raises(PayloadInvalid, match="not 'register', 'monitor', 'record_failure' or 'sweep'"):
            monitor.handler(payload, FakeContext())


class TestClients:
    @pytest.fixture(autouse=True)
    def region(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        made = (clients.dynamodb, clients.ecs, clients.ecs_without_retries, clients.stepfunctions)
        yield
        for client in made:
            client.cache_clear()

    def test_are_made_once(self) -> None:
        assert clients.dynamodb() is clients.dynamodb()
        assert clients.stepfunctions().meta.service_model.service_name == "stepfunctions"
        assert clients.ecs().meta.config.retries["total_max_attempts"] == 9

    def test_run_task_is_never_repeated_behind_the_launcher_s_back(self) -> None:
        assert clients.ecs_without_retries().meta.config.retries["total_max_attempts"] == 1
