"""What every request passes: who may ask, its number, its line in the log, its place in the metrics."""

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
from .refusal import Refused
from .service import Service
from .settings import is_local

OPEN = ("/healthz", "/readyz")  # to whoever asks, so that orchestrators need no key
ROUTES = ("/", "/predict", "/model", "/docs", "/openapi.json", "/metrics", *OPEN)
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Guard:
    """ASGI around the application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        key = service.settings.api_key
        self._key = None if key is None else key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        assert scope["type"] == "http"
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        number = given.decode() if _ID.fullmatch(given) else secrets.token_hex(8)
        context = scope["depdis"] = {"id": number}
        sent = {"status": 0, "bytes_out": 0}

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS, (b"x-request-id", number.encode())]
            else:
                sent["bytes_out"] += len(message.get("body", b""))
            await send(message)

        self._service.under_way += 1
        try:
            refused = self._refused(scope["path"], headers)
            await (refused or self._app)(scope, receive, noting)
        except asyncio.CancelledError:  # the time to drain ran out
            if not sent["status"]:
                await Refused(503, "the server ends", retry_after_s=5)(scope, receive, noting)
        except Exception as error:  # answered already, under this number
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
            self._note(scope, context | sent, time.perf_counter() - begun)

    def _refused(self, path: str, headers: dict[bytes, bytes]) -> Refused | None:
        if path in OPEN:
            return None
        if self._key is not None:
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._key):
                return Refused(401, "expected the API key as a bearer token: Authorization: Bearer KEY")
            return None
        # Without a key, a page that a browser shows must not reach the server under a name of its own.
        host = headers.get(b"host", b"localhost").decode("latin-1")
        name = host.rpartition(":")[0] if re.search(r":\d*$", host) else host
        if not is_local(name.strip("[]")):
            return Refused(421, f"Host {host[:80]!r}: expected this machine's own address, such as 127.0.0.1")
        return None

    def _note(self, scope: Scope, fields: dict[str, Any], seconds: float) -> None:
        path, status = scope["path"], fields["status"]
        assert isinstance(status, int)
        self._service.metrics.answered(path if path in ROUTES else "other", status, seconds)
        client = scope.get("client") or ("",)
        level = logging.DEBUG if path in OPEN else logging.WARNING if status >= 500 else logging.INFO
        log(
            "request", level=level, method=scope["method"], path=path[:200], client=client[0],
            ms=round(1000 * seconds, 2), **fields,
        )  # fmt: skip
