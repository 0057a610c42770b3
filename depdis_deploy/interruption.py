"""Ctrl-C and SIGTERM as a flag that is looked at between frames, so that none is torn in the middle."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from .command import Terminated


class Switch:
    """A flag without a lock: a signal's handler may set it while the same thread is setting it."""

    def __init__(self) -> None:
        self._on = False

    def set(self) -> None:
        """Set it; for good."""
        self._on = True

    def is_set(self) -> bool:
        """Whether it was."""
        return self._on


class Interruption:
    """`stopped` is set by the first signal; a second one raises at once."""

    def __init__(self) -> None:
        self.stopped = Switch()
        self._signal: int | None = None

    def raise_if_any(self) -> None:
        """End the command as the signal asks, once what was done is safe."""
        if self._signal is not None:
            raise Terminated if self._signal == signal.SIGTERM else KeyboardInterrupt

    def _arrived(self, signum: int, frame: object) -> None:
        if self._signal is not None:
            self.raise_if_any()
        self._signal = signum
        self.stopped.set()


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within the block (of the main thread) SIGINT and SIGTERM set the flag."""
    interruption = Interruption()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interruption._arrived) for number in numbers}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
