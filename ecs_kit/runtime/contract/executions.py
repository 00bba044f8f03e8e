"""The execution of a state machine that made a call, or that an event is about."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution: its ARN and when it started."""

    arn: str
    start_time: datetime
