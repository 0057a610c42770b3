"""Use the demo for minutes as abandoned sessions do, and print what its server holds each minute.

    python benchmarks/demo_soak.py [--minutes 3]

Rounds of: uploads without an open page, uploads that break off, server functions called under new session
names, pages that are opened, used and closed, and videos that are cancelled or left. The server runs on this
machine alone and ends with the script. What is abandoned is removed after ten minutes, so all numbers should be
flat from minute 11 on. Exit status 1: a request failed, or the server left its folder behind.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import secrets
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from depdis_demo.process import Started, started

_WAIT_S = 60
_FORM = (
    b'--soak\r\nContent-Disposition: form-data; name="files"; filename="soak.png"\r\n'
    b"Content-Type: image/png\r\n\r\n%s\r\n--soak--\r\n"
)


class Client:
    """A client of the demo that is no browser."""

    def __init__(self, address: str) -> None:
        self.place = urlsplit(address).netloc
        self.statuses: Counter[str] = Counter()
        config = json.loads(self._asked("GET", "/config")[1])
        self.events = {
            (self._part(config, target[0]), target[1]): dependency["id"]
            for dependency in config["dependencies"]
            for target in dependency["targets"]
        }
        self.live = next(
            part["id"] for part in config["components"] if part["props"].get("elem_id") == "dd-live"
        )

    @staticmethod
    def _part(config: dict[str, Any], number: int | None) -> str | None:
        found = [part["props"].get("elem_id") for part in config["components"] if part["id"] == number]
        return found[0] if found else None

    def _asked(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.place, timeout=_WAIT_S)
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        self.statuses[f"{method} {path.split('?')[0].rsplit('/', 1)[-1]} {answer.status}"] += 1
        return found

    def upload(self, data: bytes) -> str | None:
        """Return the path of an upload; None where there is no space for it."""
        kind = "multipart/form-data; boundary=soak"
        status, answer = self._asked("POST", "/gradio_api/upload", _FORM % data, kind)
        return str(json.loads(answer)[0]) if status == 200 else None

    def break_off(self, data: bytes) -> None:
        """Send half of an upload."""
        with socket.create_connection(self._target(), _WAIT_S) as sender:
            head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {self.place}\r\nContent-Length: {len(data)}\r\n"
            body = (_FORM % data)[: len(data) // 2]
            sender.sendall(head.encode() + b"Content-Type: multipart/form-data; boundary=soak\r\n\r\n" + body)

    def join(self, session: str, part: str, event: str, asked: dict[str, Any] | None, *data: str) -> None:
        """Ask for one event of a tab."""
        body = {
            "data": list(data),
            "event_data": asked,
            "fn_index": self.events[part, event],
            "session_hash": session,
        }
        path = "/gradio_api/queue/join" if data else "/gradio_api/run/predict"
        self._asked("POST", path, json.dumps(body).encode(), "application/json")

    def call(self, session: str) -> None:
        """Call a server function under a session's name."""
        body = {"data": {"jpeg": ""}, "component_id": self.live, "fn_name": "frame", "session_hash": session}
        self._asked("POST", "/gradio_api/component_server", json.dumps(body).encode(), "application/json")

    @contextmanager
    def stream(self, path: str) -> Iterator[socket.socket]:
        """Hold a stream of the server's open within the block."""
        with socket.create_connection(self._target(), _WAIT_S) as held:
            held.sendall(f"GET /gradio_api/{path} HTTP/1.1\r\nHost: {self.place}\r\n\r\n".encode())
            assert held.recv(12).endswith(b"200"), path
            yield held

    def _target(self) -> tuple[str, int]:
        host, _, port = self.place.rpartition(":")
        return host, int(port)


def seen(stream: socket.socket, word: bytes) -> None:
    """Read a stream until a word comes in it, or the stream or the time ends."""
    found, end = b"", time.monotonic() + _WAIT_S
    while word not in found and time.monotonic() < end:
        data = stream.recv(65536)
        if not data:
            return
        found = found[-100:] + data


def a_round(client: Client, number: int) -> None:
    """One of each kind of session."""
    noise = np.random.default_rng(number).integers(0, 256, (400, 640, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    picture = buffer.getvalue()
    client.break_off(picture)
    path = client.upload(picture)
    if path is not None:  # answered to nobody
        client.join(secrets.token_hex(6), "dd-picture", "chosen", {"path": path, "name": "a.png"}, "bundled")
    for _ in range(20):
        client.call(secrets.token_hex(6))
    session = secrets.token_hex(6)
    with client.stream(f"heartbeat/{session}"):
        client.join(session, "dd-picture", "chosen", {"example": "dusk", "name": "Dusk"}, "bundled")
        with client.stream(f"queue/data?session_hash={session}") as events:
            seen(events, b"process_completed")
        client.join(session, "dd-video", "started", {"example": "drive"}, "bundled")
        with client.stream(f"queue/data?session_hash={session}") as events:
            seen(events, b"working")
            if number % 2:  # else it is left at work
                client.join(session, "dd-video", "stopped", None)
                seen(events, b"process_completed")


def state(server: Started, folder: Path) -> dict[str, float]:
    """Return what the server holds: memory, threads, descriptors, and what is on the disk."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    found = {name: value for name, _, value in (line.partition(":") for line in lines)}
    sizes: dict[tuple[int, int], int] = {}
    for kind in ("uploads", "results"):
        for parent, _, names in os.walk(folder / kind):
            for name in names:
                with suppress(FileNotFoundError):  # removed just now
                    one = os.lstat(os.path.join(parent, name))
                    sizes[one.st_dev, one.st_ino] = one.st_size
    return {
        "resident_mb": round(int(found["VmRSS"].split()[0]) / 1024),
        "threads": int(found["Threads"]),
        "descriptors": len(os.listdir(f"/proc/{server.pid}/fd")),
        "disk_mb": round(sum(sizes.values()) / 1e6, 1),
        "files": len(sizes),
    }


def main() -> int:
    """Run, print a line each minute, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        return soaked(Path(folder), options.minutes)


def soaked(temporary: Path, minutes: float) -> int:
    """Run a server whose temporary folder is in `temporary`, and return the exit status."""
    rounds = 0
    with started() as server:
        (folder,) = temporary.glob("depdis-demo-*")
        client = Client(server.address)
        begun = shown = time.monotonic()
        while time.monotonic() - begun < 60 * minutes:
            a_round(client, rounds)
            rounds += 1
            if time.monotonic() - shown >= 60 or rounds == 1:
                shown = time.monotonic()
                now = state(server, folder)
                print(
                    json.dumps({"minutes": round((shown - begun) / 60, 1), "rounds": rounds, **now}), flush=True
                )
    print(json.dumps(client.statuses))
    failed = [name for name in client.statuses if int(name[-3:]) >= 400]
    left = folder.exists()
    print(f"failed: {failed or 'nothing'}; folder left behind: {left}")
    return int(bool(failed) or left)


if __name__ == "__main__":
    sys.exit(main())
