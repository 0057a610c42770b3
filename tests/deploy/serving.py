"""`depdis-serve` as a process of its own, asked over a real socket."""

from __future__ import annotations

import http.client
import io
import json
import os
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


def command(*words: object, key: str | None = None) -> tuple[list[str], dict[str, str]]:
    environment = {name: value for name, value in os.environ.items() if name != "DEPDIS_API_KEY"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({} if key is None else {"DEPDIS_API_KEY": key})
    return [sys.executable, "-W", "error", "-c", CODE, *map(str, words)], environment


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

    def follow(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line))


@contextmanager
def serving(*words: object, key: str | None = None, status: int = 0) -> Iterator[Server]:
    """A server on a free port. What it writes has to be JSON without a traceback; status: how it is to end."""
    arguments, environment = command("--port", 0, *words, key=key)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environment) as process:
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


def post(body: bytes, length: int | None = None) -> bytes:
    """A request's bytes; length: what it says that its body has."""
    return (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    ).encode() + body


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)
