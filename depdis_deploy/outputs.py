"""Where results go: the output folder, names that never collide, NDJSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import BinaryIO
from unicodedata import normalize

from .command import InputError
from .files import is_there
from .sources import Source
from .terminal import plain_name

KINDS = ("video", "overlay", "labels", "depth", "density", "confidence", "npz", "json")
BRANCH_KINDS = frozenset({"depth", "density", "confidence"})
RUNS = Path("runs") / "infer"
_STDOUT = 1
_LONGEST_STEM = 200  # bytes; file systems take 255, and names of growing files add to it


def make_folder(outdir: Path | None, *, exist_ok: bool) -> Path:
    """The output folder, made if missing: `outdir`, or the next number under runs/infer.

    InputError: it holds something (without exist_ok), is a file, or cannot be written to.
    """
    try:
        if outdir is None:
            return _next_numbered()
        if outdir.exists() and not outdir.is_dir():
            raise InputError(f"{outdir}: expected an output folder, got a file; choose another --outdir")
        if not exist_ok and outdir.is_dir() and any(outdir.iterdir()):
            raise InputError(
                f"{outdir}: the output folder is not empty; choose another --outdir, or add --exist-ok to "
                "replace files of the same names"
            )
        outdir.mkdir(parents=True, exist_ok=True)
        trial = outdir / f".write-test.{os.getpid()}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise InputError(
            f"{outdir or RUNS}: results cannot be written there ({error.strerror}); choose another --outdir"
        ) from None
    return outdir


def _next_numbered() -> Path:
    RUNS.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in RUNS.iterdir() if path.name.isdecimal()), default=0)
    while True:
        number += 1
        try:
            (RUNS / str(number)).mkdir()
        except FileExistsError:  # another run took it in between
            continue
        return RUNS / str(number)


class Names:
    """Hands out stems of file names: the second of two equal ones gets `-2`, and so on.

    Stems are equal, too, where they differ in a way that some file systems ignore: in the case of letters, or
    in how accents are encoded.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}  # by stem, the number to try next

    def claim(self, stem: str) -> str:
        """`stem`, or the first free one of stem-2, stem-3, ...; a very long one is cut."""
        stem = _cut(plain_name(stem))
        number = self._next.get(_folded(stem), 1)
        while True:
            free = stem if number == 1 else f"{stem}-{number}"
            number += 1
            # a video's growing file is <stem>.part.mp4
            if (key := _folded(free).removesuffix(".part")) not in self._taken:
                break
        self._taken.add(key)
        self._next[_folded(stem)] = number
        return free


def _folded(stem: str) -> str:
    """The same for all stems that some file system takes for one."""
    return stem.lower() if stem.isascii() else normalize("NFC", normalize("NFD", stem).casefold())


def _cut(stem: str) -> str:
    """As many whole letters of a name as a file system has room for."""
    if len(os.fsencode(stem)) <= _LONGEST_STEM:
        return stem
    length = 0
    for index, letter in enumerate(stem):
        length += len(os.fsencode(letter))
        if length > _LONGEST_STEM:
            return stem[:index]
    return stem


def group_names(sources: Sequence[Source]) -> tuple[list[str], list[str]]:
    """For each source the stem of its own files and the stem of the NDJSON file that it goes to.

    The pictures of one folder, glob or list share an NDJSON file named after it; anything else has its own.
    """
    stems, records = Names(), Names()
    own: list[str] = []
    lines: list[str] = []
    shared: dict[int, str] = {}
    for source in sources:
        own.append(stems.claim(source.stem))
        if source.kind == "picture" and source.group is not None:
            if source.word not in shared:
                shared[source.word] = records.claim(source.group)
            lines.append(shared[source.word])
        else:
            lines.append(records.claim(own[-1]))
    return own, lines


def refuse_overwriting(
    sources: Sequence[Source], stems: Sequence[str], folder: Path, kinds: Collection[str]
) -> None:  # fmt: skip
    """InputError where a result would replace what is to be read; kinds: what is written of a picture."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    paths = [Path(source.location) for source in sources if not source.live]
    files = {_identity(path) for path in paths if is_there(path)}
    for source, stem in zip(sources, stems, strict=True):
        if source.kind == "picture":
            names = [f"{stem}_{kind}.png" for kind in kinds]
        else:
            names = [f"{stem}.mp4", f"{stem}.part.mp4"]
        for target in (folder / name for name in names):
            if target.exists() and _identity(target) in files:
                raise InputError(f"{target}: the result would replace its source; choose another --outdir")


def _identity(path: Path) -> tuple[int, int]:
    """Equal for two names of one file, links and other cases of letters included."""
    status = path.stat()
    return status.st_dev, status.st_ino


class Records:
    """NDJSON files by stem: one JSON object a line, complete lines only, made with the first line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun: set[str] = set()
        self._stem = ""
        self._file: BinaryIO | None = None

    def write(self, stem: str, line: str) -> None:
        """Append one line to `<stem>.ndjson`. OSError: the disk is full; whole lines written before stay."""
        if self._file is None or stem != self._stem:
            self.close()
            path = self._folder / f"{stem}.ndjson"
            # Unbuffered: a line that did not fit is not tried again on closing.
            self._file = path.open("ab" if stem in self._begun else "wb", buffering=0)
            self._stem = stem
            self._begun.add(stem)
        begun = self._file.tell()
        try:
            _write_all(self._file.fileno(), line)
        except OSError:
            self._file.truncate(begun)
            raise

    def sync(self) -> None:
        """Have on the disk what was written so far."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file being written."""
        if self._file is not None:
            self._file.close()
            self._file = None


class StandardOutput:
    """NDJSON on stdout, each line at once; whoever reads it may leave.

    closed: is called when the reader has left; what comes then is dropped.
    """

    def __init__(self, closed: Callable[[], None]) -> None:
        self._closed = closed
        self._left = False

    def write(self, stem: str, line: str) -> None:
        """Write one line. OSError: it is a file and the disk is full."""
        if self._left:
            return
        try:
            _write_all(_STDOUT, line)
        except BrokenPipeError:
            self._left = True
            self._closed()

    def sync(self) -> None:
        """Nothing: what reads it is no disk."""

    def close(self) -> None:
        """Nothing: it is not ours to close."""


def _write_all(number: int, line: str) -> None:
    """A line to a file by its number, unbuffered."""
    left = memoryview(f"{line}\n".encode())
    while left:
        left = left[os.write(number, left) :]
