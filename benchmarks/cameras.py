"""Cameras that send garbage: over a bare connection, in RTSP's own words, in its packets, and as a pipe."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)
_PACKETS = 400
Talk = Callable[[socket.socket, random.Random], None]


def all_cameras(place: Path, model: Path, seed: int) -> dict[str, Any]:
    """Each camera's own figures: it ends by itself, with one line."""
    from disks import called, said_wrong

    result = {}
    for name in GARBAGE:
        port = serving_garbage(name, seed)
        out = place / f"out-{name}"
        status, err = called(out, model, f"rtsp://127.0.0.1:{port}/x", "--retry", "no", "--duration", "10s")
        result[name] = {"said": err.strip().replace(str(port), "PORT"), "faults": said_wrong(status, err)}
    pipe = place / "pipe.ts"
    os.mkfifo(pipe)
    threading.Thread(target=_fill, args=(pipe, random.Random(f"{seed} pipe")), daemon=True).start()
    status, err = called(place / "out-pipe", model, pipe)
    result["garbage_in_a_pipe"] = {
        "said": err.strip().replace(str(place), "IN"), "faults": said_wrong(status, err)
    }  # fmt: skip
    return result


def _fill(pipe: Path, chance: random.Random) -> None:
    try:
        with pipe.open("wb") as file:
            for _ in range(64):
                file.write(chance.randbytes(65536))
    except BrokenPipeError:
        return


def serving_garbage(name: str, seed: int) -> int:
    """A port on which every client is talked to in one of the ways of `GARBAGE`, until the process ends."""
    talk, chance = GARBAGE[name], random.Random(f"{seed} {name}")
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            connection = server.accept()[0]
            with connection:
                connection.settimeout(20)
                try:
                    talk(connection, chance)
                except OSError:
                    continue

    threading.Thread(target=answer, daemon=True).start()
    return int(server.getsockname()[1])


def _bare(connection: socket.socket, chance: random.Random) -> None:
    for _ in range(64):
        connection.sendall(chance.randbytes(4096))


def _words(connection: socket.socket, chance: random.Random) -> None:
    """Well-formed answers whose description of the stream is garbage."""
    _rtsp(connection, chance.randbytes(2000), lambda: None)


def _packets(connection: socket.socket, chance: random.Random) -> None:
    """A stream that is begun as it should, and whose packets hold garbage."""

    def send() -> None:
        for number in range(_PACKETS):
            header = (
                bytes((0x80, 96)) + number.to_bytes(2, "big") + (3000 * number).to_bytes(4, "big") + b"abcd"
            )
            packet = header + chance.randbytes(chance.randrange(1, 1200))
            connection.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)

    _rtsp(connection, _SDP.encode(), send)


def _rtsp(connection: socket.socket, description: bytes, send: Callable[[], None]) -> None:
    """Answer OPTIONS, DESCRIBE, SETUP and PLAY; `send` is what comes after that."""
    with connection.makefile("rb") as file:
        while request := file.readline().split():
            number = ""
            while (line := file.readline().strip()) != b"":
                if line.lower().startswith(b"cseq:"):
                    number = line.decode().partition(":")[2].strip()
            head, body = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n", b""
            if request[0] == b"DESCRIBE":
                head, body = head + "Content-Type: application/sdp\r\n", description
            elif request[0] == b"SETUP":
                head += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            if request[0] == b"PLAY":
                send()
                return


GARBAGE: dict[str, Talk] = {
    "garbage_from_a_camera": _bare, "garbage_as_description": _words, "garbage_in_packets": _packets,
}  # fmt: skip
