"""A connection that cannot be held open for nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from .logs import log

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: 42\r\n\r\n"
    b'{"error":"too many connections are open"}\n'
)


def guarded(connections: int, timeout_s: float) -> type[H11Protocol]:
    """uvicorn's protocol for at most `connections` at once, each cut after `timeout_s` in which nothing moves.

    uvicorn itself waits without end for a request's header, and for a client that does not read its answer.
    """

    class Guarded(H11Protocol):
        _timeout_since: float | None = None
        _stuck_since: float | None = None  # since when the client has read nothing of what there is to read
        _unsent = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            # asyncio leaves out a socket that was accepted from a listening one made elsewhere, and then an
            # answer's body waits 40 ms for the client's delayed acknowledgement of its header
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._timeout_since = self.loop.time()
            self.loop.call_later(timeout_s, self._look)
            if len(self.connections) > connections:
                transport.write(_FULL)
                transport.close()

        def handle_events(self) -> None:
            super().handle_events()
            if self.cycle is not None and not self.cycle.response_complete:
                self._timeout_since = None

        def on_response_complete(self) -> None:
            self._timeout_since = self.loop.time()
            super().on_response_complete()

        def _look(self) -> None:
            """Cut the connection if it has been idle too long, and look again later if not."""
            if self not in self.connections:
                return
            unsent = self.transport.get_write_buffer_size()
            now = self.loop.time()
            if not unsent or unsent < self._unsent:
                self._stuck_since = None
            elif self._stuck_since is None:
                self._stuck_since = now
            if self._timeout_since is not None and unsent < self._unsent:
                self._timeout_since = now  # an answer is on its way, if slowly
            self._unsent = unsent
            since = self._stuck_since if unsent else self._timeout_since
            if since is not None and now - since >= timeout_s:
                if unsent:
                    self._drop(unsent)
                self.transport.abort()
                return
            self.loop.call_later(timeout_s / 2, self._look)

        def _drop(self, unsent: int) -> None:
            """Let go of what lies unsent: without, the kernel goes on offering up to 4 MB of it for minutes."""
            log("cut off", client=(self.client or ("",))[0], unsent_bytes=unsent)
            no_lingering = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, no_lingering
            )

    return Guarded


def config_values(connections: int, timeout_s: float) -> dict[str, Any]:
    """What uvicorn's Config takes at the border: no protocol but plain HTTP, no proxy's claims believed."""
    return {
        "http": guarded(connections, timeout_s), "ws": "none", "lifespan": "off", "access_log": False,
        "log_config": None, "server_header": False, "proxy_headers": False,
        "timeout_keep_alive": max(1, int(timeout_s)),
    }  # fmt: skip
