"""Clients with which a service of the emulator calls another one, over HTTP, so that IAM decides about the call."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from ministack.core.responses import get_region

from local_aws.emulator.aws_behaviour import permissions


def _client(service: str, **credentials: str) -> Any:
    make: Any = boto3.Session().client
    return make(
        service,
        region_name=get_region(),
        endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        config=Config(retries={"total_max_attempts": 1}),
        **credentials,
    )


def of_root(service: str) -> Any:
    """A client with the rights of the account itself, for what a service does in its own name."""
    return _client(service, aws_access_key_id="test", aws_secret_access_key="test")


@contextmanager
def of_role(service: str, role_arn: str, session_name: str) -> Iterator[Any]:
    """A client with a session of a role, which ends with the block."""
    session = permissions.open_session(role_arn, session_name)
    try:
        yield _client(
            service,
            aws_access_key_id=session.access_key_id,
            aws_secret_access_key=session.secret_access_key,
            aws_session_token=session.session_token,
        )
    finally:
        permissions.close_session(session)
