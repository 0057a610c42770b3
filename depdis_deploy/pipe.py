"""A named pipe as a file that can be given up while it is waited for."""

from __future__ import annotations

import io
import os
import select

from .patience import Flag

_WAIT_S = 0.1  # how long a signal may go unnoticed


class Pipe:
    """Bytes of a named pipe (FIFO). Once `over` is set, a read returns what the end of a file returns."""

    def __init__(self, path: str, over: Flag) -> None:
        self.name, self._over = path, over
        # Without O_NONBLOCK, opening it waits for a writer.
        self._file = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK))

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; none at the end."""
        while not self._over.is_set():
            if select.select([self._file], [], [], _WAIT_S)[0]:
                return self._file.read(size) or b""
        return b""

    def close(self) -> None:
        """Close the pipe; more than once does no harm."""
        self._file.close()
