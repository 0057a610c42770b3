"""A reverse proxy that serves the demo below a path, as nginx does, with or without removing the path."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class _Server(socketserver.ThreadingTCPServer):
    def __init__(self, upstream: str, prefix: str, strips: bool) -> None:
        address = urlsplit(upstream)
        assert address.hostname is not None
        assert address.port is not None
        self.upstream, self.prefix, self.strips = (address.hostname, address.port), prefix.encode(), strips
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Connection)

    @contextmanager
    def kept(self, one: socket.socket) -> Iterator[socket.socket]:
        """Have `end` close a connection that is open."""
        with one:
            self._open.add(one)
            yield one
            self._open.discard(one)

    def end(self) -> None:
        """End all connections, and wait for them."""
        self.shutdown()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    """One request; the server closes the connection after its answer."""

    server: _Server

    def handle(self) -> None:
        with suppress(OSError), self.server.kept(self.request) as client:
            head, found, body = b"", b"", b""
            while not found and (data := client.recv(65536)):
                head, found, body = (head + data).partition(b"\r\n\r\n")
            if found:
                self._forward(client, head, body)

    def _forward(self, client: socket.socket, head: bytes, body: bytes) -> None:
        line, *fields = head.split(b"\r\n")
        method, path, version = line.split(b" ")
        if self.server.strips:
            path = path.removeprefix(self.server.prefix)
        kept = [field for field in fields if not field.lower().startswith(b"connection:")]
        with self.server.kept(socket.create_connection(self.server.upstream)) as upstream:
            lines = [b" ".join((method, path, version)), b"Connection: close", *kept]
            upstream.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            sending = threading.Thread(target=_copy, args=(client, upstream))
            sending.start()
            _copy(upstream, client)
            sending.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):  # whichever end left, the other one is not needed any more
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(upstream: str, prefix: str, *, strips: bool) -> Iterator[str]:
    """Serve `upstream` below `prefix` on a free port within the block; gives the address with the prefix."""
    server = _Server(upstream, prefix, strips)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}/"
    finally:
        server.end()
        thread.join()
