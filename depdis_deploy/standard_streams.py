"""Standard streams of a command: none is missing, and only results reach stdout."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_STDIN, _STDOUT, _STDERR = 0, 1, 2


class _Results:
    """Where results go: `descriptor` 1, or a copy of it while 1 leads to stderr; `redirected` tells which.

    replaced: The object that a program had put in place of `sys.stdout` when it was redirected.
    """

    descriptor = _STDOUT
    redirected = False
    replaced: TextIO | None = None


def open_missing() -> None:
    """Open the null device in place of each standard stream that the caller has closed.

    Otherwise the next file to be opened gets the number of the stream, and messages are written into it.
    Results for a closed stdout still fail, as its null device is open for reading only.
    """
    for number, mode in ((_STDIN, os.O_RDONLY), (_STDOUT, os.O_RDONLY), (_STDERR, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)  # the lowest free number, since those below are open
            os.set_inheritable(opened, True)
    if sys.stdout is None:
        # Text that Python prints is dropped, as Python itself does.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(_STDERR, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def reserve_stdout() -> None:
    """Send everything but results to stderr: what libraries print, and what their C code writes.

    It lasts until the end of `restored_stdout`.
    """
    if _Results.redirected:
        return
    sys.stdout.flush()
    _Results.replaced = replaced_stdout()
    _Results.descriptor, _Results.redirected = os.dup(_STDOUT), True
    os.dup2(_STDERR, _STDOUT)
    sys.stdout = sys.stderr


@contextmanager
def restored_stdout() -> Iterator[None]:
    """Undo `reserve_stdout` at the end of the block, and drop what cannot be written.

    Python would flush stdout again while it exits, and turn the exit status into 120.
    """
    before = sys.stdout
    try:
        yield
    finally:
        if _Results.redirected:
            sys.stdout = before
            os.dup2(_Results.descriptor, _STDOUT)
            os.close(_Results.descriptor)
            _Results.descriptor, _Results.redirected, _Results.replaced = _STDOUT, False, None
        for stream, number in ((sys.stdout, _STDOUT), (sys.stderr, _STDERR)):
            with suppress(AttributeError, ValueError):  # replaced by an object that is no file, or closed
                try:
                    stream.flush()
                except OSError:
                    _drop(number)


def replaced_stdout() -> TextIO | None:
    """Return the object that a program, such as a notebook, has put in place of stdout, if any."""
    if _Results.redirected:
        return _Results.replaced
    try:
        return None if sys.stdout is None or sys.stdout.fileno() == _STDOUT else sys.stdout
    except (AttributeError, OSError, ValueError):
        return sys.stdout


def write_result(data: bytes) -> None:
    """Write to stdout at once, without a buffer.

    Raises:
        OSError: The reader has left, the disk is full or stdout is closed.
    """
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(_Results.descriptor, left) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, "stdout") from None


def is_stdout_open() -> bool:
    """Whether results can be written to stdout: it is neither closed nor open for reading only."""
    try:
        os.write(_Results.descriptor, b"")
    except OSError as error:  # a full disk is reported when a result is written
        return error.errno != errno.EBADF
    return True


def write_message(text: str) -> None:
    """Write to stderr. A message that cannot be written is dropped, since it must not end the work."""
    if sys.stderr is None:  # a program without streams that uses this package
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        with suppress(OSError, ValueError, AttributeError):
            if sys.stderr.fileno() == _STDERR:
                _drop(_STDERR)


def _drop(number: int) -> None:
    """Send a stream whose reader has left to the null device, along with its unwritten rest."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, number)
    os.close(nothing)
