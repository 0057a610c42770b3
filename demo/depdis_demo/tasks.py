"""One open page and its tasks, each in a folder of its own that nobody else can guess."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path


class Superseded(Exception):
    """The result of a task is not wanted any more."""


class Task:
    """Work for one visitor: predict an image, process a video or adapt the model.

    Used as a context manager, it ends with the block.

    Attributes:
        visitor: Whose task it is.
        kind: A newer task of the same kind supersedes this one.
        folder: For its files. `end` deletes the folder unless `keep` was called before.
        stopped: Set once the task is superseded or the page was closed.
        upload: Path of the upload that it works on, as the page names it, and the task's own link to the file.
    """

    def __init__(self, visitor: Visitor, kind: str) -> None:
        self.visitor, self.kind = visitor, kind
        self.folder = visitor.folder / secrets.token_urlsafe(12)
        self.stopped = threading.Event()
        self.upload: tuple[str, Path] | None = None
        self._cancelled = False
        self._lock = threading.Lock()
        self._cancel: Callable[[], None] | None = None

    def when_cancelled(self, call: Callable[[], None]) -> None:
        """Call `call` once the task is cancelled or stopped; at once where it has been."""
        with self._lock:
            self._cancel, cancelled = call, self._cancelled
        if cancelled:
            call()

    def cancel(self) -> None:
        """Cancel the work, as the visitor asked. What is done is still shown."""
        with self._lock:
            call = None if self._cancelled else self._cancel
            self._cancelled = True
        if call is not None:
            call()

    def stop(self) -> None:
        """Cancel the work. Nothing of it is shown."""
        self.stopped.set()
        self.cancel()

    def check(self) -> None:
        """Raise Superseded once the task is stopped."""
        if self.stopped.is_set():
            raise Superseded

    def keep(self) -> None:
        """Keep the folder after the task's end, in place of the one kept before. Superseded: not wanted."""
        self.visitor.keep(self)

    def is_kept(self) -> bool:
        """Return whether the folder is there for the page that shows the result."""
        return self.visitor.kept(self.kind) is self and not self.visitor.gone.is_set()

    def end(self) -> None:
        """Delete the folder unless it is kept. Nothing may write into it any more."""
        with self._lock:
            self._cancel = None
        self.visitor.end(self)

    def __enter__(self) -> Task:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()


class Visitor:
    """One open page.

    Attributes:
        folder: For the folders of its tasks.
        gone: Set when the page was closed.
        streams: Number of connections that the page holds open.
        seen: Monotonic seconds of the last request, or of the end of the last stream.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gone = threading.Event()
        self.streams = 0
        self.seen = time.monotonic()
        self._lock = threading.Lock()
        self._open: set[Task] = set()
        self._numbers: dict[str, int] = {}  # the highest so far, by kind
        self._kept: dict[str, Task] = {}

    def absent_s(self) -> float:
        """Return the seconds since the page was last seen; 0 while it is open."""
        return 0.0 if self.streams else time.monotonic() - self.seen

    def busy(self) -> bool:
        """Return whether a task has not ended."""
        return bool(self._open)

    def task(self, kind: str, number: int | None = None) -> Task:
        """Begin a task, which stops earlier ones of its kind.

        Args:
            kind: See `Task`.
            number: The page's number of the visitor's choice, since requests may arrive in another order. A
                task with a lower number than the latest is stopped from its beginning. None: the order of
                arrival.
        """
        task = Task(self, kind)
        with self._lock:
            stopped = [one for one in self._open if one.kind == kind]
            if self.gone.is_set() or (number is not None and number < self._numbers.get(kind, number)):
                stopped = [task]
            elif number is not None:
                self._numbers[kind] = number
            if not self.gone.is_set():
                task.folder.mkdir(parents=True)
                self._open.add(task)
            for one in stopped:
                one.stopped.set()
        for one in stopped:
            one.stop()
        return task

    def cancel(self, kind: str) -> None:
        """Cancel the tasks of a kind."""
        with self._lock:
            tasks = [one for one in self._open if one.kind == kind]
        for task in tasks:
            task.cancel()

    def kept(self, kind: str) -> Task | None:
        """Return the last task of a kind whose folder was kept."""
        with self._lock:
            return self._kept.get(kind)

    def keep(self, task: Task) -> None:
        """See `Task.keep`."""
        with self._lock:
            task.check()
            replaced = self._kept.get(task.kind)
            self._kept[task.kind] = task
        if replaced is not None:
            shutil.rmtree(replaced.folder, ignore_errors=True)

    def end(self, task: Task) -> None:
        """See `Task.end`."""
        with self._lock:
            self._open.discard(task)
            kept = self._kept.get(task.kind) is task
        if self.gone.is_set():
            shutil.rmtree(self.folder, ignore_errors=True)  # again, for what was written meanwhile
        elif not kept:
            shutil.rmtree(task.folder, ignore_errors=True)

    def leave(self) -> None:
        """Stop all tasks and delete every file."""
        with self._lock:
            self.gone.set()
            tasks = list(self._open)
        for task in tasks:
            task.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
