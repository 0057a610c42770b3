"""Files of a folder or a glob pattern; symbolic links that lead out of the folder are not followed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

_ANY_DEPTH = "**"


def is_pattern(word: str) -> bool:
    """Whether `word` has a wildcard of a glob."""
    return any(letter in word for letter in "*?[")


def split_pattern(word: str) -> tuple[str, tuple[str, ...]]:
    """The folder before the first wildcard of a glob, and the parts of the pattern from there on."""
    parts = Path(word).parts
    fixed = next(index for index, part in enumerate(parts) if is_pattern(part))
    return os.path.join(*parts[:fixed]) if fixed else ".", parts[fixed:]


class Matches:
    """Files below a folder that match the parts of a glob pattern.

    Names that start with a dot match only where the pattern has the dot; `**` matches folders at any depth. A
    symbolic link is followed where its target is inside the folder. A linked folder is read once for each part
    of the pattern, so that links in a circle end.

    Args:
        folder: Where the search starts. It may be a symbolic link itself.
        parts: The pattern below the folder, at least one part.
        accepts: Whether a file is wanted, by its name.

    Attributes:
        files: The files in sorted order, without folders.
        skipped: Number of files that match but are not wanted, by suffix; hidden ones are not counted.
        outside: Number of links that lead out of the folder, which were not followed.
    """

    def __init__(self, folder: str, parts: Sequence[str], accepts: Callable[[str], bool]) -> None:
        self._root = os.path.realpath(folder)
        self._accepts = accepts
        self._unwanted: set[str] = set()
        self._links: set[str] = set()
        self._read: set[tuple[str, Sequence[str]]] = set()
        found: set[str] = set()
        # (folder, the pattern below it, whether a link under ** led to it)
        pending = [(folder, tuple(parts), False)]
        while pending:
            folder, (part, *rest), linked = pending.pop()
            if linked and not self._is_first_visit(folder, (part, *rest)):
                continue
            if part == _ANY_DEPTH:
                pending.append((folder, tuple(rest or ["*"]), False))
                entries = sorted(self._entries(folder, "*", folders=True), key=lambda entry: entry.name)
                pending += [
                    (entry.path, (part, *rest), linked or entry.is_symlink())
                    for entry in reversed(entries)  # the first is taken first
                    if not _encloses(entry, folder)
                ]
            elif not is_pattern(part):
                path = os.path.join(folder, part)
                if rest and self._is_inside(path):
                    pending.append((path, tuple(rest), False))
                elif not rest and os.path.lexists(path) and not os.path.isdir(path) and self._is_inside(path):
                    found.add(path)
            elif rest:
                folders = self._entries(folder, part, folders=True)
                pending += [(entry.path, tuple(rest), False) for entry in folders]
            else:
                found.update(entry.path for entry in self._entries(folder, part, folders=False))
        self.files = [Path(path) for path in sorted(found) if self._is_wanted(path)]
        self.skipped = Counter(os.path.splitext(path)[1].lower() for path in self._unwanted)
        self.outside = len(self._links)

    def _entries(self, folder: str, part: str, *, folders: bool) -> Iterator[os.DirEntry[str]]:
        """The folders in a folder, or the wanted files, whose names match one part of the pattern."""
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if (
                        (part.startswith(".") or not entry.name.startswith("."))
                        and (part == "*" or fnmatch(entry.name, part))
                        and entry.is_dir() == folders
                        and (folders or self._is_wanted(entry.path))
                        and self._is_inside(entry.path, entry.is_symlink())
                    ):
                        yield entry
        except OSError:  # no folder, or one that this user may not read
            return

    def _is_wanted(self, path: str) -> bool:
        """Whether a file is wanted by its name; counts it where it is not."""
        name = os.path.basename(path)
        if self._accepts(name):
            return True
        inside = not os.path.islink(path) or _is_within(os.path.realpath(path), self._root)
        if inside and not name.startswith(".") and os.path.isfile(path):
            self._unwanted.add(path)
        return False

    def _is_inside(self, path: str, is_link: bool | None = None) -> bool:
        if not (os.path.islink(path) if is_link is None else is_link):
            return True
        if _is_within(os.path.realpath(path), self._root):
            return True
        self._links.add(path)
        return False

    def _is_first_visit(self, folder: str, parts: Sequence[str]) -> bool:
        visit = (os.path.realpath(folder), parts)
        if visit in self._read:
            return False
        self._read.add(visit)
        return True


def _encloses(entry: os.DirEntry[str], folder: str) -> bool:
    """Whether a link in a folder leads to that folder or to one around it."""
    return entry.is_symlink() and _is_within(os.path.realpath(folder), os.path.realpath(entry.path))


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))
