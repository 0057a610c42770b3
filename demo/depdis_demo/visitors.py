"""All open pages and their files, which are deleted when a page is closed or abandoned."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from depdis_deploy.command import InputError

from .storage import Storage
from .tasks import Task, Visitor

ABSENT_S = 600.0  # without an open page and without a request, until files are deleted
UNWATCHED_S = 60.0  # without an open page, until work is cancelled and its place is free for others
MOST_VISITORS = 1000
_SESSION_CHARACTERS = 64
_MOST_FILES = 10_000
_SPARE_BYTES = 100_000_000  # of the disk, for what is made of an upload
_END_S = 20.0  # for what is at work when the server ends; an adaptation is killed well before


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
                if one.absent_s() >= absent_s and not one.streams and not one.busy()
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

    def uploaded(self, path: str, task: Task) -> Path:
        """Return a link in the task's folder to an upload.

        A link, not a move: two visitors who upload the same bytes under one name share the file until then. An
        upload that has expired is still there in the folder of the last result that was made of it.

        Raises:
            InputError: The path names no upload, or the upload is gone.
        """
        earlier = task.visitor.kept(task.kind)
        with suppress(OSError, ValueError, RuntimeError):  # it expired just now, or the text is no path
            found = Path(path).resolve()
            if earlier is not None and earlier.upload is not None and earlier.upload[0] == path:
                found = earlier.upload[1]
            elif not (found.is_relative_to(self.uploads) and found.is_file()):
                raise FileNotFoundError
            link = task.folder / f"source{found.suffix.lower()}"
            os.link(found, link)
            task.upload = path, link
            return link
        raise InputError("the upload did not arrive; choose the file again")
