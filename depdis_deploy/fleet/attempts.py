"""Pictures at which workers die again and again: by a crash of a decoder, or for want of memory.

The engine gives the chunk of a worker that died to another without end. What was begun is written down, so that
after a few times pictures are gone through one by one, and the one that is to blame is named and passed over.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

_PLAIN = 3  # attempts before pictures are marked one by one; a node that is lost costs one too
_DEADLY = 2  # deaths at one place of the list that are no chance
_BEGUN = "begun"


class Attempts:
    """The log of a chunk: a line for each attempt, and in careful ones a line for each place gone to."""

    def __init__(self, log: Path) -> None:
        self._log = log
        before = log.read_text().split() if log.exists() else []
        self._mark(_BEGUN)
        marks = [*before, _BEGUN]
        died = Counter(int(mark) for mark, after in pairwise(marks) if after == _BEGUN != mark)
        self.deadly = frozenset(place for place, times in died.items() if times >= _DEADLY)
        self._careful = before.count(_BEGUN) >= _PLAIN

    def go_to(self, place: int) -> None:
        """Write down that what is at `place` is about to be done."""
        if self._careful:
            self._mark(str(place))

    def _mark(self, word: str) -> None:
        with self._log.open("a") as file:
            file.write(f"{word}\n")
