"""What a server adds to the work itself, how late it answers, and what it does when far too much is asked."""

from __future__ import annotations

import io
import json
import math
import os
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from load import HOST, Run, arrive, post, saturate
from PIL import Image

from depdis_deploy import Predictor
from depdis_deploy.backends.cpu import cores
from depdis_deploy.serve.answers import Wanted, wanted
from depdis_deploy.serve.service import Service
from depdis_deploy.serve.settings import Settings
from depdis_deploy.sources import BUNDLED_CLIP, open_sources

CORES = cores()
_CODE = "from depdis_deploy.serve.cli import main; main()"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sizes:
    """How much is measured. rounds x pictures: throughput; lone, paced: requests; overload_s: seconds."""

    rounds: int
    pictures: int
    lone: int
    paced: int
    overload_s: float


FULL = Sizes(rounds=5, pictures=200, lone=100, paced=400, overload_s=60.0)
SHORT = Sizes(rounds=2, pictures=40, lone=20, paced=60, overload_s=5.0)


class Server:
    """A `depdis-serve` on a free port of this machine."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.process = process
        self.port = int(json.loads(process.stderr.readline())["url"].rpartition(":")[2])
        self.loudest: list[str] = []  # lines of the log that tell of errors
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if '"level": "error"' in line or "traceback" in line:
                self.loudest.append(line)

    def processor_s(self) -> float:
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=30) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("process_resident_memory_bytes "):
                    return float(line.split()[1]) / 1e6
        raise RuntimeError("the server does not say what memory it has")


@contextmanager
def serving() -> Iterator[Server]:
    words = [sys.executable, "-c", _CODE, "--port", "0", "--device", "cpu"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process)
            process.terminate()
            if process.wait(timeout=60):
                raise RuntimeError(f"the server ended with {process.returncode}")
        finally:
            process.kill()


def street_jpeg() -> bytes:
    """A frame of the bundled clip."""
    buffer = io.BytesIO()
    Image.fromarray(next(open_sources(BUNDLED_CLIP)).image).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def throughput(server: Server, picture: bytes, sizes: Sizes) -> dict[str, Any]:
    """Served pictures against the same work by as many threads of one process, in turns.

    by_time: seconds of the work over those of the server, the load generator's processor time shared out over
    the cores and taken off. by_processor: processor seconds of the work over the server's, which other load on
    the machine hardly moves. The median round counts.
    """
    service = Service(Predictor(device="cpu", threads=1), Settings(workers=min(CORES, 8)))
    asked = wanted("application/json", [], service.predictor.manifest.outputs)
    request = post(picture, "application/json")
    rounds = []
    for number in range(sizes.rounds + 1):
        wall, processor = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(service.settings.workers) as pool:
            list(pool.map(lambda _: _worked(service, picture, asked), range(sizes.pictures)))
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        before = server.processor_s()
        run = saturate(server.port, request, sizes.pictures, 3 * service.settings.workers)
        spent = server.processor_s() - before
        if run.count(200) != sizes.pictures:
            raise RuntimeError(f"not all were served: {run.statuses}")
        if number:  # the first one warms up
            rounds.append(
                {
                    "work_per_s": sizes.pictures / wall,
                    "served_per_s": sizes.pictures / (run.seconds - run.processor_s / CORES),
                    "by_time": wall / (run.seconds - run.processor_s / CORES),
                    "by_processor": processor / spent,
                }
            )
    return {key: round(statistics.median(row[key] for row in rounds), 3) for key in rounds[0]}


def _worked(service: Service, picture: bytes, asked: Wanted) -> None:
    reservation = service.memory.reservation()
    service.work(picture, asked, time.perf_counter(), reservation)
    reservation.close()


def latency(server: Server, picture: bytes, per_s: float, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Milliseconds alone, and at half of `per_s` in even steps and at random."""
    request = post(picture, "application/json")
    lone = saturate(server.port, request, sizes.lone, 1)
    step_s = 2 / per_s
    count = min(sizes.paced, int(100 / step_s))
    even = arrive(server.port, request, [index * step_s for index in range(count)])
    source = random.Random(seed)
    times, now = [], 0.0
    for _ in range(count):
        times.append(now)
        now += source.expovariate(1 / step_s)
    by_chance = arrive(server.port, request, [due for due in times if due <= 120.0])
    alone_ms = quantiles_ms(lone)
    found: dict[str, Any] = {"lone_ms": alone_ms}
    for name, run in (("even", even), ("random", by_chance)):
        found[f"{name}_ms"] = quantiles_ms(run)
        found[f"{name}_p99_over_lone"] = round(found[f"{name}_ms"]["p99"] / alone_ms["p50"], 2)
        found[f"{name}_refused"] = len(run.statuses) - run.count(200)
    return found


def overload(server: Server, picture: bytes, per_s: float, sizes: Sizes) -> dict[str, Any]:
    """Ten times `per_s` for a while: answers, memory, and how soon a lone request is served again."""
    request = post(picture, "application/json")
    lone_s = statistics.median(saturate(server.port, request, 20, 1).latencies_s)
    before = server.resident_mb()
    count = int(10 * per_s * sizes.overload_s)
    run = arrive(server.port, request, [index / (10 * per_s) for index in range(count)])
    ended = time.perf_counter()
    while (saturate(server.port, request, 1, 1).served_s() or [math.inf])[0] > 2 * lone_s:
        if time.perf_counter() - ended > 60:
            break
    return {
        "asked": count, "asked_per_s": round(count / run.seconds, 1), "served": run.count(200),
        "refused": run.count(429) + run.count(503), "other": len(run.statuses) - run.count(200)
        - run.count(429) - run.count(503), "broken_connections": run.errors,
        "refused_without_retry_after": run.without_retry, "served_ms": quantiles_ms(run),
        "memory_mb": [round(before, 1), round(server.resident_mb(), 1)],
        "normal_after_s": round(time.perf_counter() - ended, 2), "errors_in_log": len(server.loudest),
    }  # fmt: skip


def quantiles_ms(run: Run) -> dict[str, float]:
    """Of the served requests' latencies."""
    served = sorted(run.served_s())
    if not served:
        return {"p50": float("nan"), "p99": float("nan")}
    rank = min(len(served) - 1, int(0.99 * len(served)))
    return {"p50": round(1000 * served[len(served) // 2], 1), "p99": round(1000 * served[rank], 1)}


def measured(sizes: Sizes, seed: int) -> dict[str, Any]:
    """All of it, on one server."""
    picture = street_jpeg()
    with serving() as server:
        found: dict[str, Any] = {"throughput": throughput(server, picture, sizes)}
        per_s = found["throughput"]["served_per_s"]
        found["latency"] = latency(server, picture, per_s, sizes, seed)
        found["overload"] = overload(server, picture, per_s, sizes)
    return found
