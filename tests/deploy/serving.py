"""`depdis-serve` in a process of its own, and clients on real sockets."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
CODE = "from depdis_deploy.serve.cli import main; main()"


# A server with settings that have no option; a prediction for an image of 96x64 does not end.
CUSTOM = """
import json, sys, time
from depdis_deploy import Predictor
from depdis_deploy.command import run
from depdis_deploy.serve.server import serve
from depdis_deploy.serve.settings import Settings

class Hanging(Predictor):
    def predict(self, pictures, **more):
        if pictures[0].shape == (64, 96, 3):
            time.sleep(10_000)
        return super().predict(pictures, **more)

run(lambda **_: serve(Hanging(sys.argv[1], "cpu", threads=1), Settings(port=0, **json.loads(sys.argv[2]))))
"""


def command(*words: object, key: str | None = None, code: str = CODE) -> tuple[list[str], dict[str, str]]:
    environment = {name: value for name, value in os.environ.items() if name != "DEPDIS_API_KEY"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({} if key is None else {"DEPDIS_API_KEY": key})
    return [sys.executable, "-W", "error", "-c", code, *map(str, words)], environment


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


@dataclass
class Server:
    process: subprocess.Popen[str]
    port: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}), **more)
            got = connection.getresponse()
            return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        finally:
            connection.close()

    def predict(
        self, picture: bytes, query: str = "", accept: str = "", kind: str = "image/png", **headers: str
    ) -> Answer:
        given = {"Content-Type": kind} | ({"Accept": accept} if accept else {}) | headers
        return self.ask("POST", f"/predict{query}", picture, given)

    def value(self, metric: str) -> float:
        """A metric without labels."""
        for line in self.ask("GET", "/metrics").body.decode().splitlines():
            if line.startswith(f"{metric} "):
                return float(line.split()[1])
        raise AssertionError(metric)

    def events(self, name: str) -> int:
        """How many such lines the log has so far."""
        return sum(line["event"] == name for line in self.lines)

    def healthy(self) -> bool:
        """Run the image's health check."""
        words = re.findall(r"HEALTHCHECK[^\[]*CMD (\[.*\])", (ROOT / "Dockerfile").read_text())
        check = [word.replace("8000", str(self.port)) for word in json.loads(words[0])]
        return subprocess.run(check, stdout=subprocess.DEVNULL, timeout=60).returncode == 0

    def follow(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line))


@contextmanager
def serving(*words: object, key: str | None = None, status: int = 0) -> Iterator[Server]:
    """Run a server on a free port.

    Its log must be JSON without a traceback. status: exit status after SIGTERM.
    """
    with _started(*command("--port", 0, *words, key=key), status) as server:
        yield server


@contextmanager
def serving_custom(
    model: Path, status: int = 0, *, files: int | None = None, **settings: object
) -> Iterator[Server]:
    """Run a server with any `Settings`, a prediction that does not end, and SIGHUP ignored, as by nohup.

    files: limit of open files.
    """

    def prepare() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    with _started(*command(model, json.dumps(settings), code=CUSTOM), status, prepare) as server:
        yield server


@contextmanager
def _started(
    arguments: list[str], environment: dict[str, str], status: int, prepare: Callable[[], None] | None = None
) -> Iterator[Server]:
    with subprocess.Popen(
        arguments, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=prepare
    ) as process:
        server = Server(process)
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert first.startswith("{"), first + process.stderr.read()
            server.lines.append(json.loads(first))
            server.port = int(server.lines[0]["url"].rpartition(":")[2])
            reader = threading.Thread(target=server.follow)
            reader.start()
            yield server
            process.terminate()
            assert process.wait(timeout=60) == status
            reader.join()
            for line in server.lines:
                assert "traceback" not in line, line["traceback"]
        finally:
            process.kill()


def png(
    width: int = 96, height: int = 64, colour: tuple[int, int, int] = (30, 200, 60), kind: str = "PNG"
) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, kind)
    return buffer.getvalue()


def scene() -> np.ndarray:
    """(48, 80, 3): all three classes of the tiny model, at several depths."""
    rows, columns = np.mgrid[0:48, 0:80]
    return np.stack([rows * 5, columns * 3, 255 - (rows + columns) * 2], axis=2).astype(np.uint8)


def scene_png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "PNG")
    return buffer.getvalue()


def post(body: bytes, length: int | None = None, accept: str = "application/json") -> bytes:
    """Return the bytes of a request; length: its Content-Length, if not the body's."""
    return (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nAccept: {accept}\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    ).encode() + body


@contextmanager
def slow_client(server: Server, request: bytes) -> Iterator[socket.socket]:
    """A client with a small receive buffer, which has sent a request."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(120)
        client.connect(("127.0.0.1", server.port))
        client.sendall(request)
        yield client


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)
