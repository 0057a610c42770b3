"""Lock on a folder that only one process at a time may write to."""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .command import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:  # everything but Windows
    msvcrt = None  # type: ignore[assignment]

LOCK_FILE = ".depdis.lock"
_POLL_S = 0.1
_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_LOCKED_BYTE = 1 << 20  # of Windows, where a locked byte cannot be read
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def locked(folder: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold `folder` for this process alone within the block.

    The kernel releases the lock when the process ends in any way. On a file system without locks, the
    existence of the lock file is the lock: one that a killed process left on this host is taken over.

    Args:
        folder: An existing folder. The lock file in it, `LOCK_FILE`, is removed at the end.
        waiting: Called once before waiting for another process. None: raise instead of waiting.

    Raises:
        InputError: Another process holds the folder, or the lock file cannot be made.
    """
    path = folder / LOCK_FILE
    told = False
    while (number := _acquire(path)) is None:
        if waiting is None:
            raise InputError(
                f"{folder}: another run is writing there{_holder_note(path)}; wait until it ends, or choose "
                "another folder"
            )
        if not told:
            waiting()
            told = True
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        _release(path, number)


def _acquire(path: Path) -> int | None:
    """Return the descriptor of the lock file, locked; None while another process holds it."""
    while True:
        try:
            number, created = _open(path)
        except OSError as error:
            raise InputError(
                f"{path}: the folder cannot be locked ({error.strerror}); expected to create this file there"
            ) from None
        with ExitStack() as stack:
            stack.callback(os.close, number)
            held = _held(path, number, created=created)
            if held:
                _write_holder(path, number)
                stack.pop_all()
                return number
        if held is False:
            return None


def _held(path: Path, number: int, *, created: bool) -> bool | None:
    """Return whether this process holds the open lock file; None: the file is gone, look again."""
    by_kernel = _lock(number)
    if by_kernel is None:
        if created or not _left_over(number):
            return created
        if _is(path, number):
            path.unlink(missing_ok=True)
        return None
    if by_kernel and not _is(path, number):  # its last holder removed it between opening and locking
        return None
    return by_kernel


def _open(path: Path) -> tuple[int, bool]:
    """Open the lock file. Returns its descriptor and whether this call created it."""
    while True:
        try:
            return os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            with suppress(FileNotFoundError):  # removed in between
                return os.open(path, _OPEN), False


def _lock(number: int) -> bool | None:
    """Return whether the kernel locked the file for this process; None where it has no locks."""
    try:
        if fcntl is not None:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif msvcrt is not None:
            os.lseek(number, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            return None
    except OSError as error:
        return False if error.errno in _HELD else None
    return True


def _is(path: Path, number: int) -> bool:
    """Return whether `path` still names the open file."""
    try:
        return os.path.samestat(os.fstat(number), path.lstat())
    except FileNotFoundError:
        return False


def _write_holder(path: Path, number: int) -> None:
    """Leave this process's number and host in the lock file, for the message of the next one."""
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise InputError(f"{path}: expected a lock file with no other name; remove it")
    os.ftruncate(number, 0)
    os.lseek(number, 0, os.SEEK_SET)
    os.write(number, f"{os.getpid()} {socket.gethostname()}\n".encode())


def _holder(number: int) -> tuple[int, str] | None:
    """Return process number and host from an open lock file; None where they were not written yet."""
    os.lseek(number, 0, os.SEEK_SET)
    process, _, host = os.read(number, 400).decode("utf-8", "replace").strip().partition(" ")
    return (int(process), host) if process.isascii() and process.isdecimal() and host else None


def _holder_note(path: Path) -> str:
    with suppress(OSError):
        number = os.open(path, _OPEN)
        try:
            if (found := _holder(number)) is not None:
                return f" (process {found[0]} on {found[1]}, lock file {LOCK_FILE})"
        finally:
            os.close(number)
    return ""


def _left_over(number: int) -> bool:
    """Return whether the process that made the lock file ran on this host and has ended."""
    found = _holder(number)
    if found is None or found[1] != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(found[0], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _release(path: Path, number: int) -> None:
    with suppress(OSError):
        if os.name == "posix":  # removed first: a waiting process checks that the name is still there
            if _is(path, number):
                path.unlink()
            os.close(number)
        else:  # an open file cannot be removed there, not even by another process
            os.close(number)
            path.unlink()
