"""The DynamoDB tables of a workflow's runs and their tasks."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from ecs_kit.components.parts import PartArgs
from ecs_kit.runtime.contract.records import (
    DETAILS_HASH_KEY,
    DETAILS_RANGE_KEY,
    EXPIRY_ATTRIBUTE,
    OPEN_RUNS_INDEX,
    OPEN_RUNS_KEY,
    SUMMARY_HASH_KEY,
    SUMMARY_RANGE_KEY,
    UNCOUNTED_INDEX,
    UNCOUNTED_KEY,
    UNCOUNTED_PROJECTION,
)

CAPACITY_UNITS = 5
"""Read and write capacity units of each table where they are provisioned."""

INDEX_CAPACITY_UNITS = 1
"""The same of the index of open runs: two writes a run, one read every 10 minutes."""


class Tables(pulumi.ComponentResource):
    """The summary table, with a sparse index of open runs, and the details table, with one of uncounted attempts."""

    def __init__(self, name: str, args: PartArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:tables:Tables", name, None, opts)
        is_provisioned = args.config.table_billing == "PROVISIONED"
        index_units = INDEX_CAPACITY_UNITS if is_provisioned else None
        open_runs = aws.dynamodb.TableGlobalSecondaryIndexArgs(
            name=OPEN_RUNS_INDEX,
            key_schemas=[
                aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=OPEN_RUNS_KEY, key_type="HASH")
            ],
            projection_type="KEYS_ONLY",
            read_capacity=index_units,
            write_capacity=index_units,
        )
        attempt_units = CAPACITY_UNITS if is_provisioned else None
        uncounted = aws.dynamodb.TableGlobalSecondaryIndexArgs(
            name=UNCOUNTED_INDEX,
            key_schemas=[
                aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=DETAILS_HASH_KEY, key_type="HASH"),
                aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=UNCOUNTED_KEY, key_type="RANGE"),
            ],
            projection_type="INCLUDE",
            non_key_attributes=UNCOUNTED_PROJECTION,
            read_capacity=attempt_units,
            write_capacity=attempt_units,
        )
        summary_keys = {SUMMARY_HASH_KEY: "S", SUMMARY_RANGE_KEY: "N", OPEN_RUNS_KEY: "S"}
        details_keys = {DETAILS_HASH_KEY: "N", DETAILS_RANGE_KEY: "S", UNCOUNTED_KEY: "S"}
        summary = self._table(args.names.summary_table, args, summary_keys, [open_runs])
        details = self._table(args.names.details_table, args, details_keys, [uncounted])
        self.register_outputs({"summary": summary.name, "details": details.name})

    def _table(
        self,
        name: str,
        args: PartArgs,
        key_types: Mapping[str, str],
        indexes: Sequence[aws.dynamodb.TableGlobalSecondaryIndexArgs],
    ) -> aws.dynamodb.Table:
        """A table whose hash and range keys are the first two of `key_types`."""
        hash_key, range_key, *_ = key_types
        units = CAPACITY_UNITS if args.config.table_billing == "PROVISIONED" else None
        is_recoverable = args.config.point_in_time_recovery == "enabled"
        encryption, key_arn = None, args.config.kms_key_arn
        if key_arn:
            encryption = aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=key_arn)
        return aws.dynamodb.Table(
            name,
            name=name,
            hash_key=hash_key,
            range_key=range_key,
            attributes=[{"name": key, "type": key_type} for key, key_type in key_types.items()],
            global_secondary_indexes=indexes,
            # Always on: items without the attribute are kept, and AWS allows a change of this setting once an hour.
            ttl=aws.dynamodb.TableTtlArgs(attribute_name=EXPIRY_ATTRIBUTE, enabled=True),
            billing_mode=args.config.table_billing,
            read_capacity=units,
            write_capacity=units,
            server_side_encryption=encryption,
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True) if is_recoverable else None,
            deletion_protection_enabled=args.config.retains_data,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=args.config.retains_data),
        )
