"""Read ahead in one thread, work in several, hand over in order: bounded all along."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from .patience import Flag

Item = TypeVar("Item")
Result = TypeVar("Result")
_WAIT_S = 0.1  # how long a signal may go unnoticed
_LONGEST_READ_S = 6.0  # above the time-out of a network stream


class ReadAhead(Generic[Item]):
    """Runs an iterable in a thread, at most `depth` items ahead.

    drop: a full queue loses its oldest item instead of holding up the reader (live sources).
    An error of the iterable is raised where its place in the order is.
    """

    def __init__(self, items: Iterable[Item], depth: int, *, drop: bool = False) -> None:
        self._items, self._drop = items, drop
        self._queue: queue.Queue[tuple[str, Item | BaseException | None]] = queue.Queue(max(1, depth))
        self._closed = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._fill, name="read-ahead", daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        try:
            for item in self._items:
                if not self._put(("item", item)):
                    return
        except BaseException as error:
            self._put(("error", error))
        else:
            self._put(("end", None))

    def _put(self, entry: tuple[str, Item | BaseException | None]) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(entry, timeout=0 if self._drop else _WAIT_S)
                return True
            except queue.Full:
                if self._drop:
                    self._lose_oldest()
        return False

    def _lose_oldest(self) -> None:
        try:
            self._queue.get_nowait()
        except queue.Empty:
            return
        self.dropped += 1

    def get(self, stopped: Flag) -> Item | None:
        """The next item; None at the end, or as soon as `stopped` is set."""
        while not stopped.is_set():
            try:
                kind, value = self._queue.get(timeout=_WAIT_S)
            except queue.Empty:
                continue
            if kind == "error":
                assert isinstance(value, BaseException)
                raise value
            return None if kind == "end" else value  # type: ignore[return-value]
        return None

    def close(self) -> None:
        """Let the thread end, which takes as long as the read that it is in."""
        self._closed.set()
        self._thread.join(timeout=_LONGEST_READ_S)


def in_order(
    items: ReadAhead[Item], work: Callable[[Sequence[Item]], Result], *, workers: int, batch: int,
    stopped: Flag, under_way: int | None = None,
) -> Iterator[Result]:  # fmt: skip
    """`work` on batches of `items` in `workers` threads; results in order.

    under_way: batches begun and not handed over, at most; None: twice as many as workers.

    When `stopped` is set no new batch is begun, and those under way are still handed over. An error in the
    reading is raised after the results before it.
    """
    pending: deque[Future[Result]] = deque()
    failure: Exception | None = None
    most = 2 * workers if under_way is None else under_way
    with ThreadPoolExecutor(workers, thread_name_prefix="infer") as pool:
        try:
            ended = False
            while not ended:
                group: list[Item] = []
                try:
                    while len(group) < batch and (item := items.get(stopped)) is not None:
                        group.append(item)
                except Exception as error:
                    failure = error
                ended = len(group) < batch
                if group:
                    pending.append(pool.submit(work, group))
                while pending and (ended or len(pending) >= most or pending[0].done()):
                    yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
    if failure is not None:
        raise failure
