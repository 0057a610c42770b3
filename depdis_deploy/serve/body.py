"""Request bodies, read within limits of size, time and memory."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from .refusal import Refusal
from .settings import Settings

# None of these is a type that a page may send to another site without a preflight request, which is rejected.
_TYPES = ("image/", "application/octet-stream")
_EXAMPLE = "send it by: curl --data-binary @image.jpg -H 'Content-Type: image/jpeg' URL"
_BODIES = 8  # bodies of the largest size that fit in memory together


class Bodies:
    """Reader of request bodies, which together hold at most `most` bytes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.most = _BODIES * settings.max_bytes
        self.held = 0

    async def read(self, request: Request) -> bytes:
        """Return the body; call `release` when it is no longer needed.

        Raises:
            Refusal: With status 408 (too slow), 413 (too large), 415 (wrong type) or 503 (too many at once).
            ClientDisconnect: The client has left.
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
        """Give `count` bytes back."""
        self.held -= count

    def _check(self, request: Request) -> None:
        """Reject a body by its header."""
        kind = request.headers.get("content-type", "").lower()
        if not kind.startswith(_TYPES):
            given = f"Content-Type {kind[:80]!r}" if kind else "no Content-Type"
            raise Refusal(
                415,
                f"{given}: expected image/jpeg, image/png, another image type or application/octet-stream, and "
                f"the image's bytes as the body (forms are not read, URLs are not fetched); {_EXAMPLE}",
            )
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refusal(415, "Content-Encoding: expected a body without compression of its own")
        if int(request.headers.get("content-length", "0")) > self._settings.max_bytes:
            raise self._too_large()

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is too large: expected at most {self._settings.max_bytes:,} bytes")
