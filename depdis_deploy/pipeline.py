"""Read ahead in one thread, work in several, hand over in order: bounded all along."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from functools import partial
from typing import Generic, TypeVar

from .patience import Flag

Item = TypeVar("Item")
Result = TypeVar("Result")
_WAIT_S = 0.1  # how long a signal may go unnoticed
_LONGEST_READ_S = 6.0  # above the time-out of a network stream


class Ready(Enum):
    """In place of an item: there is none yet, and what was asked about is ready."""

    READY = 1


class ReadAhead(Generic[Item]):
    """Runs an iterable in a thread, at most `depth` items ahead.

    drop: where that many wait the oldest is lost, instead of holding up the reader (live sources).
    admit: holds up the reader while it returns False for an item; asked again at each `wake`. Not with `drop`.
    longest_read_s: how long `close` waits for the read that the thread is in.
    An error of the iterable is raised where its place in the order is.
    """

    def __init__(
        self, items: Iterable[Item], depth: int, *, drop: bool = False, longest_read_s: float = _LONGEST_READ_S,
        admit: Callable[[Item], bool] = lambda item: True,
    ) -> None:  # fmt: skip
        self._items, self._depth, self._drop, self._admit = items, max(1, depth), drop, admit
        self._waiting: deque[tuple[str, Item | BaseException | None]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._longest_read_s = longest_read_s
        self.dropped = 0
        self._thread = threading.Thread(target=self._fill, name="read-ahead", daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        try:
            for item in self._items:
                if not self._put(("item", item), self._depth):
                    return
        except BaseException as error:
            self._put(("error", error), self._depth + 1)
        else:
            self._put(("end", None), self._depth + 1)
        finally:
            if isinstance(self._items, Generator):
                self._items.close()  # here, where it ran, and not when it happens to be forgotten

    def _put(self, entry: tuple[str, Item | BaseException | None], most: int) -> bool:
        with self._changed:
            while not self._closed and (len(self._waiting) >= most or not self._admitted(entry)):
                if self._drop:
                    self._waiting.popleft()
                    self.dropped += 1
                else:
                    self._changed.wait()
            if self._closed:
                return False
            self._waiting.append(entry)
            self._changed.notify_all()
        return True

    def _admitted(self, entry: tuple[str, Item | BaseException | None]) -> bool:
        kind, value = entry
        return kind != "item" or self._admit(value)  # type: ignore[arg-type]

    def get(self, stopped: Flag, ready: Callable[[], bool] = lambda: False) -> Item | Ready | None:
        """The next item; None at the end, or as soon as `stopped` is set; READY where there is none but `ready`
        is true, which is looked at again at each `wake`."""
        with self._changed:
            while not stopped.is_set():
                if self._waiting:
                    kind, value = self._waiting.popleft()
                    self._changed.notify_all()
                    if kind == "error":
                        assert isinstance(value, BaseException)
                        raise value
                    return None if kind == "end" else value  # type: ignore[return-value]
                if ready():
                    return Ready.READY
                self._changed.wait(_WAIT_S)
        return None

    def wake(self) -> None:
        """Let who waits for an item look again whether something is ready."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Let the thread end, which takes as long as the read that it is in."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=self._longest_read_s)


class Turns:
    """A queue for threads: parts of their work are done one after another, in the order of their turns."""

    def __init__(self) -> None:
        self._given = self._next = 0
        self._over: set[int] = set()
        self._changed = threading.Condition()

    def take(self) -> Turn:
        """The next turn."""
        self._given += 1
        return Turn(self, self._given - 1)

    def _wait(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._next >= number)

    def _end(self, number: int) -> None:
        with self._changed:
            if number >= self._next:
                self._over.add(number)
            while self._next in self._over:
                self._over.remove(self._next)
                self._next += 1
            self._changed.notify_all()


class Turn:
    """A place in the queue: `with turn:` waits until all before it are over. It may end unused."""

    def __init__(self, turns: Turns, number: int) -> None:
        self._turns, self._number = turns, number

    def __enter__(self) -> None:
        self._turns._wait(self._number)

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """Let the next one begin; once is enough."""
        self._turns._end(self._number)


def _over(turn: Turn, done: Future[Result]) -> None:
    """What failed or was cancelled must not hold up what is behind it."""
    turn.end()


def in_order(
    items: ReadAhead[Item], work: Callable[[Sequence[Item], Turn], Result], *, workers: int, batch: int,
    stopped: Flag, under_way: int | None = None,
) -> Iterator[Result]:  # fmt: skip
    """`work` on batches of `items` in `workers` threads; results in order.

    A result is handed over as soon as those before it are, whether the next item is there or not. What `work`
    does inside `with turn:` is done in order as well.
    under_way: batches begun and not handed over, at most; None: twice as many as workers.

    When `stopped` is set no new batch is begun, and those under way are still handed over. An error in the
    reading is raised after the results before it.
    """
    pending: deque[Future[Result]] = deque()
    turns = Turns()
    failure: Exception | None = None
    most = 2 * workers if under_way is None else under_way
    with ThreadPoolExecutor(workers, thread_name_prefix="infer") as pool:
        try:
            ended = False
            while not ended:
                group: list[Item] = []
                while len(group) < batch:
                    item: Item | Ready | None = None
                    try:
                        item = items.get(stopped, lambda: bool(pending) and pending[0].done())
                    except Exception as error:
                        failure = error
                    if item is Ready.READY:  # the next item may be long in coming
                        yield pending.popleft().result()
                    elif item is None:
                        break
                    else:
                        group.append(item)
                ended = len(group) < batch
                if group:
                    turn = turns.take()
                    future = pool.submit(work, group, turn)
                    pending.append(future)
                    future.add_done_callback(partial(_over, turn))
                    future.add_done_callback(lambda done: items.wake())
                while pending and (ended or len(pending) >= most or pending[0].done()):
                    yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
    if failure is not None:
        raise failure
