"""Injects the faults of a plan, in the emulator's process."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_actions, iam_evaluator, lambda_runtime, router
from ministack.services import dynamodb

from local_aws.emulator.aws_behaviour.ecs_api import injected_failures, vcpu_quota
from local_aws.emulator.aws_behaviour.ecs_tasks import lives
from local_aws.emulator.aws_behaviour.request_authorization import Handler, HttpAnswer, read_json
from local_aws.emulator.capacity import WRITES, tables_of
from local_aws.emulator.dynamodb_calls import consuming
from local_aws.emulator.errors import EmulatorError
from local_aws.emulator.faults import Call, Effect, FaultPlan, parse_rules
from local_aws.emulator.provisioned_capacity import ProvisionedCapacity

logger = logging.getLogger("emulator.faults")

PATH = "/_emulator/faults"
"""PUT rules there, GET how many calls they hit; `?set=…` names the set of rules."""

_POLL_SECONDS = 0.1
_EXCEEDED = "ProvisionedThroughputExceededException"
_EXCEEDED_MESSAGE = (
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning "
    "level with the UpdateTable API."
)

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Application = Any
"""An ASGI application (https://asgi.readthedocs.io/en/latest/specs/main.html)."""


class ConnectionDropped(BaseException):
    """The call is not answered. Not an `Exception`: MiniStack would answer that."""


class FaultInjector:
    """Stands between the network and the services, with a plan for each set of rules, by its name."""

    def __init__(self) -> None:
        self._plans: dict[str, FaultPlan] = {}
        self._capacity = ProvisionedCapacity()

    async def handle(
        self,
        service: str,
        handler: Handler,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
    ) -> HttpAnswer:
        """Wrap a service's handler."""
        proceed = functools.partial(handler, method, path, headers, body, query_params)
        if not self._plans:
            return await proceed()
        named = iam_actions.extract_iam_action(service, method, path, headers, body, query_params) or ":"
        call = Call(
            service=service,
            operation=named.split(":", 1)[1],
            caller=iam_evaluator.request_caller_arn(headers, query_params),
            request=f"{path} {body.decode('utf-8', errors='replace')}",
            access_key_id=router.extract_access_key_id(headers, query_params) or "",
        )
        # Where several sets have something for a call, the one that came first.
        effect = next((found for plan in list(self._plans.values()) if (found := plan.decide(call))), None)
        if effect is None:
            return await proceed()
        logger.info("%s %s by %s: %s", service, call.operation, call.caller, effect.kind)
        if effect.kind == "provisionedCapacity":
            return await self._within_capacity(effect, call, handler, method, path, headers, body, query_params)
        return await self._affected(effect, call, headers, proceed)

    async def _within_capacity(
        self, effect: Effect, call: Call, handler: Handler, method: str, path: str, headers: dict[str, str], *rest: Any
    ) -> HttpAnswer:
        """Answer as a table with provisioned capacity does."""
        request, kind = read_json(rest[0]), "write" if call.operation in WRITES else "read"
        burst = effect.value["burstSeconds"]
        tables = [table for name in tables_of(request) if (table := dynamodb._tables.get(name)) is not None]
        lacking = [self._capacity.lacking(table, request.get("IndexName", ""), kind, burst) for table in tables]
        if any(lacking):
            return error_answer(Effect("error", _EXCEEDED, _EXCEEDED_MESSAGE), call, headers)
        answer, units = await consuming(call.operation, handler, method, path, headers, *rest)
        self._capacity.take(units)
        return answer

    async def _affected(
        self, effect: Effect, call: Call, headers: dict[str, str], proceed: Callable[[], Awaitable[HttpAnswer]]
    ) -> HttpAnswer:
        if effect.kind == "error":
            return error_answer(effect, call, headers)
        if effect.kind == "delaySeconds":
            await asyncio.sleep(effect.value)
            return await proceed()
        if effect.kind in ("failures", "vcpus"):
            variable: ContextVar[Any] = injected_failures if effect.kind == "failures" else vcpu_quota
            token = variable.set(effect.value)
            try:
                return await proceed()
            finally:
                variable.reset(token)
        if effect.value == "after":
            await proceed()
        if effect.kind == "kill":
            self.kill(call)
        if effect.kind == "interrupt":
            await self._interrupt(call)
        raise ConnectionDropped

    def kill(self, call: Call) -> None:
        """Kill the ECS task's containers, or the function's environment, that a call comes from."""
        if lives.kill(_session(call)):
            return
        for environments in list(lambda_runtime._workers.values()):
            for environment in list(environments):
                environment.kill_caller(call.access_key_id)

    async def _interrupt(self, call: Call) -> None:
        """Interrupt the ECS task that a call comes from, and wait until it has stopped: the call is not answered."""
        while lives.interrupt(_session(call)):
            await asyncio.sleep(_POLL_SECONDS)

    async def serve(self, inner: Application, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Wrap MiniStack's application: rules are taken here, and dropped calls end here."""
        if scope["type"] == "http" and scope["path"] == PATH:
            await self._control(scope, receive, send)
            return
        try:
            await inner(scope, receive, send)
        except ConnectionDropped:
            # An answer that promises more than it brings is one whose connection broke.
            start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1048576")]}
            await send(start)

    async def _control(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        name = urllib.parse.parse_qs(scope["query_string"].decode()).get("set", [""])[0]
        plan = self._plans.get(name)
        status, answer = 200, json.dumps(plan.report() if plan else [])
        if scope["method"] == "PUT":
            try:
                rules = parse_rules(json.loads(await _body(receive)))
                others = {other: plan for other, plan in self._plans.items() if other != name}
                self._plans = {**others, name: FaultPlan(rules)} if rules else others
                self._capacity = ProvisionedCapacity()
                answer = "[]"
            except (EmulatorError, ValueError) as error:
                status, answer = 400, str(error)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": answer.encode()})


def _session(call: Call) -> str:
    """The name of the session that a call comes from; an ECS task's id is that of its sessions."""
    return call.caller.rsplit("/", 1)[-1]


def error_answer(effect: Effect, call: Call, headers: dict[str, str]) -> HttpAnswer:
    """An error in the protocol of the service."""
    _status, answer_headers, body = iam_actions.access_denied_response(
        call.service,
        call.operation,
        call.caller,
        str(uuid.uuid4()),
        error_code=effect.value,
        message=effect.message,
        headers=headers,
    )
    return effect.status, answer_headers, body


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body
