"""Ctrl-C and SIGTERM: the first stops between frames, so that none is torn; the second ends the process."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from .command import Terminated

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_STDERR = 2
_GRACE_S = 1.0  # for a start that was interrupted to clean up after itself


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
    """`stopped` is set by the first signal; a second one ends the process."""

    def __init__(self) -> None:
        self.stopped = Switch()
        self._signal: int | None = None

    def raise_if_any(self) -> None:
        """End the command as the signal asks, once what was done is safe."""
        if self._signal is not None:
            raise Terminated if self._signal == signal.SIGTERM else KeyboardInterrupt

    def _arrived(self, signum: int, frame: object) -> None:
        if self._signal is not None:
            _end(signum)
        self._signal = signum
        self.stopped.set()


def _end(signum: int) -> NoReturn:
    """End without cleaning up: threads inside compiled code cannot be stopped, and abort on the way out.

    Every NDJSON line and video fragment is already written, and other files appear whole or not at all.
    """
    if os.isatty(_STDERR):
        os.write(_STDERR, b"\n")  # below the progress line
    os._exit(128 + signum)


@contextmanager
def _watched(first: Callable[[], None], grace_s: float | None) -> Iterator[None]:
    """End the process at the second signal, or `grace_s` after the first (None: not then).

    A thread does that, because handlers wait for the main thread to return from compiled code.

    Args:
        first: Called in that thread at the first signal.
        grace_s: In seconds.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def watch() -> None:
        arrived = 0
        while True:
            try:
                numbers = reader.recv(64)
            except TimeoutError:
                _end(arrived)
            if not numbers:
                return
            for number in numbers:
                if number in _NUMBERS:
                    if arrived:
                        _end(number)
                    arrived = number
                    reader.settimeout(grace_s)
                    first()

    thread = threading.Thread(target=watch, name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writer.close()
        thread.join()
        reader.close()


@contextmanager
def starting() -> Iterator[None]:
    """Within the block (of the main thread) a signal ends the process soon, even while a library hangs."""
    with _watched(lambda: None, _GRACE_S):
        yield


@contextmanager
def interruptible(note: Callable[[str], None]) -> Iterator[Interruption]:
    """Within the block (of the main thread) the first SIGINT or SIGTERM sets the flag, the second ends.

    Args:
        note: Told at the first signal how to stop at once.
    """
    interruption = Interruption()

    def first() -> None:
        note("stopping after the frames in work; press Ctrl-C again to stop at once")

    before = {number: signal.signal(number, interruption._arrived) for number in _NUMBERS}
    try:
        with _watched(first, None):
            yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
