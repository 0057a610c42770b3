"""A request's picture as bytes, read within bounds of size, time and memory."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from .refusal import Refusal
from .settings import Settings

_TYPES = ("image/", "application/octet-stream")
_BODIES = 8  # of the largest size that may lie in memory at once


class Bodies:
    """Reads bodies; all that are being read or wait together hold at most `most` bytes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.most = _BODIES * settings.max_bytes
        self.held = 0

    async def read(self, request: Request) -> bytes:
        """The picture; `release` it when it is done with.

        Refusal: 408 too slow, 411 and 413 too large, 415 not bytes of a picture, 503 too much at once.
        ClientDisconnect: the client has left.
        """
        self._check(request)
        data = bytearray()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                async for chunk in request.stream():
                    self.held += len(chunk)
                    data += chunk
                    if len(data) > self._settings.max_bytes:
                        raise self._too_large()
                    if self.held > self.most:
                        raise Refusal(503, "too many bytes are being received at once", retry_after_s=1)
        except TimeoutError:
            self.release(len(data))
            raise Refusal(408, f"the body did not arrive within {self._settings.timeout_s:g} seconds") from None
        except BaseException:
            self.release(len(data))
            raise
        request.scope["depdis"].update(body_read=True, bytes_in=len(data))
        return bytes(data)

    def release(self, count: int) -> None:
        """`count` bytes are no longer held."""
        self.held -= count

    def _check(self, request: Request) -> None:
        """What the header alone tells."""
        kind = request.headers.get("content-type", "application/octet-stream").lower()
        if not kind.startswith(_TYPES):
            raise Refusal(
                415, f"Content-Type {kind[:80]!r}: expected the picture's own bytes as the body, as "
                "image/jpeg, image/png or application/octet-stream (no form, no JSON; no address is fetched)",
            )  # fmt: skip
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refusal(415, "Content-Encoding: expected a body that is not compressed again")
        if int(request.headers.get("content-length", "0")) > self._settings.max_bytes:
            raise self._too_large()

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is too large: expected at most {self._settings.max_bytes:,} bytes")
