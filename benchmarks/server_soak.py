"""Thousands of mixed requests to one `depdis-serve`: what it holds of memory, threads, descriptors and disk.

    python benchmarks/server_soak.py --requests 5000 --out benchmarks/results/server_soak.json

Half of the requests are valid images in three formats and four answer forms. The rest are truncated images,
image bombs, random bytes, wrong content types, foreign hosts, clients that leave before their answer and
clients that read it slowly. Samples are taken after each twentieth of the requests, when no request is open.
Everything is on this machine, bounded in number, and ends by itself.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import random
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from load import HOST
from PIL import Image
from served import serving, street_jpeg

_CLIENTS = 6
_SAMPLES = 20
_WARM_UP = 4  # samples before which caches and pools still fill
MOST_GROWTH = 0.05


@dataclass
class Traffic:
    """Bodies by kind, and what became of all requests so far."""

    port: int
    chance: random.Random
    statuses: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        jpeg = street_jpeg()
        street = Image.open(io.BytesIO(jpeg))
        self.valid = [("image/jpeg", jpeg)]
        for kind in ("PNG", "WEBP"):
            self.valid.append((f"image/{kind.lower()}", _encoded(street.resize((480, 270)), kind)))
        self.valid.append(("image/jpeg", _encoded(street.resize((1920, 1080)), "JPEG")))
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        png = _encoded(Image.fromarray(noise), "PNG")
        claim = png[:16] + (60_000).to_bytes(4, "big") * 2 + png[24:]
        self.invalid = [
            ("image/jpeg", jpeg[: len(jpeg) // 2]),
            ("image/png", png[:200]),
            ("image/png", claim),
            ("image/png", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
            ("image/jpeg", self.chance.randbytes(5000)),
            ("text/plain", jpeg),
            ("image/png", b""),
        ]

    def one(self, number: int) -> None:
        """Send request `number` and count its answer."""
        chance = random.Random(f"{number} soak")
        kind, body = chance.choice(self.valid if number % 2 else self.invalid)
        path = "/predict" + chance.choice(("", "?output=labels", "?output=depth&output=density"))
        accept = chance.choice(("application/json", "application/x-npz", "*/*"))
        headers = {"Content-Type": kind, "Accept": accept}
        match chance.randrange(20):
            case 0:
                self._leave(kind, body)
            case 1:
                self._read_slowly(kind, body)
            case 2:
                self._ask("GET", chance.choice(("/metrics", "/docs", "/model", "/none", "/readyz")), None, {})
            case 3:
                self._ask("POST", path, body, headers | {"Host": "attacker.example"})
            case _:
                self._ask("POST", path, body, headers)

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            self.statuses[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            self.statuses[type(error).__name__] += 1
        finally:
            connection.close()

    def _head(self, kind: str, body: bytes) -> bytes:
        return (
            f"POST /predict HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\nAccept: application/x-npz\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def _leave(self, kind: str, body: bytes) -> None:
        with socket.create_connection((HOST, self.port), timeout=60) as connection:
            connection.sendall(self._head(kind, body))
        self.statuses["left"] += 1

    def _read_slowly(self, kind: str, body: bytes) -> None:
        with socket.create_connection((HOST, self.port), timeout=60) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(self._head(kind, body))
            for _ in range(20):
                time.sleep(0.02)
                if not connection.recv(1024):
                    break
        self.statuses["read slowly"] += 1


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def sample(pid: int) -> dict[str, float]:
    """Resident memory of the server and its children, threads, descriptors, children, temporary files."""
    processes = [pid, *_children(pid)]
    status = Path(f"/proc/{pid}/status").read_text()
    resident = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in processes)
    return {
        "memory_mb": round(resident * os.sysconf("SC_PAGE_SIZE") / 1e6, 1),
        "threads": int(status.partition("Threads:")[2].split()[0]),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "children": len(processes) - 1,
        "temporary_files": sum(1 for _ in Path(tempfile.gettempdir()).rglob("*")),
    }


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def soak(requests: int) -> dict[str, Any]:
    """All of it; `flat` says whether nothing grew after the first samples."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["TMPDIR"] = tempfile.tempdir = temporary
        with serving() as server:
            traffic, rows = Traffic(server.port, random.Random(0)), []
            step = max(1, requests // _SAMPLES)
            for start in range(0, requests, step):
                with ThreadPoolExecutor(_CLIENTS) as clients:
                    list(clients.map(traffic.one, range(start, min(start + step, requests))))
                time.sleep(2.5)  # clients that left are noticed
                rows.append(sample(server.process.pid))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    kept = rows[_WARM_UP:]
    half = len(kept) // 2
    first, last = (statistics.median(row["memory_mb"] for row in part) for part in (kept[:half], kept[half:]))
    steady = {
        key: max(row[key] for row in kept[half:]) <= max(row[key] for row in kept[:half])
        for key in ("threads", "descriptors", "children", "temporary_files")
    }
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "requests": requests,
        "statuses": dict(traffic.statuses),
        "memory_mb": [first, last],
        "samples": rows,
        "errors_in_log": len(server.loudest),
        "flat": last <= (1 + MOST_GROWTH) * first and all(steady.values()) and not server.loudest,
        "steady": steady,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = soak(options.requests)
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps({key: value for key, value in found.items() if key != "samples"}))
    return 0 if found["flat"] else 1


if __name__ == "__main__":
    sys.exit(main())
