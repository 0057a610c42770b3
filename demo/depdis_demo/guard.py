"""Checks on every request before Gradio sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from depdis_deploy.command import one_line
from depdis_deploy.terminal import write_err

from .calls import checked
from .origins import Origins
from .routes import MOST_BYTES, Route, file_of, is_session, table
from .settings import Settings
from .visitors import Visitors

_GUESS_PAUSE_S = 1.0
_BODY_S = 60.0  # for a body to arrive, and longer for a large one
_SLOWEST_BYTES_PER_S = 50_000
_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
_GRADIO_HEADERS = (b"x-gradio-server",)  # of its own server in front, whose address it would be
_FRAMES = (b"content-security-policy", b"frame-ancestors 'self'")
_NO_SCRIPTS = (b"content-security-policy", b"sandbox; frame-ancestors 'self'")


class Guard:
    """ASGI application around Gradio's.

    Gradio answers every name, every page's uploads and calls, and many routes that the page does not use; one
    of them would fetch addresses from other machines. It limits each file of an upload, but neither their
    number nor any other body, and sign-in attempts not at all.

    Args:
        app: Gradio's application.
        settings: Names, root path and limits.
        visitors: Owners of the files that are served.
        guess_pause_s: Seconds without another sign-in attempt after a wrong password.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, visitors: Visitors, *, guess_pause_s: float = _GUESS_PAUSE_S
    ) -> None:
        self._app, self._visitors, self._root = app, visitors, settings.root_path
        self._origins, self._open = Origins(settings), settings.auth is None
        self._routes = table(settings.limits.megabytes * 1_000_000)
        self._pause_s, self._signing_in = guess_pause_s, asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it: 403, 404, 405, 408, 411, 413, 415, 421, 422 or 507."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:  # a WebSocket, which the page does not use
            await send({"type": "websocket.close", "code": 1008})

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        path = self._below_root(str(scope["path"]))
        route = next((route for pattern, route in self._routes if pattern.fullmatch(path)), None)
        rejected = self._rejected(scope, path, route, headers)
        if rejected is not None or route is None:
            await (rejected or _text(404, "not found"))(scope, receive, send)
            return
        kept = [field for field in scope["headers"] if field[0] not in _GRADIO_HEADERS]
        scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": "", "headers": kept}
        length = int(headers.get(b"content-length", b"0"))
        sent = _Sent(send, _NO_SCRIPTS if route.kind == "file" else _FRAMES)
        within = _in_time(receive, _BODY_S + length / _SLOWEST_BYTES_PER_S, sent) if length else receive
        try:
            await self._pass_on(scope, route, length, within, sent)
        except ClientDisconnect:
            pass
        except Exception as error:  # mostly a request that no page sends
            write_err(f"depdis-demo: {route.kind} request failed: {_named(error)}")
            if not sent.status and not sent.late:
                await _text(500, "the request failed")(scope, receive, sent)
        if sent.late and not sent.status:
            await _text(408, "the body did not arrive in time")(scope, receive, send)

    async def _pass_on(self, scope: Scope, route: Route, length: int, receive: Receive, sent: _Sent) -> None:
        if route.kind == "login":
            await self._sign_in(scope, receive, sent)
        elif route.kind == "upload":
            # an upload id would be kept for ever
            await self._upload({**scope, "query_string": b""}, length, receive, sent)
        elif route.kind == "call":
            await self._call(scope, receive, sent)
        else:
            with self._present(scope, route):
                await self._app(scope, receive, sent)

    def _present(self, scope: Scope, route: Route) -> AbstractContextManager[None]:
        """Count a page as open while it holds a stream."""
        session = _session(scope, route)
        return nullcontext() if session is None else self._visitors.present(session)

    async def _upload(self, scope: Scope, length: int, receive: Receive, sent: _Sent) -> None:
        reserved = await asyncio.to_thread(self._visitors.reserve, length)
        if not reserved:
            text = "the server's space for uploads is full; try again in a few minutes"
            await _text(507, text)(scope, receive, sent)
            return
        try:
            await self._app(scope, receive, sent)
        finally:
            self._visitors.release(length)

    async def _call(self, scope: Scope, receive: Receive, sent: _Sent) -> None:
        body = checked(await _body(receive))
        if dict(scope["headers"]).get(b"content-type", b"").partition(b";")[0].strip() != b"application/json":
            await _text(415, "expected application/json")(scope, receive, sent)
        elif body is None:
            await _text(422, "expected a call that the page sends")(scope, receive, sent)
        else:
            await self._app(scope, _again(body, receive), sent)

    async def _sign_in(self, scope: Scope, receive: Receive, sent: _Sent) -> None:
        """Take one attempt at a time, so that guessing a password stays slow."""
        body = await _body(receive)  # a slow client must not hold up the others
        async with self._signing_in:
            await self._app(scope, _again(body, receive), sent)
            if sent.status >= 400:
                await asyncio.sleep(self._pause_s)

    def _below_root(self, path: str) -> str:
        """Return the path below the root path, which a proxy may have removed already."""
        return path.removeprefix(self._root) if path.startswith(f"{self._root}/") else path

    def _rejected(
        self, scope: Scope, path: str, route: Route | None, headers: Mapping[bytes, bytes]
    ) -> Response | None:
        fault = self._origins.host_fault(headers)
        if fault is not None:
            return _text(421, fault)
        fault = self._origins.sender_fault(headers, opens_page=path in ("/", self._root))
        if fault is not None:
            return _text(403, fault)
        if self._root and path == self._root:
            return RedirectResponse(f"{self._root}/")
        if route is None:
            return _body_fault(MOST_BYTES, headers) or _text(404, "not found")
        if scope["method"] not in route.methods:
            return PlainTextResponse("wrong method", 405, {"allow": ", ".join(route.methods)})
        if route.kind == "file" and not self._is_result(file_of(path)):
            signed_in = self._open or b"access-token" in headers.get(b"cookie", b"")
            return _text(403 if signed_in else 401, "only results of this server are served")
        if route.kind in ("heartbeat", "events") and _session(scope, route) is None:
            return _text(404, "no such session")
        return _body_fault(route.most_bytes, headers)

    def _is_result(self, name: str) -> bool:
        """Return whether a path names a file among the results, and no link out of them."""
        try:
            found = Path(name).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            return False
        return Path(name) == found and found.is_relative_to(self._visitors.results) and found.is_file()


class _Sent:
    """Send function that adds headers and notes the status.

    late: The body did not arrive in time. Gradio's own answer to that is dropped.
    """

    def __init__(self, send: Send, policy: tuple[bytes, bytes]) -> None:
        self._send, self._headers = send, [*_HEADERS, policy]
        self.status, self.late = 0, False

    async def __call__(self, message: Message) -> None:
        if self.late and not self.status:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], *self._headers]}
        await self._send(message)


def _text(status: int, text: str) -> Response:
    return PlainTextResponse(text, status)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)[:200]!r}"


def _session(scope: Scope, route: Route) -> str | None:
    """Return the session of a stream, or None where there is no valid one."""
    if route.kind == "heartbeat":
        return str(scope["path"]).rpartition("/")[2]
    if route.kind == "events":
        given = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])
        return given[0] if len(given) == 1 and is_session(given[0]) else None
    return None


def _body_fault(most_bytes: int, headers: Mapping[bytes, bytes]) -> Response | None:
    if b"transfer-encoding" in headers:
        return _text(411, "expected a body with Content-Length")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 12 or int(length) > most_bytes:
        return _text(413, f"the body is too large; at most {most_bytes} bytes are accepted here")
    return None


def _in_time(receive: Receive, seconds: float, sent: _Sent) -> Receive:
    """Return `receive` for a body that must arrive within `seconds`; after that, the client counts as gone."""
    end = asyncio.get_running_loop().time() + seconds
    arrived = False

    async def within() -> Message:
        nonlocal arrived
        if arrived:
            return await receive()
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            sent.late = True
            return {"type": "http.disconnect"}
        arrived = message["type"] != "http.request" or not message.get("more_body")
        return message

    return within


async def _body(receive: Receive) -> bytes:
    """Read a short body. ClientDisconnect: it did not arrive."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return `receive` for a body that was read before."""
    messages: list[Message] = [{"type": "http.request", "body": body}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again
