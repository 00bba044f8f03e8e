"""What the tests of the driver share: a mocked AWS, and a time that passes only by waiting."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import boto3
import pytest
from moto import mock_aws

from ecs_kit.automation.host import polling
from ecs_kit.automation.stacks.clients import AwsClients


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsClients]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield AwsClients(boto3.Session(region_name="us-east-1"))


@dataclass
class Time:
    """Stands for the module `time` where something is waited for.

    Attributes:
        step: seconds that each sleep takes; None: those that are asked for.
        meanwhile: what happens during each sleep.
        slept: the sleeps so far.
    """

    step: float | None = None
    meanwhile: Callable[[], object] = lambda: None
    slept: list[float] = field(default_factory=list)
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds if self.step is None else self.step
        self.meanwhile()


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(polling, "time", time)
    return time
