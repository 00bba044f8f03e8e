"""Links into the AWS Management Console. Pure functions of ARNs and names."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html, by partition."""


class Console:
    """The console of a partition and region; an unknown partition has no links."""

    def __init__(self, state_machine_arn: str) -> None:
        _, partition, _, self._region, *_ = [*state_machine_arn.split(":"), "", "", "", ""]
        self._domain = _DOMAINS.get(partition, "")

    def _url(self, service: str, rest: str) -> str:
        return f"https://{self._region}.{self._domain}/{service}?region={self._region}{rest}" if self._domain else ""

    def execution(self, arn: str) -> str:
        """An execution of a state machine."""
        return self._url("states/home", f"#/v2/executions/details/{quote(arn, safe=':')}")

    def state_machine(self, arn: str) -> str:
        """A state machine."""
        return self._url("states/home", f"#/statemachines/view/{quote(arn, safe=':')}")

    def cluster(self, name: str) -> str:
        """The tasks of an ECS cluster."""
        return self._url(f"ecs/v2/clusters/{quote(name)}/tasks", "")

    def ecs_task(self, cluster: str) -> str:
        """An ECS task of a cluster; `{}` stands for its id."""
        return self._url(f"ecs/v2/clusters/{quote(cluster)}/tasks/{{}}/configuration", "")

    def table(self, name: str) -> str:
        """A DynamoDB table."""
        return self._url("dynamodbv2/home", f"#table?name={quote(name)}")

    def folder(self, bucket: str, prefix: str) -> str:
        """A folder of a bucket."""
        return self._url(f"s3/buckets/{quote(bucket)}", f"&prefix={quote(prefix, safe='')}")

    def object(self, bucket: str, key: str) -> str:
        """An object of a bucket, which the console can open."""
        return self._url(f"s3/object/{quote(bucket)}", f"&prefix={quote(key, safe='')}")

    def log_group(self, name: str) -> str:
        """A CloudWatch log group. The console wants names encoded twice, with `$` for the second `%`."""
        return self._url("cloudwatch/home", f"#logsV2:log-groups/log-group/{_twice(name)}")

    def log_stream(self, group: str, prefix: str) -> str:
        """The log stream of an ECS task; `{}` stands for the task's id."""
        return f"{url}/log-events/{_twice(prefix)}{{}}" if (url := self.log_group(group)) else ""

    def function(self, name: str) -> str:
        """A Lambda function."""
        return self._url("lambda/home", f"#/functions/{quote(name)}")


def _twice(text: str) -> str:
    return quote(quote(text, safe=""), safe="").replace("%", "$")


_FUNCTIONS = ("launcherFunctionName", "monitorFunctionName", "reporterFunctionName")


def resources(deployed: Mapping[str, Any], execution_arn: str, folder: str, console: Console | None) -> list[list[str]]:
    """What a run used: kind, name and the console's address of each, empty without a console."""
    of = deployed.get
    listed = [
        ("execution", execution_arn, Console.execution),
        ("state machine", of("stateMachineArn"), Console.state_machine),
        ("ECS cluster", of("clusterName"), Console.cluster),
        *(("function", of(name), Console.function) for name in _FUNCTIONS),
        ("summary table", of("ddbTableNameWFSummary"), Console.table),
        ("details table", of("ddbTableNameWFDetails"), Console.table),
        ("tasks' log group", of("taskLogGroup"), Console.log_group),
    ]
    found = [[kind, str(name), link(console, str(name)) if console else ""] for kind, name, link in listed if name]
    bucket = str(of("s3BucketName") or "")
    url = console.folder(bucket, folder) if console else ""
    return [*found, *([["results", f"s3://{bucket}/{folder}", url]] if bucket else [])]
