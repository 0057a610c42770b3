"""An RTSP server in this process: plays MPEG transport streams over TCP, and answers as a test wants it to."""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

Answer = Callable[[str, int, dict[str, str]], str | None]
_PER_PACKET = 7 * 188


def ordinary(method: str, connection: int, headers: dict[str, str]) -> str | None:
    return None


class _Connection(socketserver.StreamRequestHandler):
    server: _Listener

    def handle(self) -> None:
        owner = self.server.owner
        number = owner.connected()
        while line := self.rfile.readline().strip().decode("utf-8", "replace"):
            headers: dict[str, str] = {}
            while header := self.rfile.readline().strip().decode("utf-8", "replace"):
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            method = line.partition(" ")[0]
            answer = owner.answer(method, number, headers)
            self._send(answer or owner.accepted(method, headers), headers)
            if method == "PLAY" and answer is None:
                self._play(owner.next_clip())
                return

    def _send(self, answer: str, headers: dict[str, str]) -> None:
        head, _, body = answer.partition("\n\n")
        lines = [*head.splitlines(), f"CSeq: {headers.get('cseq', '0')}"]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _play(self, clip: bytes) -> None:
        for number, start in enumerate(range(0, len(clip), _PER_PACKET)):
            payload = clip[start : start + _PER_PACKET]
            stamp = (90 * number).to_bytes(4, "big")
            packet = b"\x80\x21" + (number % 65536).to_bytes(2, "big") + stamp + b"\0\0\0\1" + payload
            if self.server.owner.udp is None:
                self.wfile.write(b"$\0" + len(packet).to_bytes(2, "big") + packet)
            else:
                self.server.owner.udp.sendto(packet, (self.client_address[0], self.server.owner.client_port))


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    owner: SmallRtsp
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, object]:
        connection, peer = super().get_request()
        return (self.tls.wrap_socket(connection, server_side=True) if self.tls else connection), peer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is no fault."""


class SmallRtsp:
    """Plays each of `clips` once, then closes the connection; after the last one it takes no more.

    answer: what to say to a method on a connection (counted from 0) with these headers; None: what an ordinary
    server says. An empty line parts the answer's header from its body.
    udp: answer 461 to a client that wants media over TCP, and send it over UDP.
    """

    def __init__(
        self, clips: Sequence[Path] = (), answer: Answer = ordinary, *, tls: ssl.SSLContext | None = None,
        media_host: str = "127.0.0.1", udp: bool = False,
    ) -> None:  # fmt: skip
        self._clips = [path.read_bytes() for path in clips]
        self.answer, self._media_host, self._scheme = answer, media_host, "rtsps" if tls else "rtsp"
        self._connections = 0
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if udp else None
        if self.udp is not None:
            self.udp.bind(("127.0.0.1", 0))
        self.client_port = 0
        self._listener = _Listener(("127.0.0.1", 0), _Connection)
        self._listener.owner, self._listener.tls = self, tls
        self.port = int(self._listener.server_address[1])

    @property
    def address(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/x"

    @property
    def connections(self) -> int:
        return self._connections

    def connected(self) -> int:
        self._connections += 1
        return self._connections - 1

    def next_clip(self) -> bytes:
        clip = self._clips.pop(0)
        if not self._clips:
            self._listener.shutdown()
            self._listener.server_close()
        return clip

    def accepted(self, method: str, headers: dict[str, str]) -> str:
        """What an ordinary server answers."""
        if method == "DESCRIBE":
            return (
                "RTSP/1.0 200 OK\nContent-Type: application/sdp\n\nv=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\n"
                f"c=IN IP4 {self._media_host}\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
            )
        if method == "SETUP" and self.udp is not None:
            asked = re.search(r"client_port=(\d+)", headers["transport"])
            if asked is None:
                return "RTSP/1.0 461 Unsupported Transport"
            self.client_port = int(asked[1])
            port = self.udp.getsockname()[1]
            return (
                "RTSP/1.0 200 OK\nSession: 1\nTransport: RTP/AVP;unicast;"
                f"client_port={self.client_port}-{self.client_port + 1};server_port={port}-{port + 1}"
            )
        if method == "SETUP":
            return "RTSP/1.0 200 OK\nSession: 1\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1"
        return "RTSP/1.0 200 OK\nSession: 1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.udp is not None:
            self.udp.close()
        self._listener.shutdown()
        self._listener.server_close()
