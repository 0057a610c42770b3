"""The outermost layer: access control, request ids, tracing, and the log and metrics of each request."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from depdis_deploy.command import InputError

from .logs import log
from .origin import foreign
from .refusal import Refused
from .service import Service

OPEN = ("/healthz", "/readyz")  # without a key, for orchestrators
ROUTES = ("/", "/predict", "/model", "/docs", "/openapi.json", "/metrics", *OPEN)
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# https://www.w3.org/TR/trace-context/: versions above 00 may append fields
_TRACE_PARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?"
)
_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Guard:
    """ASGI application around the routes."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        key = service.settings.api_key
        self._key = None if key is None else key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert scope["type"] == "http"
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        number = given.decode() if _ID.fullmatch(given) else secrets.token_hex(8)
        context, added = {"id": number}, [*_HEADERS, (b"x-request-id", number.encode())]
        if trace := _trace(scope["headers"]):
            context |= {"trace_id": trace[1], "span_id": trace[2]}
            added.append((b"traceparent", "-".join(trace).encode()))
        received = scope["path"]
        scope.update(depdis=context, path=self._without_root(received), root_path="")
        sent = {"status": 0, "bytes_out": 0}

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                message["headers"] = [*message["headers"], *added]
            else:
                sent["bytes_out"] += len(message.get("body", b""))
            await send(message)

        self._service.under_way += 1
        try:
            refused = self._refused(scope["method"], scope["path"], headers)
            await (refused or self._app)(scope, receive, noting)
        except asyncio.CancelledError:  # the time to drain is over
            await self._end(scope, receive, noting, begun=sent["status"] > 0)
        except Exception as error:  # the client has its response, with this id
            expected = isinstance(error, (InputError, MemoryError))
            log(
                "failed",
                level=logging.ERROR,
                exc_info=None if expected else error,
                id=number,
                error=str(error)[:200],
            )
        finally:
            self._service.under_way -= 1
            self._note(scope, received, context | sent, time.perf_counter() - begun)

    def _without_root(self, path: str) -> str:
        """Remove the root path, which some proxies leave in."""
        root = self._service.settings.root_path
        if root and path not in ROUTES and f"{path}/".startswith(f"{root}/"):
            return path.removeprefix(root) or "/"
        return path

    def _refused(self, method: str, path: str, headers: dict[bytes, bytes]) -> Refused | None:
        if path in OPEN:
            return None
        if self._key is None:
            return foreign(method, path, headers)
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._key):
            return Refused(401, "expected the API key as a bearer token: Authorization: Bearer KEY")
        return None

    async def _end(self, scope: Scope, receive: Receive, send: Send, *, begun: bool) -> None:
        """End a request for which there is no more time."""
        if begun:
            scope["state"]["connection"]().cut("shutdown")
            await asyncio.sleep(0)  # until uvicorn knows too, which logs an error otherwise
        else:
            await Refused(503, "the server is shutting down", retry_after_s=5)(scope, receive, send)

    def _note(self, scope: Scope, received: str, fields: dict[str, Any], seconds: float) -> None:
        path, status = scope["path"], fields["status"]
        route = path.removesuffix("/") or "/"
        self._service.metrics.answered(route if route in ROUTES else "other", status, seconds)
        client = scope.get("client") or ("",)
        level = logging.DEBUG if path in OPEN else logging.WARNING if status >= 500 else logging.INFO
        log(
            "request",
            level=level,
            method=scope["method"],
            path=received[:200],
            client=client[0],
            ms=round(1000 * seconds, 2),
            **fields,
        )


def _trace(headers: list[tuple[bytes, bytes]]) -> tuple[str, str, str, str] | None:
    """Return the fields of the response's `traceparent`: version, trace id, a new span id, flags.

    None without a valid `traceparent` in the request.
    """
    given = [value for name, value in headers if name == b"traceparent"]
    found = _TRACE_PARENT.fullmatch(given[0]) if len(given) == 1 else None
    if found is None or (found[1] == b"00" and found[4]):
        return None
    sampled = int(found[3], 16) & 1
    return "00", found[2].decode(), secrets.token_hex(8), f"{sampled:02x}"
