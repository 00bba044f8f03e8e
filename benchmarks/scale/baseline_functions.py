"""The two functions of the baseline: what those of AWS's starter kit do, call for call."""

import os

import boto3
from botocore.config import Config

# The AWS SDK for Java makes four attempts by default.
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 4})
ecs = boto3.client("ecs", config=CONFIG)
dynamodb = boto3.client("dynamodb", config=CONFIG)


def launch(spec, _context):
    """Start the tasks one after another, put one summary, and hand all ARNs to the state machine."""
    network = {
        "subnets": spec["subnetIdLiteral"].split(spec["separator"]),
        "securityGroups": spec["securityGroupId"].split(spec["separator"]),
    }
    arns = []
    for task in spec["taskList"]:
        variables = {
            "KIT_WORKFLOW_NAME": spec["workflowName"],
            "KIT_WORKFLOW_RUN_ID": spec["workflowRunId"],
            "KIT_TASK_NAME": task["taskName"],
            "KIT_ATTEMPT": "1",
            "KIT_SOURCE_BUCKET": spec["s3BucketName"],
            "KIT_SOURCE_KEY": task["objectKey"],
            "KIT_DEADLINE": spec["deadline"],
        }
        environment = [{"name": name, "value": value} for name, value in variables.items()]
        answer = ecs.run_task(
            cluster=spec["clusterName"],
            taskDefinition=spec["taskDefinition"],
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
            overrides={"containerOverrides": [{"name": spec["containerName"], "environment": environment}]},
        )
        arns.append(answer["tasks"][0]["taskArn"])
    dynamodb.put_item(
        TableName=os.environ["SUMMARY_TABLE"],
        Item={
            "workflow_name": {"S": spec["workflowName"]},
            "workflow_run_id": {"N": spec["workflowRunId"]},
            "number_of_tasks": {"N": str(len(arns))},
            "status": {"S": "Running"},
        },
    )
    return {"workflowName": spec["workflowName"], "workflowRunId": spec["workflowRunId"], "ecsTaskArns": arns}


def rows(**query):
    """The rows of a query."""
    for page in dynamodb.get_paginator("query").paginate(**query):
        yield from page["Items"]


def monitor(event, _context):
    """Read all rows, twice, and write the counts.

    All pages of each query: there it is the first, so that a run whose rows are more than 1 MB never ends.
    """
    run = event["iterator"]
    query = {
        "TableName": os.environ["DETAILS_TABLE"],
        "KeyConditionExpression": "workflow_run_id = :id",
        "ExpressionAttributeValues": {":id": {"N": run["workflowRunId"]}},
    }
    # This answer is not used.
    list(rows(**query, ProjectionExpression="#status", ExpressionAttributeNames={"#status": "status"}))
    found = [row["status"]["S"] for row in rows(**query)]
    completed, failed = found.count("Completed"), found.count("Failed")
    done = completed + failed == len(run["ecsTaskArns"])
    counts = {
        "completed_tasks": completed,
        "failed_tasks": failed,
        "running_tasks": len(found) - completed - failed,
    }
    dynamodb.update_item(
        TableName=os.environ["SUMMARY_TABLE"],
        Key={
            "workflow_name": {"S": run["workflowName"]},
            "workflow_run_id": {"N": run["workflowRunId"]},
        },
        UpdateExpression="SET #status = :status, " + ", ".join(f"{name} = :{name}" for name in counts),
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":status": {"S": "Completed" if done else "Running"},
            **{f":{name}": {"N": str(count)} for name, count in counts.items()},
        },
    )
    return {**run, "continue": not done}
