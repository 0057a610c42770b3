"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.(\d+)(\.[0-9a-f]+)?\.part(\.\w+)?", re.DOTALL)


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; a name that cannot be one (too long) is not."""
    try:
        return path.exists()
    except OSError:
        return False


def sync(path: Path | str) -> None:
    """Have what was written to a file, or the names in a folder, on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def written_whole(path: Path | str, *, durable: bool = False) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it when the block ends well and removed when it does not.

    The temporary name keeps the suffix, since many writers choose the format by it. durable: once the block
    has ended, the file outlasts a power cut.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        if durable:
            sync(temporary)
        os.replace(temporary, path)
        if durable:
            sync(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def is_part(path: Path) -> bool:
    """Whether a path has a temporary name of `written_whole`."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove_parts(folder: Path) -> None:
    """Remove the temporary files of killed processes in a folder and below; no other may be writing there."""
    for path in filter(is_part, folder.rglob(".*")):
        path.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
