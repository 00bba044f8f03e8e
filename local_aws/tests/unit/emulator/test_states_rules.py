"""Rules of Step Functions that need no execution.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from ministack.services.stepfunctions import _ExecutionError

from local_aws.emulator.aws_behaviour import states_engine, states_machines
from local_aws.emulator.aws_behaviour.calls import Refused


def rules(*names: str) -> list[dict[str, Any]]:
    return [{"ErrorEquals": [name]} for name in names]


@pytest.mark.parametrize(
    ("names", "error", "index"),
    [
        (("A", "B"), "B", 1),
        (("A", "States.ALL"), "B", 1),
        (("States.TaskFailed",), "Anything", 0),
        (("States.TaskFailed",), "States.Timeout", None),
        (("States.ALL",), "States.DataLimitExceeded", None),
        (("States.DataLimitExceeded",), "States.DataLimitExceeded", 0),
        (("States.ALL",), "States.Runtime", None),
        (("ecs.serverexception",), "ECS.ServerException", None),
    ],
)
def test_the_first_rule_that_matches_decides(names: tuple[str, ...], error: str, index: int | None) -> None:
    assert states_engine.matching(rules(*names), error) == index


def test_a_delay_grows_to_its_maximum_and_full_jitter_is_a_share_of_it() -> None:
    rule = {"IntervalSeconds": 2, "BackoffRate": 3, "MaxDelaySeconds": 10}
    assert [states_engine.retry_delay(rule, count, 0.5) for count in range(3)] == [2, 6, 10]
    assert states_engine.retry_delay({**rule, "JitterStrategy": "FULL"}, 1, 0.5) == 3
    assert states_engine.retry_delay({}, 2, 0.5) == 4


@pytest.mark.parametrize(("size", "included"), [(10, True), (states_engine.STATUS_EVENT_PAYLOAD_BYTES, False)])
def test_a_status_event_leaves_out_an_input_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, size: int, included: bool
) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html."""
    sent: list[Any] = []
    monkeypatch.setattr(states_engine, "publish_event", lambda _source, _type, detail, _arn: sent.append(detail))
    arn, given = "arn:aws:states:eu-west-1:123456789012:execution:m:e", json.dumps("x" * size)
    states_engine.publish_status(
        {"executionArn": arn, "stateMachineArn": "m", "name": "e", "status": "RUNNING", "input": given}
    )
    assert (sent[0]["input"], sent[0]["inputDetails"]) == (given if included else None, {"included": included})


def test_an_execution_that_is_waited_for_has_no_status_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states_engine, "publish_event", lambda *_: pytest.fail("an event"))
    states_engine.publish_status({"sync": True})


def test_two_states_of_a_machine_have_no_name_in_common() -> None:
    processor = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    states = {"Each": {"Type": "Map", "ItemProcessor": processor, "Next": "Done"}, "Done": {"Type": "Succeed"}}
    with pytest.raises(Refused, match="DUPLICATE_STATE_NAME: Duplicate state name: Done at /States/Done"):
        states_machines.check_definition({"States": states})


def test_a_history_has_25000_events_at_most() -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""
    executions = states_engine.Executions()
    execution = {"events": [{}] * (states_engine.MAXIMUM_EVENTS - 3)}
    context = {"QueryLanguage": "JSONata", "variables": {}}
    with pytest.raises(_ExecutionError, match="25000") as error:
        executions.run_states({"A": {"Type": "Pass", "Next": "A"}}, "A", {}, execution, context)
    assert error.value.error == "States.Runtime"
    assert len(execution["events"]) == states_engine.MAXIMUM_EVENTS + 1
