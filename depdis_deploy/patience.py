"""How long a run goes on: until a signal, until its time is up, and while a lost camera is tried again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_STEP_S = 0.1  # how long a signal may go unnoticed


class Flag(Protocol):
    """What can be looked at, such as a threading.Event."""

    def is_set(self) -> bool: ...


class Never:
    """A flag that nobody sets."""

    def is_set(self) -> bool:
        return False


class Until:
    """A flag that is set once another is, or after some seconds (None: not by itself)."""

    def __init__(self, flag: Flag, seconds: float | None = None) -> None:
        self._flag = flag
        self.begin(seconds)

    def begin(self, seconds: float | None) -> None:
        """Count the seconds from now on."""
        self._end = math.inf if seconds is None else time.monotonic() + seconds

    def is_set(self) -> bool:
        return self._flag.is_set() or time.monotonic() >= self._end


def _ignore(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Patience:
    """What a live source does when it is lost.

    retry_s: for how long it is tried again before it is given up. over: once set, it is not. note: is told
    when it is lost and when it is there again.
    """

    retry_s: float = math.inf
    over: Flag = Never()  # noqa: RUF009 (it holds nothing)
    note: Callable[[str], None] = _ignore

    def attempts(self, lost_s: float, begun: int = 0) -> Iterator[int]:
        """Numbers of attempts, each after a longer pause, from the `begun`-th on.

        lost_s: the monotonic clock's time since which there has been nothing.
        """
        attempt = begun
        while True:
            pause_s = min(_FIRST_PAUSE_S * 2 ** min(attempt, 10), _LONGEST_PAUSE_S)
            until = min(time.monotonic() + pause_s, lost_s + self.retry_s)
            while time.monotonic() < until:
                if self.over.is_set():
                    return
                time.sleep(min(_STEP_S, max(0.0, until - time.monotonic())))
            if self.over.is_set() or time.monotonic() >= lost_s + self.retry_s:
                return
            attempt += 1
            yield attempt
