"""Each visitor's own files: under names that nobody can guess, deleted when the page is closed or abandoned."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from depdis_deploy.command import InputError

from .storage import Storage

ABSENT_S = 600.0  # without an open page and without a request, until files are deleted
UNWATCHED_S = 60.0  # without an open page, until work is cancelled and its place is free for others
MOST_VISITORS = 1000
_SESSION_CHARACTERS = 64
_MOST_FILES = 10_000
_SPARE_BYTES = 100_000_000  # of the disk, for what is made of an upload
_END_S = 20.0  # for what is at work when the server ends; an adaptation is killed well before


class Visitor:
    """One open page. `gone` is set when it was closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gone = threading.Event()
        self.cancel: dict[str, Callable[[], None]] = {}  # by kind, of what is at work
        self.video: Path | None = None  # the last one's file
        self.streams = 0  # that its page holds open
        self.seen = time.monotonic()  # its last request, or the end of its last stream
        self._lock = threading.Lock()
        self._folders: dict[str, Path] = {}

    def absent_s(self) -> float:
        """Return the seconds since the page was last seen; 0 while it is open."""
        return 0.0 if self.streams else time.monotonic() - self.seen

    def fresh(self, kind: str) -> Path:
        """A new folder for results of a kind, in place of the one before. InputError: the visitor has left."""
        with self._lock:
            if self.gone.is_set():
                raise InputError("this page was closed; open it again")
            self._discard(kind)
            made = self.folder / secrets.token_urlsafe(12)
            made.mkdir(parents=True)
            self._folders[kind] = made
            return made

    def keep(self, folder: Path, kind: str) -> None:
        """Let a fresh folder be that of another kind, in place of the one before.

        InputError: it was itself replaced meanwhile, or the visitor has left.
        """
        with self._lock:
            held = next((key for key, one in self._folders.items() if one == folder), None)
            if held is None:
                raise InputError("another one was chosen meanwhile")
            del self._folders[held]
            self._discard(kind)
            self._folders[kind] = folder

    def leave(self) -> None:
        """Stop what is at work and delete every file."""
        self.gone.set()
        for cancel in list(self.cancel.values()):
            cancel()
        with self._lock:
            for kind in list(self._folders):
                self._discard(kind)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _discard(self, kind: str) -> None:
        old = self._folders.pop(kind, None)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)


class Visitors:
    """All open pages, and the one folder that holds all their files.

    Args:
        most_bytes: Of all uploads and results together, beyond which no upload is accepted.
    """

    def __init__(self, most_bytes: int = 2_000_000_000) -> None:
        self._storage, self._most_bytes = Storage(), most_bytes
        self.root = self._storage.root
        self.results, self.uploads = self._storage.results, self._storage.uploads
        self._lock = threading.Lock()
        self._visitors: dict[str, Visitor] = {}
        self._ends: set[Callable[[], None]] = set()
        self._reserving = threading.Lock()
        self._reserved = 0

    def of(self, session: str | None) -> Visitor:
        """The visitor behind a session of the browser's page.

        Clients choose their session's name, so the number of visitors is limited: one too many replaces the
        one that was absent for longest.
        """
        key = (session or "")[:_SESSION_CHARACTERS]
        replaced = None
        with self._lock:
            if key not in self._visitors:
                if len(self._visitors) >= MOST_VISITORS:
                    longest = max(self._visitors, key=lambda one: self._visitors[one].absent_s())
                    replaced = self._visitors.pop(longest)
                self._visitors[key] = Visitor(self.results / secrets.token_urlsafe(16))
            visitor = self._visitors[key]
            visitor.seen = time.monotonic()
        if replaced is not None:
            replaced.leave()
        return visitor

    @contextmanager
    def present(self, session: str) -> Iterator[None]:
        """Count a session's page as open within the block."""
        visitor = self.of(session)
        with self._lock:
            visitor.streams += 1
        try:
            yield
        finally:
            with self._lock:
                visitor.streams -= 1
                visitor.seen = time.monotonic()

    def known(self) -> set[str]:
        """Return the sessions of all visitors."""
        with self._lock:
            return set(self._visitors)

    def leave(self, session: str | None) -> None:
        """The page was closed."""
        with self._lock:
            visitor = self._visitors.pop((session or "")[:_SESSION_CHARACTERS], None)
        if visitor is not None:
            visitor.leave()

    def expire(self, absent_s: float = ABSENT_S) -> None:
        """Delete uploads that nobody used, and files of visitors who were absent, for so many seconds.

        What is at work for an absent visitor stays; it is cancelled by itself (`UNWATCHED_S`).
        """
        self._storage.remove_uploads(time.time() - absent_s)
        with self._lock:
            gone = [
                key
                for key, one in self._visitors.items()
                if one.absent_s() >= absent_s and not one.streams and not one.cancel
            ]
            left = [self._visitors.pop(key) for key in gone]
        for visitor in left:
            visitor.leave()

    def reserve(self, length: int) -> bool:
        """Reserve space for an upload, until `release`; older files of absent visitors make room for it.

        Returns:
            False where the uploads and results of others, or the disk, leave too little.
        """
        with self._reserving:
            for absent_s in (None, ABSENT_S, ABSENT_S / 3, UNWATCHED_S):
                if absent_s is not None:
                    self.expire(absent_s)
                if self._fits(length):
                    with self._lock:
                        self._reserved += length
                    return True
            return False

    def _fits(self, length: int) -> bool:
        used, files = self._storage.usage()
        wanted = self._reserved + length
        return (
            used + wanted <= self._most_bytes
            and files < _MOST_FILES
            and wanted + _SPARE_BYTES <= self._storage.free_bytes()
        )

    def release(self, length: int) -> None:
        """Give up reserved space: the upload is on the disk, or will not come."""
        with self._lock:
            self._reserved -= length

    def begun(self, end: Callable[[], None]) -> None:
        """Something is at work, whose `end` waits until it is not."""
        with self._lock:
            self._ends.add(end)

    def ended(self, end: Callable[[], None]) -> None:
        """It is at work no more."""
        with self._lock:
            self._ends.discard(end)

    def close(self) -> None:
        """The server ends. What is at work is waited for, within bounds, so that it writes nothing after."""
        for session in self.known():
            self.leave(session)
        with self._lock:
            last = [threading.Thread(target=end, name="end", daemon=True) for end in self._ends]
        limit = time.monotonic() + _END_S
        for thread in last:
            thread.start()
        for thread in last:
            thread.join(max(0.0, limit - time.monotonic()))
        self._storage.remove(limit)

    def uploaded(self, path: str, folder: Path) -> Path:
        """A file that was uploaded, in a visitor's own folder. InputError: it is no upload, or is gone.

        A link, not a move: two visitors who upload the same bytes under one name share the file until then.
        """
        with suppress(OSError, ValueError, RuntimeError):  # it expired just now, or the text is no path
            found = Path(path).resolve()
            if found.is_relative_to(self.uploads) and found.is_file():
                kept = folder / f"source{found.suffix.lower()}"
                os.link(found, kept)
                return kept
        raise InputError("the upload did not arrive; choose the file again")
