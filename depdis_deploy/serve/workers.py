"""Worker threads with a bounded queue."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")
_SHARE = 0.1  # of the most recent duration in the moving mean


class Full(Exception):
    """All places are taken. retry_after_s: seconds until one is expected to be free."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class Workers:
    """`count` threads, for which `queue` jobs may wait. To be used on one event loop.

    taken: jobs in progress or waiting.
    """

    def __init__(self, count: int, queue: int) -> None:
        self.count, self.places = count, count + queue
        self.taken = 0
        self._mean_s = 0.1
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="predict")

    @property
    def waiting(self) -> int:
        """Return how many jobs wait."""
        return max(0, self.taken - self.count)

    def refuse_if_full(self) -> None:
        """Raise `Full` if there is no place."""
        if self.taken >= self.places:
            raise Full(max(1, math.ceil(self.taken * self._mean_s / self.count)))

    def submit(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run `work` in a thread unless it is cancelled before its turn.

        Raises:
            Full: There is no place.
        """
        self.refuse_if_full()
        loop = asyncio.get_running_loop()
        self.taken += 1
        future = self._pool.submit(self._timed, work)

        def released(done: Future[Result]) -> None:
            with suppress(RuntimeError):  # the event loop has ended
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
            done.exception()  # nobody awaits a job whose client has left

    def close(self) -> None:
        """Drop waiting jobs and end the threads after their current job, without waiting for it."""
        self._pool.shutdown(wait=False, cancel_futures=True)
