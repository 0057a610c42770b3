"""Each visitor's own files: under names that nobody can guess, deleted with the page that they are of."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from depdis_deploy.command import InputError

_END_S = 20.0  # for what is at work when the server ends; an adaptation is killed well before


class Visitor:
    """One open page. `gone` is set when it was closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gone = threading.Event()
        self.cancel: dict[str, Callable[[], None]] = {}  # by kind, of what is at work
        self.video: Path | None = None  # the last one's file
        self._lock = threading.Lock()
        self._folders: dict[str, Path] = {}

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
    """All open pages, and the one folder that holds everything of theirs."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="depdis-demo-")).resolve()
        self.results = self.root / "results"
        self.uploads = self.root / "uploads"
        self.results.mkdir()
        self.uploads.mkdir()
        self._lock = threading.Lock()
        self._visitors: dict[str, Visitor] = {}
        self._ends: set[Callable[[], None]] = set()

    def of(self, session: str | None) -> Visitor:
        """The visitor behind a session of the browser's page."""
        with self._lock:
            key = session or ""
            if key not in self._visitors:
                self._visitors[key] = Visitor(self.results / secrets.token_urlsafe(16))
            return self._visitors[key]

    def leave(self, session: str | None) -> None:
        """The page was closed."""
        with self._lock:
            visitor = self._visitors.pop(session or "", None)
        if visitor is not None:
            visitor.leave()

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
        for session in list(self._visitors):
            self.leave(session)
        with self._lock:
            last = [threading.Thread(target=end, name="end", daemon=True) for end in self._ends]
        limit = time.monotonic() + _END_S
        for thread in last:
            thread.start()
        for thread in last:
            thread.join(max(0.0, limit - time.monotonic()))
        shutil.rmtree(self.root, ignore_errors=True)
        while self.root.exists() and time.monotonic() < limit:  # a picture's file came into it just then
            time.sleep(0.05)
            shutil.rmtree(self.root, ignore_errors=True)

    def uploaded(self, path: str, folder: Path) -> Path:
        """A file that was uploaded, in a visitor's own folder. InputError: it is no upload, or is gone.

        A link, not a move: two visitors who upload the same bytes under one name share the file until then.
        """
        found = Path(path).resolve()
        if not found.is_relative_to(self.uploads) or not found.is_file():
            raise InputError("the upload did not arrive; choose the file again")
        kept = folder / f"source{found.suffix.lower()}"
        os.link(found, kept)
        return kept
