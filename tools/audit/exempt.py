"""Grants that no case can ask for, and denials that nothing names, each with the page of AWS that says why."""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from tools.audit.grants import Grant, Question, denied

LISTED = "2026-11-30"
"""When the list was made."""


@dataclass(frozen=True)
class Exemption:
    """What is exempt: grants by the end of their role's name, their statement, actions and resources; why, AWS's page.

    One of some resources is of no mutant, which lacks an action on all of them.
    """

    users: tuple[str, ...]
    sid: str
    why: str
    page: str
    actions: str = "*"
    resources: str = "*"

    def is_of(self, role: str, sid: str, action: str, resource: str = "") -> bool:
        """Whether it is of a role, a statement, an action and a resource."""
        return (
            any(role.endswith(f"-{user}") for user in self.users)
            and sid == self.sid
            and fnmatch.fnmatchcase(action, self.actions)
            and fnmatch.fnmatchcase(resource, self.resources)
        )


_GUIDE = "https://docs.aws.amazon.com"
_LAUNCHER_MONITOR = ("launcher", "monitor")
_FUNCTIONS = (*_LAUNCHER_MONITOR, "reporter")

DONE_BY_AWS = (
    Exemption(
        _FUNCTIONS,
        "ManageNetworkInterfaces",
        "Lambda makes and deletes the function's network interfaces with the role",
        f"{_GUIDE}/lambda/latest/dg/configuration-vpc.html",
    ),
    Exemption(
        _FUNCTIONS,
        "DescribeNetwork",
        "Lambda looks at the function's subnets and network interfaces with the role",
        f"{_GUIDE}/lambda/latest/dg/configuration-vpc.html",
    ),
    Exemption(
        _FUNCTIONS,
        "WriteTraces",
        "Lambda sends the function's segments to X-Ray with the role",
        f"{_GUIDE}/lambda/latest/dg/services-xray.html",
    ),
    Exemption(
        ("state-machine",),
        "WriteTraces",
        "Step Functions samples and sends traces with the role",
        f"{_GUIDE}/step-functions/latest/dg/concepts-xray-tracing.html",
    ),
    Exemption(
        ("flow-logs",),
        "WriteFlowLogs",
        "VPC Flow Logs writes the VPC's log with the role",
        f"{_GUIDE}/vpc/latest/userguide/flow-logs-iam-role.html",
    ),
    Exemption(
        ("state-machine",),
        "FollowChildren",
        "AWS's example for Distributed Map names child executions without the label that their ARNs have; which of the "
        "two forms IAM is asked for has to be seen on AWS",
        f"{_GUIDE}/step-functions/latest/dg/iam-policies-eg-dist-map.html",
        resources="*:execution:*:*",
    ),
)
"""AWS does these with a role; the local AWS does not, so that no case asks for them."""

SILENT = (
    Exemption(
        _FUNCTIONS,
        "WriteLog",
        "Lambda writes the function's log with the role; what it may not write is lost, and nothing says so",
        f"{_GUIDE}/lambda/latest/dg/monitoring-cloudwatchlogs.html",
    ),
    Exemption(
        ("task-execution",),
        "WriteLog",
        "the container agent writes the log with the role; lines that it may not put are lost",
        f"{_GUIDE}/AmazonECS/latest/developerguide/task_execution_IAM_role.html",
        "logs:PutLogEvents",
    ),
    Exemption(
        ("task",),
        "WriteTarget",
        "the SDK gives up an upload whose parts failed, and tells the part's error; the bucket's lifecycle ends what "
        "is left of it",
        f"{_GUIDE}/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html",
        "s3:AbortMultipartUpload",
    ),
    Exemption(
        ("reporter",),
        "TellTopic",
        "Lambda tells the topic with the role; where it may not, the metric `DestinationDeliveryFailures` counts it",
        f"{_GUIDE}/lambda/latest/dg/invocation-async-retain-records.html",
    ),
    Exemption(
        ("monitor", "reporter"),
        "SendFailures",
        "Lambda sends an unhandled event with the role; where it may not, the metric `DeadLetterErrors` counts it",
        f"{_GUIDE}/lambda/latest/dg/invocation-async-retain-records.html",
    ),
    Exemption(
        ("schedule",),
        "SendFailures",
        "Scheduler sends a start that failed with the role; where it may not, the metric "
        "`InvocationsFailedToBeSentToDeadLetterCount` counts it",
        f"{_GUIDE}/scheduler/latest/UserGuide/configuring-schedule-dlq.html",
    ),
    Exemption(
        ("state-machine",),
        "DeliverLogs",
        "Step Functions asks when a state machine is made or changed; its refusal names neither action nor log group",
        f"{_GUIDE}/step-functions/latest/dg/cw-logs.html",
    ),
    Exemption(
        ("state-machine",),
        "FollowChildren",
        "Step Functions follows and stops child executions with the role, which AWS lists for Distributed Map; what it "
        "may not do is in no history",
        f"{_GUIDE}/step-functions/latest/dg/iam-policies-eg-dist-map.html",
    ),
)
"""Cases ask for these, and are refused; no message that a user sees names the action."""

ABSENT = Exemption(
    _LAUNCHER_MONITOR,
    "",
    "S3 asks for the right to list when an object is missing, and answers 403 instead of 404 without it; the "
    "functions, which may list folders alone, take either answer for a missing copy or list",
    f"{_GUIDE}/AmazonS3/latest/API/API_GetObject.html",
    "s3:ListBucket",
)
"""The denials that belong to a run: they are no calls of the kit."""


def exemption(
    exemptions: Iterable[Exemption], role: str, sid: str, action: str, resource: str = ""
) -> Exemption | None:
    """The exemption of a role's statement, action and resource, None where there is none."""
    return next((each for each in exemptions if each.is_of(role, sid, action, resource)), None)


def not_exempt(grants: Iterable[Grant]) -> list[Grant]:
    """The grants that AWS does not use by itself."""
    return [each for each in grants if exemption(DONE_BY_AWS, each.role, each.sid, each.action, each.resource) is None]


def refused(questions: Iterable[Question]) -> list[Question]:
    """The questions that were answered with no, and should not have been."""
    return [each for each in denied(questions) if exemption([ABSENT], each.role, each.sid, each.action) is None]
