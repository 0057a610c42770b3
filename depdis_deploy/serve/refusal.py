"""Answers that say no: one line, and the connection in a state that the client can read it in."""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

# A client sends its whole body before it reads. Up to here what comes is dropped and the connection stays; of
# a larger body as much is taken as time allows, since a connection cut at once may lose the answer.
_SMALL = 2**20
_LINGER_S = 2.0


class Refusal(Exception):
    """A request that is not served. status: HTTP's; retry_after_s: when to try again."""

    def __init__(self, status: int, text: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status, self.retry_after_s = status, retry_after_s

    def response(self) -> Refused:
        """The answer."""
        return Refused(self.status, str(self), retry_after_s=self.retry_after_s)


class Refused(JSONResponse):
    """`{"error": ...}`; what the client still sends is read and dropped, within bounds."""

    def __init__(self, status: int, text: str, *, retry_after_s: int | None = None) -> None:
        headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        super().__init__({"error": text}, status, headers)
        self._text = text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ASGI wants it."""
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
    """Whether a body is still to come that is, or may be, large."""
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
