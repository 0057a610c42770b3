"""Files that appear whole or not at all, never through a link, and never in place of a source."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .command import InputError

# Flags of `os.open` for a file of this program's own: no planted link leads elsewhere.
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_LONGEST_STEM = 40  # characters in a temporary name, which must fit in 255 bytes
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


class Protected:
    """Files that no result may replace. A file counts under any of its names: links, other letter cases.

    Args:
        paths: The files. Paths that do not exist are left out.
    """

    def __init__(self, paths: Iterable[Path | str] = ()) -> None:
        self._files: set[tuple[int, int]] = set()
        for path in paths:
            for look_up in (os.stat, os.lstat):
                with suppress(OSError, ValueError):
                    self._files.add(_identity(look_up(path)))

    def check(self, path: Path) -> None:
        """Raise InputError if a result at `path` would replace one of the files."""
        if not self._files:
            return
        with suppress(OSError):
            if _identity(os.lstat(path)) in self._files:
                raise InputError(f"{path}: the result would replace its source; choose another --outdir")

    def check_inside(self, folder: Path) -> None:
        """Raise InputError if one of the files lies directly in `folder`."""
        inodes = {inode for _, inode in self._files}
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.inode() in inodes:
                    self.check(Path(entry.path))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def make_plain_folder(folder: Path) -> None:
    """Make a folder if missing. InputError: a file or a link, which may lead elsewhere, has its name."""
    folder.mkdir(parents=True, exist_ok=True)
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise InputError(f"{folder}: expected a folder, got a link; remove it or choose another output folder")


def create(path: Path) -> int:
    """Make a new, empty file that is open to append to, in place of any file or link of that name.

    Returns its descriptor. InputError: a folder has its name.
    """
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(path.lstat().st_mode):
            raise _folder_in_the_way(path)
        path.unlink()
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o666)


def no_follow(path: str, flags: int) -> int:
    """Open a file, as the `opener` of `open`; OSError where a link has its name."""
    return os.open(path, flags | NO_FOLLOW, 0o666)


@contextmanager
def written_whole(
    path: Path | str,
    *,
    durable: bool = False,
    companions: Iterable[str] = (),
    protected: Protected | None = None,
) -> Iterator[Path]:
    """Yield a new temporary file next to `path`, renamed to it if the block succeeds and removed otherwise.

    The temporary name keeps the suffix, because many writers choose the format by it.

    Args:
        path: The final file. A link there is replaced itself, not what it points to.
        durable: Bring the file to the disk, so that it outlasts a power cut.
        companions: Suffixes of files that the block writes next to the temporary one. They appear first.
        protected: Files that must not be replaced. InputError where `path` is one of them.
    """
    path = Path(path)
    name = f".{path.stem[:_LONGEST_STEM]}.{os.getpid()}.{secrets.token_hex(4)}.part{path.suffix}"
    temporary = path.with_name(name)
    pairs = [(temporary.with_suffix(suffix), path.with_suffix(suffix)) for suffix in companions]
    pairs.append((temporary, path))
    try:
        for made, _ in pairs:
            os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o666))
        yield temporary
        for made, final in pairs:
            if durable:
                sync(made)
            if protected is not None:
                protected.check(final)
            _replace(made, final)
        if durable:
            sync(path.parent)
    except BaseException:
        for made, _ in pairs:
            with suppress(OSError):
                made.unlink(missing_ok=True)
        raise


def _replace(made: Path, final: Path) -> None:
    try:
        os.replace(made, final)
    except IsADirectoryError:
        raise _folder_in_the_way(final) from None


def _folder_in_the_way(path: Path) -> InputError:
    return InputError(f"{path}: expected a free file name, got a folder; move it or choose another folder")


def remove_left_over(folder: Path, suffixes: Iterable[str]) -> None:
    """Remove temporary files of `written_whole` in `folder` that processes which have ended left there.

    Args:
        folder: Looked through without its subfolders.
        suffixes: Of the files that may be removed, such as `.png`.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _TEMPORARY.fullmatch(entry.name)
            if (
                found is not None
                and Path(entry.name).suffix in suffixes
                and entry.is_file(follow_symlinks=False)
                and not is_running(int(found[1]))
            ):
                os.unlink(entry.path)


def is_running(process: int) -> bool:
    """Whether a process of this number runs on this host; True where that cannot be told."""
    if os.name != "posix":  # a signal of 0 would end it there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


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
