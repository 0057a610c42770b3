"""One line of progress on stderr: what, how far, how fast, how long still."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from .standard_streams import write_message
from .terminal import printable

Item = TypeVar("Item")


def duration(seconds: float) -> str:
    """Seconds as 12 s, 3:07 or 2:05:00."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def say(*lines: str) -> None:
    """Write lines to stderr; on a terminal they replace the progress line, which is drawn again below them."""
    start = "\r\x1b[K" if _on_terminal() else ""
    write_message("".join(f"{start}{printable(line)}\n" for line in lines))


class Progress:
    """Counts steps and rewrites one line on a terminal; elsewhere prints a line every `plain_every_s`.

    `total` None means that the end is not known. `done` is where a resumed work starts; rate and time left
    are of this run alone.
    """

    def __init__(
        self, what: str, total: int | None, *, unit: str = "", done: int = 0, quiet: bool = False,
        plain_every_s: float = 15.0,
    ) -> None:  # fmt: skip
        self.what, self.total, self.unit, self.quiet = what, total, unit, quiet
        self.done = self.start = done
        self.begun = time.monotonic()
        self.terminal = _on_terminal()
        self.every_s = 0.2 if self.terminal else plain_every_s
        self.shown = self.begun

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count `steps` as done; `note` stands at the end of the line."""
        self.done += steps
        now = time.monotonic()
        if not self.quiet and now - self.shown >= self.every_s:
            self.shown = now
            self._show(note, end=False)

    def close(self, note: str = "") -> None:
        """Show the last state and end the line."""
        if not self.quiet:
            self._show(note, end=True)

    def _show(self, note: str, *, end: bool) -> None:
        elapsed = time.monotonic() - self.begun
        rate = (self.done - self.start) / elapsed if elapsed > 0 else 0.0
        total = self.total if self.total is not None and self.done <= self.total else None  # it may be wrong
        parts = [f"{self.what}: {self.done}" + (f"/{total}" if total is not None else "")]
        if self.unit:
            parts[0] += f" {self.unit}"
        if rate > 0:
            parts.append(f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each")
            if total is not None and not end:
                parts.append(f"{duration((total - self.done) / rate)} left")
        if end:
            parts.append(f"in {duration(elapsed)}")
        if note:
            parts.append(note)
        line = printable(", ".join(parts))
        if self.terminal:
            write_message(f"\r\x1b[K{line}" + ("\n" if end else ""))
        else:
            write_message(line + "\n")


def tracked(items: Iterable[Item], what: str, total: int | None, *, quiet: bool = False) -> Iterator[Item]:
    """Yield `items` while a progress line counts them."""
    progress = Progress(what, total, quiet=quiet)
    for item in items:
        yield item
        progress.advance()
    progress.close()
