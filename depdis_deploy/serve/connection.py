"""Connections: accepted up to a limit, and closed when they are idle or slow."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from depdis_deploy.command import InputError

from .logs import log

MIN_BYTES_PER_S = 64 * 2**10  # slower clients are disconnected
_CHECKS = 4  # per timeout
_ACCEPTED_AT_ONCE = 16
_RESERVED_FILES = 32  # for files that the server opens apart from connections
_RETRY_S = 1.0
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: 42\r\n\r\n"
    b'{"error":"too many connections are open"}\n'
)


class _CountingTransport:
    """A transport that counts the bytes written to it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += len(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 connection with time limits.

    uvicorn itself waits indefinitely for a request's header and for a client that does not read its response.
    Requests find their connection, as a weak reference, in `scope["state"]["connection"]`.

    Args:
        timeout_s: Seconds that an idle connection stays open, and over which a client's reading rate is taken.
    """

    def __init__(self, config: uvicorn.Config, server_state: ServerState, timeout_s: float) -> None:
        super().__init__(config, server_state, {"connection": weakref.ref(self)})
        self._timeout_s = timeout_s
        self._idle_since: float | None = None
        self._slow_since: tuple[float, int] | None = None  # time and bytes taken, while bytes are unsent
        self._last_taken = 0

    @property
    def taken(self) -> int:
        """Bytes of responses that the client's side of the connection has taken."""
        transport = cast(_CountingTransport, self.transport)
        return transport.written - self.transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the idle timeout."""
        super().connection_made(cast(asyncio.Transport, _CountingTransport(transport)))
        # asyncio does not set it for a socket accepted elsewhere, and then a response body waits 40 ms for the
        # client's delayed acknowledgement of its header.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._idle_since = self.loop.time()
        self.loop.call_later(self._timeout_s / _CHECKS, self._check)

    def handle_events(self) -> None:
        """Stop the idle timeout while a request is in progress."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._idle_since = None

    def on_response_complete(self) -> None:
        """Restart the idle timeout."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def _check(self) -> None:
        """Close an idle or slow connection; otherwise check again later."""
        if self not in self.connections:
            return
        now, taken = self.loop.time(), self.taken
        unsent = self.transport.get_write_buffer_size()
        if self._idle_since is not None and taken > self._last_taken:
            self._idle_since = now  # the client still reads the response
        self._last_taken = taken
        if unsent and self._reads_too_slowly(now, taken):
            return
        if not unsent:
            self._slow_since = None
            if self._idle_since is not None and now - self._idle_since >= self._timeout_s:
                self.transport.abort()
                return
        self.loop.call_later(self._timeout_s / _CHECKS, self._check)

    def _reads_too_slowly(self, now: float, taken: int) -> bool:
        """Cut a client that stayed below the minimum rate for the whole of the timeout."""
        since, before = self._slow_since or (now, taken)
        self._slow_since = (since, before)
        if now - since < self._timeout_s:
            return False
        rate = (taken - before) / (now - since)
        self._slow_since = (now, taken)
        if rate < MIN_BYTES_PER_S:
            self.cut("slow client", bytes_per_s=round(rate))
            return True
        return False

    def cut(self, reason: str, **fields: Any) -> None:
        """Close at once and drop unsent bytes; the kernel alone would keep up to 4 MB of them for minutes."""
        if self not in self.connections:
            return
        log(
            "cut off",
            reason=reason,
            client=(self.client or ("",))[0],
            taken_bytes=self.taken,
            unsent_bytes=self.transport.get_write_buffer_size(),
            **fields,
        )
        no_lingering = struct.pack("ii", 1, 0)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
        self.transport.abort()


class Acceptor:
    """Accept connections from a listening socket on the running event loop.

    Above `limit` open connections a new one gets a 503 response. Without a free file descriptor, accepting
    pauses for a second; asyncio's own server would log once per place in the listening socket's queue.

    Args:
        listening: Listening socket.
        state: Holds the open connections.
        connect: Returns the protocol of a new connection.
        limit: Open connections.
    """

    def __init__(
        self, listening: socket.socket, state: ServerState, connect: Callable[[], H11Protocol], limit: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening, self._state, self._connect, self._limit = listening, state, connect, limit
        self._starting: dict[H11Protocol, asyncio.Task[None]] = {}
        self._retry: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Stop accepting."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listening)

    def _resume(self) -> None:
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log("cannot accept connections", level=logging.ERROR, limited=True, error=str(error))
                self._loop.remove_reader(self._listening)
                self._retry = self._loop.call_later(_RETRY_S, self._resume)
                return
            accepted.setblocking(False)
            if len(self._state.connections | self._starting.keys()) >= self._limit:
                _reject(accepted)
                log("too many connections", level=logging.WARNING, limited=True, limit=self._limit)
                continue
            protocol = self._connect()
            self._starting[protocol] = self._loop.create_task(self._start(protocol, accepted))

    async def _start(self, protocol: H11Protocol, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, accepted)
        except OSError:  # the client has left already
            accepted.close()
        finally:
            del self._starting[protocol]


class AcceptingServer(uvicorn.Server):
    """uvicorn's server with an `Acceptor` of `Connection`s.

    Args:
        config: Made of `config_values`.
        limit: Open connections.
        timeout_s: Seconds that a connection may be idle or slow.
    """

    def __init__(self, config: uvicorn.Config, limit: int, timeout_s: float) -> None:
        super().__init__(config)
        self.limit, self._timeout_s = limit, timeout_s
        self._acceptor: Acceptor | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections on the one listening socket."""
        assert sockets is not None
        await super().startup(sockets=[])
        (listening,), state = sockets, self.server_state
        self._acceptor = Acceptor(
            listening, state, lambda: Connection(self.config, state, self._timeout_s), self.limit
        )

    def stop_accepting(self) -> None:
        """Accept no more connections."""
        if self._acceptor is not None:
            self._acceptor.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and close as uvicorn does."""
        self.stop_accepting()
        await super().shutdown(sockets)


def _reject(accepted: socket.socket) -> None:
    with accepted, suppress(OSError):
        accepted.send(_FULL)
        accepted.shutdown(socket.SHUT_WR)
        accepted.recv(65536)  # a request that lies unread would make the kernel discard the response


def connection_limit(wanted: int) -> int:
    """Return how many connections fit the limit of open files, which is raised as far as it may be.

    Raises:
        InputError: The limit leaves no room for a connection.
    """
    try:
        import resource
    except ImportError:  # Windows
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    used = len(os.listdir("/dev/fd")) + _RESERVED_FILES
    if soft < used + wanted:
        soft = used + wanted if hard == resource.RLIM_INFINITY else min(hard, used + wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    limit = min(wanted, soft - used)
    if limit < 1:
        raise InputError(
            f"the limit of open files is {soft}: expected at least {used + 1}; raise it (ulimit -n)"
        )
    return limit


def config_values(timeout_s: float) -> dict[str, Any]:
    """Return the arguments of uvicorn's Config: plain HTTP/1.1 only, and no header of a proxy is trusted."""
    return {
        "http": "h11",
        "loop": "asyncio",
        "ws": "none",
        "lifespan": "off",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": max(1, int(timeout_s)),
    }
