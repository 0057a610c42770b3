"""The server's temporary folder: its lock, its size, and the folders of servers that were killed."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from depdis_deploy.command import InputError
from depdis_deploy.folder_lock import LOCK_FILE, locked

_PREFIX = "depdis-demo-"
_NAME = re.compile(re.escape(_PREFIX) + "[a-z0-9_]{8}")
_ATTEMPTS = 10


def remove_left_over() -> None:
    """Remove the temporary folders of this user's servers that were killed; a running server holds its lock."""
    user = getattr(os, "getuid", lambda: 0)()  # Windows: a temporary folder for each user, and no numbers
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            status = folder.lstat()
            if _NAME.fullmatch(folder.name) and stat.S_ISDIR(status.st_mode) and status.st_uid == user:
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    if not (folder / LOCK_FILE).exists():
        folder.rmdir()  # empty, from a server that was killed before it could lock it
        return
    with suppress(InputError):
        with locked(folder):
            _remove(folder)
        if folder.exists():  # a process of the killed server still writes there
            (folder / LOCK_FILE).touch()


def _remove(folder: Path) -> None:
    """Remove a folder, its lock file last: without it, what a kill leaves behind would never be removed."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != LOCK_FILE:
            entry.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


class Storage:
    """Temporary folder of one server, locked until `remove`."""

    def __init__(self) -> None:
        self._lock = ExitStack()
        self.root = self._locked_folder()
        self.results, self.uploads = self.root / "results", self.root / "uploads"
        self.results.mkdir()
        self.uploads.mkdir()

    def _locked_folder(self) -> Path:
        for _ in range(_ATTEMPTS):
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
            # another server that starts may have removed the folder in between
            with suppress(InputError):
                self._lock.enter_context(locked(folder))
                return folder
        raise InputError(f"{tempfile.gettempdir()}: no folder could be made and locked there; set TMPDIR")

    def remove(self, until: float) -> None:
        """Remove everything, again until `until` (monotonic seconds) where files still come into it."""
        with suppress(OSError):
            _remove(self.root)
        while self.root.exists() and time.monotonic() < until:
            time.sleep(0.05)
            with suppress(OSError):
                _remove(self.root)
        if not self.root.exists():
            self._lock.close()

    def usage(self) -> tuple[int, int]:
        """Return the bytes and the number of uploads and results; a file with several names counts once."""
        sizes: dict[tuple[int, int], int] = {}
        for folder in (self.uploads, self.results):
            for path in _files(folder):
                with suppress(OSError):
                    status = path.lstat()
                    sizes[status.st_dev, status.st_ino] = status.st_size
        return sum(sizes.values()), len(sizes)

    def free_bytes(self) -> int:
        """Return the bytes that are free on the disk."""
        return shutil.disk_usage(self.root).free

    def remove_uploads(self, before: float) -> None:
        """Remove uploads that were last written or used before a time (seconds since the epoch).

        A file that is in use has another name in its owner's folder and stays under that one. The time of the
        last change of the entry (ctime) tells the last use, since making that name changes it.
        """
        folders = [path for path in self.uploads.iterdir() if path.is_dir()]  # one for each content
        old = [path for path in folders if path.lstat().st_mtime < before]
        for path in _files(self.uploads):
            with suppress(OSError):
                status = path.lstat()
                if max(status.st_mtime, status.st_ctime) < before:
                    path.unlink()
        for folder in old:
            with suppress(OSError):
                folder.rmdir()


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)
