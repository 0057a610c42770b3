"""Responses to predictions, sent in chunks within a limit of memory."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .answers import Part
from .connection import Connection
from .refusal import Refusal

_CHUNK = 256 * 2**10
# While memory for responses is short, clients that read slower than this after the grace period are cut.
_BUSY_MIN_BYTES_PER_S = 2**20


class Abandoned(Exception):
    """The client of this request has left."""


class ResponseMemory:
    """Limit of the bytes of responses that are computed or that clients have not read yet.

    Args:
        limit: Bytes.
        grace_s: Seconds after the start of a response before its client's rate counts.
    """

    def __init__(self, limit: int, grace_s: float) -> None:
        self.limit, self.grace_s = limit, grace_s
        self.used = 0
        self.lock = threading.Lock()
        self.sending: set[Reservation] = set()

    def reservation(self) -> Reservation:
        """Return the reservation of a request, which holds nothing yet."""
        return Reservation(self)

    def make_room(self, size: int) -> None:
        """Cut as many of the slowest clients as `size` bytes need. To be called with the lock held.

        Raises:
            Refusal: With status 503; too few clients are slow.
        """
        slow = sorted((rate, id(one), one) for one in self.sending if (rate := one.slow_rate()) is not None)
        missing = self.used + size - self.limit
        if sum(one.size for _, _, one in slow) < missing:
            raise Refusal(
                503,
                "other clients still read large responses; try again later, or request fewer outputs",
                retry_after_s=2,
            )
        for rate, _, one in slow:
            if self.used + size <= self.limit:
                return
            one.cut(rate)


class Reservation:
    """The share of one request in the memory for responses. Workers and the event loop may use it.

    size: bytes reserved.
    """

    def __init__(self, memory: ResponseMemory) -> None:
        self._memory = memory
        self.size = 0
        self._closed = False
        self._connection: Connection | None = None
        self._begun, self._taken = 0.0, 0

    def resize(self, size: int) -> None:
        """Reserve `size` bytes in place of those before.

        Raises:
            Refusal: With status 503; there is no room.
            Abandoned: The client has left.
        """
        memory = self._memory
        with memory.lock:
            if self._closed:
                raise Abandoned
            grown = size - self.size
            if grown > 0 and memory.used + grown > memory.limit:
                memory.make_room(grown)
            memory.used += grown
            self.size = size

    def start_sending(self, connection: Connection) -> None:
        """Count from now on how fast the client reads."""
        self._connection = connection
        self._begun, self._taken = time.monotonic(), connection.taken
        with self._memory.lock:
            self._memory.sending.add(self)

    def slow_rate(self) -> float | None:
        """Return the bytes per second that the client has read on average; None if it is not too slow."""
        assert self._connection is not None
        seconds = time.monotonic() - self._begun
        if seconds < self._memory.grace_s:
            return None
        rate = (self._connection.taken - self._taken) / seconds
        return rate if rate < _BUSY_MIN_BYTES_PER_S else None

    def cut(self, rate: float) -> None:
        """Give up the response. To be called with the lock held, in any thread."""
        assert self._connection is not None
        self._close()
        cut = self._connection.cut
        with suppress(RuntimeError):  # the event loop has ended
            self._connection.loop.call_soon_threadsafe(
                lambda: cut("slow client while memory for responses is short", bytes_per_s=round(rate))
            )

    def close(self) -> None:
        """Give the memory back; later calls do nothing."""
        with self._memory.lock:
            self._close()

    def _close(self) -> None:
        if not self._closed:
            self._memory.used -= self.size
            self._memory.sending.discard(self)
            self.size, self._closed = 0, True


class PredictionResponse(Response):
    """A response body of several parts, each of which is released once the client has taken it.

    The transport is never given more than a chunk ahead of the client, since it would keep a copy.
    """

    def __init__(
        self, parts: Sequence[Part], reservation: Reservation, media_type: str, headers: dict[str, str]
    ) -> None:
        self._parts, self._reservation = deque(parts), reservation
        self._left = sum(map(len, parts))
        super().__init__(media_type=media_type, headers={**headers, "content-length": str(self._left)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. It ends early when the connection is closed."""
        connection = scope["state"]["connection"]()
        try:
            self._reservation.start_sending(connection)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while self._parts:
                await self._send_part(self._parts.popleft(), connection, send)
                if connection.transport.is_closing():
                    await asyncio.sleep(0)  # until uvicorn knows too, which logs an error otherwise
                    return
                with suppress(Abandoned):
                    self._reservation.resize(self._left)
        finally:
            self._reservation.close()

    async def _send_part(self, part: Part, connection: Connection, send: Send) -> None:
        whole = memoryview(part)
        for start in range(0, len(whole), _CHUNK):
            if connection.transport.is_closing():
                return
            chunk = whole[start : start + _CHUNK]
            self._left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": self._left > 0})
