"""How what the emulator's process keeps is read and emptied over HTTP: GET reads, POST empties, DELETE switches off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from local_aws.emulator.fault_injection import Application, Receive, Send


class Kept(Protocol):
    """What is kept: a meter, a record."""

    def reset(self) -> None:
        """Empty it and switch it on."""

    def switch_off(self) -> None:
        """Keep no more, and forget what was kept."""

    def read(self) -> Any:
        """It as JSON."""


async def serve(
    path: str, kept: Kept, inner: Application, scope: Mapping[str, Any], receive: Receive, send: Send
) -> None:
    """Wrap MiniStack's application: what is kept is read and emptied at this path."""
    if scope["type"] != "http" or scope["path"] != path:
        await inner(scope, receive, send)
        return
    if scope["method"] == "POST":
        kept.reset()
    elif scope["method"] == "DELETE":
        kept.switch_off()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(kept.read()).encode()})
