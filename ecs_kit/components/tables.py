"""The DynamoDB tables of a workflow's runs and their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ecs_kit.components.config import TableBilling
from ecs_kit.runtime.contract.records import (
    DETAILS_HASH_KEY,
    DETAILS_RANGE_KEY,
    EXPIRY_ATTRIBUTE,
    OPEN_RUNS_INDEX,
    OPEN_RUNS_KEY,
    SUMMARY_HASH_KEY,
    SUMMARY_RANGE_KEY,
)

CAPACITY_UNITS = 5
"""Read and write capacity units of each table where they are provisioned."""

INDEX_CAPACITY_UNITS = 1
"""The same of the index of open runs: two writes a run, one read every 10 minutes."""


@dataclass(frozen=True)
class TablesArgs:
    """Arguments of `Tables`.

    Args:
        summary_name: Name of the table with one item per run.
        details_name: Name of the table with one item per attempt at a task.
        billing: How both are billed.
        tags: Tags of both.
    """

    summary_name: str
    details_name: str
    billing: TableBilling
    tags: Mapping[str, str]


class Tables(pulumi.ComponentResource):
    """The summary table and the details table."""

    summary: aws.dynamodb.Table
    details: aws.dynamodb.Table

    def __init__(self, name: str, args: TablesArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:tables:Tables", name, None, opts)
        self.summary = self._table(
            args.summary_name,
            args,
            hash_key=(SUMMARY_HASH_KEY, "S"),
            range_key=(SUMMARY_RANGE_KEY, "N"),
            index=(OPEN_RUNS_INDEX, OPEN_RUNS_KEY),
        )
        self.details = self._table(
            args.details_name, args, hash_key=(DETAILS_HASH_KEY, "N"), range_key=(DETAILS_RANGE_KEY, "S")
        )
        self.register_outputs({"summary": self.summary.name, "details": self.details.name})

    def _table(
        self,
        name: str,
        args: TablesArgs,
        *,
        hash_key: tuple[str, str],
        range_key: tuple[str, str],
        index: tuple[str, str] | None = None,
    ) -> aws.dynamodb.Table:
        """Make a table, where `index` says so with a sparse index of its keys by a text attribute."""
        is_provisioned = args.billing == "PROVISIONED"
        capacity = CAPACITY_UNITS if is_provisioned else None
        index_capacity = INDEX_CAPACITY_UNITS if is_provisioned else None
        return aws.dynamodb.Table(
            name,
            name=name,
            hash_key=hash_key[0],
            range_key=range_key[0],
            attributes=[
                aws.dynamodb.TableAttributeArgs(name=key, type=key_type)
                for key, key_type in (hash_key, range_key, *([(index[1], "S")] if index else []))
            ],
            global_secondary_indexes=[
                aws.dynamodb.TableGlobalSecondaryIndexArgs(
                    name=index[0],
                    key_schemas=[
                        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=index[1], key_type="HASH")
                    ],
                    projection_type="KEYS_ONLY",
                    read_capacity=index_capacity,
                    write_capacity=index_capacity,
                )
            ]
            if index
            else None,
            # Always on: items without the attribute are kept, and AWS allows a change of this setting once an hour.
            ttl=aws.dynamodb.TableTtlArgs(attribute_name=EXPIRY_ATTRIBUTE, enabled=True),
            billing_mode=args.billing,
            read_capacity=capacity,
            write_capacity=capacity,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
