"""Bytes of an image file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from depdis_deploy.address import masked
from depdis_deploy.command import InputError, one_line

_BYTES_PER_PIXEL = 8  # four samples of 16 bits
_METADATA_BYTES = 64 * 2**20


class TooLarge(InputError):
    """An image with more pixels or bytes than accepted."""


def most_bytes(max_pixels: int) -> int:
    """Return how many bytes a file with an image of at most `max_pixels` may have."""
    return _BYTES_PER_PIXEL * max_pixels + _METADATA_BYTES


def read_file(path: Path, max_pixels: int) -> bytes:
    """Read a file as it is now, whatever is written to it meanwhile.

    Raises:
        TooLarge: The file is larger than an image of `max_pixels`.
        InputError: The file is missing, empty, unreadable or not a regular file.
    """
    try:
        # A pipe is opened without waiting for a writer, and then rejected.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise InputError(f"{masked(str(path))}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(one_line(error)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: expected an image file, got a folder, named pipe, socket or device")
        if status.st_size == 0:
            raise InputError(f"{path}: the file is empty; expected an image")
        most = most_bytes(max_pixels)
        if status.st_size > most:
            raise TooLarge(
                f"{path}: {status.st_size:,} bytes are too large, expected at most {most:,}; save it compressed"
            )
        return _read(descriptor, status.st_size)
    except OSError as error:
        raise InputError(f"{path}: {one_line(error)}") from None
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    """Read `size` bytes, or fewer where the file ends before."""
    pieces = []
    while size and (piece := os.read(descriptor, size)):
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
