"""The rate limits that AWS documents, as fault rules (`local_aws.emulator.faults`), each with its source and its date.

`aws.json` has those of us-east-1, us-west-2 and eu-west-1; Step Functions allows less in other regions. An account may
have others. New tables of DynamoDB are taken to have all of their burst capacity.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

AWS = Path(__file__).with_name("aws.json")


def aws_rules() -> list[dict[str, Any]]:
    """The rules of `aws.json`."""
    rules: list[dict[str, Any]] = json.loads(AWS.read_text(encoding="utf-8"))
    return rules
