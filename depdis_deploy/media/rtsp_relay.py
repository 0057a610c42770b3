"""Control connection of an RTSP stream over UDP, through which the camera can name no other host."""

from __future__ import annotations

import re
import selectors
import socket
import threading
from contextlib import suppress

_MOST_BYTES = 65_536  # of a header or a body
_LONGEST_LINE = 2_000  # FFmpeg cuts off lines of 4,096 bytes
_WAIT_S = 5.0  # for FFmpeg to connect
_TRANSPORT = re.compile(rb"transport:\s*(RTP/AVP(?:/UDP)?)\s*(?:;([^,]*))?", re.IGNORECASE)
# Others are dropped: `source` and `destination` name hosts.
_PARAMETER = re.compile(rb"\s*(?:unicast|(?:client|server)_port=\d+(?:-\d+)?)\s*", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length:\s*(\d{1,6})\s*", re.IGNORECASE)


class Rejected(Exception):
    """The camera sent a message that is not forwarded."""


def relayed(camera: socket.socket) -> str:
    """Forward one RTSP connection of this process to a camera, as a port forwarding does.

    FFmpeg exchanges media with the host that the server names, and follows redirects. The relay puts the
    camera's own address into each answer, and ends the connection at a redirect or a malformed message.

    Args:
        camera: Open connection to the camera. It is closed when either side ends the connection.

    Returns:
        The host and port, `127.0.0.1:40000`, to connect to instead of the camera.
    """
    local = "::1" if camera.family == socket.AF_INET6 else "127.0.0.1"
    listener = socket.create_server((local, 0), family=camera.family, backlog=1)
    listener.settimeout(_WAIT_S)
    camera.settimeout(None)
    port = listener.getsockname()[1]
    threading.Thread(target=_relay, args=(listener, camera), name="rtsp relay", daemon=True).start()
    return f"[{local}]:{port}" if ":" in local else f"{local}:{port}"


def _relay(listener: socket.socket, camera: socket.socket) -> None:
    with camera, suppress(OSError, Rejected):
        with listener:
            client, _ = listener.accept()
        with client:
            _forward(client, camera)


def _forward(client: socket.socket, camera: socket.socket) -> None:
    media_host = str(camera.getpeername()[0])
    received = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(client, selectors.EVENT_READ)
        waiting.register(camera, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is client:
                    data = client.recv(_MOST_BYTES)
                    camera.sendall(data)
                else:
                    data = camera.recv(_MOST_BYTES)
                    sent, received = checked_messages(received + data, media_host)
                    client.sendall(sent)
                if not data:
                    return


def checked_messages(received: bytes, media_host: str) -> tuple[bytes, bytes]:
    """Split what a camera sent into the complete messages, safe to forward, and the rest.

    Raises:
        Rejected: There is a redirect, interleaved media or a malformed message in it.
    """
    sent = b""
    while (parts := _first_message(received)) is not None:
        lines, body, received = parts
        sent += b"\r\n".join([*_checked(lines, media_host), b"Content-Length: %d" % len(body), b"", body])
    return sent, received


def _first_message(received: bytes) -> tuple[list[bytes], bytes, bytes] | None:
    """Split off the lines of the first header, its body, and the rest. None: the message is incomplete.

    Lines end where FFmpeg ends them, so that it cannot see another header than this.
    """
    lines: list[bytes] = []
    start = 0
    while (end := received.find(b"\n", start)) >= 0:
        line = received[start:end].replace(b"\r", b"")
        start = end + 1
        if line:
            lines.append(line)
        elif lines:
            break
    else:
        if len(received) > _MOST_BYTES:
            raise Rejected
        return None
    length = max((int(found[1]) for line in lines if (found := _LENGTH.fullmatch(line))), default=0)
    if length > _MOST_BYTES:
        raise Rejected
    if len(received) < start + length:
        return None
    return lines, received[start : start + length], received[start + length :]


def _checked(lines: list[bytes], media_host: str) -> list[bytes]:
    """Return the lines of a header with `media_host` as the source of media, and without the body's length."""
    if re.match(rb"RTSP/\S*\s+3", lines[0]):  # a redirect
        raise Rejected
    kept = []
    for line in lines:
        if line.startswith(b"$") or b"\0" in line or len(line) > _LONGEST_LINE:
            raise Rejected
        if line.lower().startswith(b"transport:"):
            kept.append(_with_source(line, media_host))
        elif not line.lower().startswith(b"content-length:"):
            kept.append(line)
    return kept


def _with_source(transport: bytes, media_host: str) -> bytes:
    """Return a `Transport` header with its known parameters and `media_host` as the source."""
    found = _TRANSPORT.match(transport)
    if found is None:
        raise Rejected
    parameters = [part for part in (found[2] or b"").split(b";") if _PARAMETER.fullmatch(part)]
    return b";".join([b"Transport: " + found[1], *parameters, b"source=" + media_host.encode()])
