"""HTTP requests of every kind that the server takes, for a fuzzer to change."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field


def whole_requests(picture: bytes) -> list[bytes]:
    """A request for each way in. picture: a PNG's bytes."""
    post = b"POST /predict%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n%s\r\n\r\n%s"
    length = b"Accept: image/png;q=0.5, */*\r\nX-Request-ID: a\r\nContent-Length: %d" % len(picture)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(picture), picture)
    return [
        post % (b"?output=depth&panel=quad", length, picture),
        post % (b"", b"Transfer-Encoding: chunked\r\nExpect: 100-continue", chunks),
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n",
        b"GET /docs HTTP/1.1\r\nHost: [::1]:80\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
    ]


@dataclass
class Answers:
    """statuses: of each answer; cut: connections ended without one; failed: answers of 5xx."""

    statuses: dict[int, int] = field(default_factory=dict)
    cut: int = 0
    slowest_s: float = 0.0
    failed: list[bytes] = field(default_factory=list)


def ask_all(port: int, requests: Iterable[bytes], limit_s: float, *, leave: bool = True) -> Answers:
    """Send each over a connection of its own. TimeoutError: neither an answer nor an end within `limit_s`.

    leave: say at once that no more will come, which ends a request that is not whole, and work on one that is.
    """
    found = Answers()
    for request in requests:
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as connection:
            try:
                connection.sendall(request)
                if leave:
                    connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65536)
            except ConnectionError:
                answer = b""
        found.slowest_s = max(found.slowest_s, time.monotonic() - begun)
        if not answer.startswith(b"HTTP/1.1 "):
            found.cut += 1
            continue
        status = int(answer[9:12])
        found.statuses[status] = found.statuses.get(status, 0) + 1
        if status >= 500:
            found.failed.append(answer[:300])
    return found
