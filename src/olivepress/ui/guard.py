"""What every request must be, and what every answer carries: only this machine's browser reads, nothing is sent out.

A page elsewhere may point a name of its own at 127.0.0.1 (DNS rebinding): the Host header says what the browser was
asked for, and only this machine's own names are answered.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from olivepress.core.messages import explain

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "POLICY", "Guard"]

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_HERE = re.compile(rb"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)


class Guard:
    """Around the application: refuses a request before it reaches it, and completes the headers of its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # there are no sockets, and nothing to do at the start and the end
        if refusal := _refusal(scope["method"], scope["headers"]):
            await _answer(send, *refusal)
            return
        try:
            await self._app(scope, receive, _completed(send))
        except Exception as error:  # the application has answered with a page
            print(f"olivepress: {scope['path']}: {explain(error)}", file=sys.stderr)


def _refusal(method: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, str] | None:
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 or not _HERE.fullmatch(hosts[0]):
        return 403, "Only 127.0.0.1 and localhost are answered."
    if method != "GET":
        return 405, "These pages are only read: GET."
    sent = {name: value for name, value in headers if name.startswith(b"sec-fetch-")}
    elsewhere = sent.get(b"sec-fetch-site") in (b"cross-site", b"same-site")
    if elsewhere and sent.get(b"sec-fetch-mode") != b"navigate":
        return 403, "Another site's page cannot read these."
    return None


async def _answer(send: Send, status: int, text: str) -> None:
    headers = HEADERS | {"content-type": "text/plain; charset=utf-8"} | ({"allow": "GET"} if status == 405 else {})
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})


def _completed(send: Send) -> Any:
    """``send`` which adds the headers that an answer does not set itself."""

    async def send_completed(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            more = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in given]
            message["headers"] = [*message["headers"], *more]
        await send(message)

    return send_completed
