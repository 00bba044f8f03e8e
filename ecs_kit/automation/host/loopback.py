"""Texts served to this machine's own browser: on the loopback interface, below a path that nobody can guess."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ADDRESS = "127.0.0.1"
_TYPES = {"html": "text/html; charset=utf-8", "json": "application/json"}

Contents = Mapping[str, Callable[[], str]]
"""By name, which ends in `.html` or `.json`, the function that makes the text at each request."""


class LoopbackSite:
    """A web server for the programs of this machine that know its addresses.

    Another web site that the browser shows cannot read it: a request that names another host is refused, which also
    holds where a foreign name resolves to this machine.
    """

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._token = secrets.token_urlsafe(16)
        self._asked: dict[str, int] = dict.fromkeys(contents, 0)
        self._at: dict[str, float] = {}
        self._request = threading.Condition()
        self._server = ThreadingHTTPServer((ADDRESS, 0), self._handler())
        self._server.daemon_threads = True

    def url(self, name: str) -> str:
        """The address of a text."""
        return f"http://{self._host}/{self._token}/{name}"

    @contextmanager
    def running(self) -> Iterator["LoopbackSite"]:
        """Serve within the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="loopback-site", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def last_request(self, name: str, seconds: float) -> None:
        """Wait for one more request of a text, where there was one in the last so many seconds, but no longer."""
        with self._request:
            before = self._asked[name]
            if time.monotonic() - self._at.get(name, -seconds) < seconds:
                self._request.wait_for(lambda: self._asked[name] > before, timeout=seconds)

    @property
    def _host(self) -> str:
        return f"{ADDRESS}:{self._server.server_address[1]}"

    def _answer(self, host: str | None, path: str) -> tuple[HTTPStatus, str, bytes]:
        _, token, name = [*path.partition("?")[0].split("/", 2), "", ""][:3]
        known = host == self._host and secrets.compare_digest(token.encode(), self._token.encode())
        if not known or name not in self._contents:
            return HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here.\n"
        text = self._contents[name]()
        with self._request:
            self._asked[name] += 1
            self._at[name] = time.monotonic()
            self._request.notify_all()
        return HTTPStatus.OK, _TYPES[name.rpartition(".")[2]], text.encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = site._answer(self.headers["Host"], self.path)
                self.send_response(status)
                for name, value in {
                    "Content-Type": kind,
                    "Content-Length": str(len(body)),
                    "Cache-Control": "no-store",
                    "X-Content-Type-Options": "nosniff",
                    "Referrer-Policy": "no-referrer",
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Requests are not logged: their path is secret."""

        return Handler
