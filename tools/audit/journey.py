"""An audit on a deployed stack: play every case, and keep what each role asked IAM for in it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.journeys.scenario import Scenario
from ecs_kit.automation.stacks.lifecycle import Stack
from ecs_kit.components.config import NAMESPACE
from tools.audit import page
from tools.audit.cases import CASES, Case
from tools.audit.exempt import not_exempt, refused
from tools.audit.grants import Grant, Policies, Question, grants_of, unused
from tools.audit.stage import Stage

SOURCES, TOPIC = "audit-sources", "audit"
CONFIG = {
    "taskAttempts": "2",
    "taskTimeoutSeconds": "60",
    "stopTimeoutSeconds": "2",
    "toleratedFailurePercentage": "100",
    "sourceBuckets": json.dumps([SOURCES]),
    "scheduleExpression": "at(2100-01-01T00:00:00)",
    "scheduleSpecKey": "specs/nightly.json",
    "runReports": "create",
    "flowLogs": "create",
}
"""The stack's settings: everything that adds a grant, and short limits."""
ECS_RECORDS = {
    "jobRecords": "ecs",
    "jobContext": "examples/shell-script/image",
    "jobEnvironment": json.dumps({"TASK_NAME": "{task.name}"}),
}
"""What is different where rows are kept from ECS; the job's secrets come in addition."""


@dataclass
class Asked:
    """What was asked in a case."""

    case: str
    pattern: int
    records: str
    questions: tuple[Question, ...]


@dataclass(eq=False)
class AuditJourney(Scenario):
    """The journey of a stack that plays cases."""

    only: str = ""
    page: Path | None = None
    asked: list[Asked] = field(default_factory=list, init=False)
    policies: dict[str, Policies] = field(default_factory=dict, init=False)
    problems: list[str] = field(default_factory=list, init=False)

    @property
    def passed(self) -> bool:
        """Whether every case was played, calls and grants are the same, and everything was destroyed."""
        return not self.problems and self.report.stack_ended

    @property
    def grants(self) -> list[Grant]:
        """Every grant of the policies, with either kind of rows."""
        return sorted({grant for policies in self.policies.values() for grant in grants_of(policies)})

    @property
    def by_case(self) -> dict[int, dict[str, set[Question]]]:
        """The questions of each pattern's cases."""
        found: dict[int, dict[str, set[Question]]] = {}
        for each in self.asked:
            found.setdefault(each.pattern, {}).setdefault(each.case, set()).update(each.questions)
        return found

    def _compare(self) -> None:
        """Find the grants without a call, and the calls without a grant."""
        questions = {question for each in self.asked for question in each.questions}
        for grant in not_exempt(unused(self.grants, questions)):
            self.problems.append(f"{grant.role}: nobody asks for {grant.action} on {grant.resource} ({grant.sid})")
        for question in refused(questions):
            self.problems.append(f"{question.role}: {question.action} on {question.resource} is asked for, not granted")

    def _open_stack(self) -> Stack:
        aws = self.target.aws
        aws.s3.create_bucket(Bucket=SOURCES, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        stack = super()._open_stack()
        topic = aws.client("sns").create_topic(Name=TOPIC)["TopicArn"]
        stack.configure({f"{NAMESPACE}:notificationTopicArn": topic})
        return stack

    def use_stack(self, stack: Stack) -> None:
        """Play the cases on the stack, then, with other rows, those that are left."""
        with self._phase("task"):
            self.use_records("task")
        with self._phase("ecs"):
            self._change(stack)
            self.use_records("ecs")
        if not self.only:
            self._compare()

    def _change(self, stack: Stack) -> None:
        aws = self.target.aws
        secret = aws.client("secretsmanager").create_secret(Name="audit", SecretString="word")["ARN"]
        aws.client("ssm").put_parameter(Name="/audit/word", Value="word", Type="SecureString")
        here = self.target.aws.sts.get_caller_identity()["Account"]
        parameter = f"arn:aws:ssm:{aws.s3.meta.region_name}:{here}:parameter/audit/word"
        secrets = {"jobSecrets": json.dumps({"ONE": secret, "TWO": parameter})}
        stack.configure({f"{NAMESPACE}:{key}": value for key, value in {**ECS_RECORDS, **secrets}.items()})
        self._outputs = stack.deploy().outputs

    def use_records(self, records: str) -> None:
        """Play the cases of one kind of rows."""
        stages = self.stages()
        self.policies[records] = {key: found for stage in stages for key, found in stage.policies().items()}
        for stage in stages:
            for each in CASES:
                if stage.pattern in each.patterns and records in each.records and self.only in each.name:
                    self.play(each, stage, records)

    def play(self, each: Case, stage: Stage, records: str) -> None:
        """Play a case, and keep what was asked in it."""
        stage.begin()
        self.progress.say(f"pattern {stage.pattern}: {each.name}")
        try:
            each.play(stage)
        except DriverError as error:
            self.problems.append(f"{each.name}: {error}")
            self.progress.say(f"FAILED: {error}")
        finally:
            self.asked.append(Asked(each.name, stage.pattern, records, stage.questions()))
            stage.clean()

    def stages(self) -> list[Stage]:
        """A stage of each pattern."""
        outputs = {pattern: self._outputs[f"pattern{pattern}"] for pattern in self.plan.specs}
        return [Stage.of(self.target, deployed, pattern, SOURCES) for pattern, deployed in outputs.items()]

    def document(self) -> dict[str, Any]:
        """Problems, and what each role asked for in each case."""
        asked = [
            {
                "case": each.case,
                "pattern": each.pattern,
                "records": each.records,
                "questions": [asdict(question) for question in each.questions],
            }
            for each in self.asked
        ]
        return {"passed": self.passed, "problems": self.problems, **self.ending(), "asked": asked}

    def show_report(self) -> None:
        """Show the problems."""
        for problem in self.problems:
            self.progress.say(problem)
        self.progress.say(
            f"{'passed' if self.passed else 'FAILED'}: {len(self.grants)} grants, {len(self.asked)} cases"
        )

    def _write_report(self) -> None:
        super()._write_report()
        if self.page is not None and self.passed:
            self.page.write_text(page.page(self.grants, self.by_case), encoding="utf-8")
            self.progress.say(f"written: {self.page}")
