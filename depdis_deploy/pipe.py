"""A named pipe as a file that can be given up while it is waited for."""

from __future__ import annotations

import io
import os
import select

from .patience import Flag

_WAIT_S = 0.1  # how long a signal may go unnoticed
_HEAD_BYTES = 2 * 2**20  # twice as many as FFmpeg reads to recognise a format


class Pipe:
    """Bytes of a named pipe (FIFO). Once `over` is set, a read returns what the end of a file returns."""

    def __init__(self, path: str, over: Flag) -> None:
        self.name, self._over = path, over
        # Without O_NONBLOCK, opening it waits for a writer.
        self._file = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        self._head: bytearray | None = bytearray()  # all bytes so far, until there are too many
        self._replayed = io.BytesIO()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; none at the end."""
        if again := self._replayed.read(size):
            return again
        while not self._over.is_set():
            if select.select([self._file], [], [], _WAIT_S)[0]:
                return self._kept(self._file.read(size) or b"")
        return b""

    def rewind(self) -> bool:
        """Read from the first byte again. Return False if too much was read for that."""
        if self._head is None:
            return False
        self._replayed = io.BytesIO(bytes(self._head))
        return True

    def _kept(self, data: bytes) -> bytes:
        if self._head is not None:
            self._head += data
            if len(self._head) > _HEAD_BYTES:
                self._head = None
        return data

    def close(self) -> None:
        """Close the pipe; more than once does no harm."""
        self._file.close()
