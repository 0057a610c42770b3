"""Tell faults of the disk that results go to from faults of a single result."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from .command import InputError, one_line
from .outputs import try_writing

if TYPE_CHECKING:
    from av.error import FFmpegError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_DISK = _NO_ROOM | {
    number
    for name in (
        "EIO", "EROFS", "ENODEV", "ENXIO", "ESTALE", "EUCLEAN", "ENOTCONN", "EREMOTEIO", "ENOMEDIUM",
        "ESHUTDOWN", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ECONNRESET",
    )
    if (number := getattr(errno, name, None)) is not None
}  # fmt: skip
# Also raised for a single file: the folder tells.
_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM})


class Unwritable(InputError):
    """Results can no longer be written (the disk is full): no use going on with the next source."""


def is_disk_fault(error: OSError | FFmpegError, folder: Path) -> bool:
    """Whether no further result can be written to `folder`, in contrast to the one that raised `error`."""
    if error.errno in _FOLDER:
        try:
            try_writing(folder)
        except OSError:
            return True
    return error.errno in _DISK


def unwritable(error: OSError | FFmpegError, folder: Path) -> Unwritable:
    """The error to raise for a fault of the disk."""
    reason = error.strerror or one_line(error)
    advice = "make room" if error.errno in _NO_ROOM else "is its disk still there, and may it be written to?"
    place = "stdout" if error.filename == "stdout" else folder
    return Unwritable(f"{place}: no more results can be written ({reason}); {advice}")


def write_fault(error: OSError | FFmpegError, folder: Path, what: str) -> InputError:
    """The error to raise where `what` could not be written: `Unwritable` if the disk is to blame."""
    if is_disk_fault(error, folder):
        return unwritable(error, folder)
    return InputError(f"{what}: the result cannot be written ({one_line(error)})")
