"""Threads that predict, and the bounded queue before them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")
_SHARE = 0.1  # of the newest piece of work in the mean


class Full(Exception):
    """All places are taken. retry_after_s: when one should be free again."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class Workers:
    """`count` threads, before which `queue` pieces of work may wait. To be used on one event loop.

    taken: pieces of work under way or waiting.
    """

    def __init__(self, count: int, queue: int) -> None:
        self.count, self.places = count, count + queue
        self.taken = 0
        self._mean_s = 0.1
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="predict")

    @property
    def waiting(self) -> int:
        """How many pieces of work wait."""
        return max(0, self.taken - self.count)

    def refuse_if_full(self) -> None:
        """Raise Full where there is no place."""
        if self.taken >= self.places:
            raise Full(max(1, math.ceil(self.taken * self._mean_s / self.count)))

    def submit(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Do `work` in a thread; Full where there is no place. Cancelled before its turn, it is not done."""
        self.refuse_if_full()
        loop = asyncio.get_running_loop()
        self.taken += 1
        future = self._pool.submit(self._timed, work)

        def released(done: Future[Result]) -> None:
            with suppress(RuntimeError):  # the loop has ended, when time to drain ran out
                loop.call_soon_threadsafe(self._release, done)

        future.add_done_callback(released)
        return asyncio.wrap_future(future)

    def _timed(self, work: Callable[[], Result]) -> Result:
        begun = time.perf_counter()
        try:
            return work()
        finally:
            self._mean_s += _SHARE * (time.perf_counter() - begun - self._mean_s)

    def _release(self, done: Future[Result]) -> None:
        self.taken -= 1
        if not done.cancelled():
            done.exception()  # an error of work whose client has left is nobody's

    def close(self) -> None:
        """End the threads once what they are at is done; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
