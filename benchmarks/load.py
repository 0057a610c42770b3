"""Requests against a server on this machine, as cheap as Python makes them, bounded in number and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

HOST = "127.0.0.1"  # and no other: this is no tool to load somebody else's server
MOST_REQUESTS, LONGEST_S = 200_000, 120.0


@dataclass
class Run:
    """What came of a run. seconds: of all; latencies_s and statuses: of each request, in the order of answers.

    A latency counts from the time at which a request was due, so that a server that is late is not spared the
    requests that wait for it. errors: connections that broke; without_retry: refusals (429, 503) that do not
    say when to try again.
    """

    seconds: float = 0.0
    processor_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    errors: int = 0
    without_retry: int = 0

    def count(self, status: int) -> int:
        return self.statuses.count(status)

    def served_s(self) -> list[float]:
        """The latencies of those that were served."""
        return [time_s for time_s, status in zip(self.latencies_s, self.statuses, strict=True) if status == 200]


class Connection:
    """One that is kept open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes, run: Run, due: float) -> None:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(HOST, self._port)
            reader, writer = self._streams
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        except (OSError, EOFError):
            run.errors += 1
            self.close()
            return
        status = int(head[9:12])
        run.latencies_s.append(time.perf_counter() - due)
        run.statuses.append(status)
        if status in (429, 503) and b"\r\nretry-after: " not in head:
            run.without_retry += 1
        if b"\r\nconnection: close" in head:
            self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def post(picture: bytes, accept: str, query: str = "") -> bytes:
    """A request's bytes."""
    return (
        f"POST /predict{query} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: image/jpeg\r\nAccept: {accept}\r\n"
        f"Content-Length: {len(picture)}\r\n\r\n"
    ).encode() + picture


def saturate(port: int, request: bytes, count: int, clients: int) -> Run:
    """`count` requests by clients that each ask again once they have their answer."""
    assert count <= MOST_REQUESTS

    async def all_clients(run: Run) -> None:
        left = iter(range(count))

        async def client() -> None:
            connection = Connection(port)
            for _ in left:
                await connection.ask(request, run, time.perf_counter())
            connection.close()

        await asyncio.gather(*(client() for _ in range(clients)))

    return _timed(all_clients)


def arrive(port: int, request: bytes, due_s: Sequence[float], most: int = 400) -> Run:
    """A request at each of the times `due_s`, whatever became of those before; at most `most` are open."""
    assert len(due_s) <= MOST_REQUESTS
    assert due_s[-1] <= LONGEST_S

    async def all_arrivals(run: Run) -> None:
        idle: list[Connection] = []
        open_now = asyncio.Semaphore(most)
        begun = time.perf_counter()

        async def one(due: float) -> None:
            async with open_now:
                connection = idle.pop() if idle else Connection(port)
                await connection.ask(request, run, due)
                idle.append(connection)

        asking = []
        for offset in due_s:
            await asyncio.sleep(begun + offset - time.perf_counter())
            asking.append(asyncio.ensure_future(one(begun + offset)))
        await asyncio.gather(*asking)
        for connection in idle:
            connection.close()

    return _timed(all_arrivals)


def _timed(work: Callable[[Run], Awaitable[None]]) -> Run:
    run = Run()
    begun, processor = time.perf_counter(), time.process_time()

    async def bounded() -> None:
        async with asyncio.timeout(2 * LONGEST_S):
            await work(run)

    with ThreadPoolExecutor(1) as alone:  # in this thread a loop may be running, as Playwright's in tests
        alone.submit(asyncio.run, bounded()).result()
    run.seconds = time.perf_counter() - begun
    run.processor_s = time.process_time() - processor
    return run
