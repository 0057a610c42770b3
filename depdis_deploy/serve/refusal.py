"""Error responses: one line of JSON, on a connection from which the client can still read it."""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

# A client sends its whole body before it reads. A small body is discarded and the connection stays open. A
# larger one is discarded for a limited time, since a connection that is closed at once may lose the response.
_SMALL = 2**20
_LINGER_S = 2.0


class Refusal(Exception):
    """A request that is rejected. status: HTTP status; retry_after_s: seconds after which to try again."""

    def __init__(self, status: int, text: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status, self.retry_after_s = status, retry_after_s

    def response(self) -> Refused:
        """Return the error response."""
        return Refused(self.status, str(self), retry_after_s=self.retry_after_s)


class Refused(JSONResponse):
    """An error response, `{"error": ...}`; the rest of the request is read and discarded within limits."""

    def __init__(self, status: int, text: str, *, retry_after_s: int | None = None) -> None:
        headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        super().__init__({"error": text}, status, headers)
        self._text = text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        scope["depdis"]["error"] = self._text
        if not _comes_large(scope):
            await super().__call__(scope, receive, send)
            return
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(self.body), "more_body": True})
        await _drop_the_rest(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _comes_large(scope: Scope) -> bool:
    """Return whether a body is still to be received that is, or may be, large."""
    if scope["depdis"].get("body_read"):
        return False
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or int(length) > _SMALL


async def _drop_the_rest(receive: Receive) -> None:
    try:
        async with asyncio.timeout(_LINGER_S):
            while (await receive()).get("more_body"):
                pass
    except TimeoutError:
        pass
