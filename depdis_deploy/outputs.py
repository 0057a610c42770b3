"""Where results go: the output folder, names that never collide, NDJSON."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from unicodedata import normalize

from .command import InputError
from .files import NO_FOLLOW, Protected, create, is_there, remove_left_over
from .folder_lock import LOCK_FILE, locked
from .sources import Source
from .standard_streams import write_result
from .terminal import plain_name

KINDS = ("video", "overlay", "labels", "depth", "density", "confidence", "npz", "json")
BRANCH_KINDS = frozenset({"depth", "density", "confidence"})
_FRAME_FOLDERS = tuple(f"_{kind}" for kind in KINDS if kind not in ("video", "json"))
_SUFFIXES = frozenset({".png", ".npz", ".ndjson", ".mp4"})
RUNS = Path("runs") / "infer"
_LONGEST_STEM = 200  # bytes; file systems take 255, and names of growing files add to it


@contextmanager
def output_folder(
    outdir: Path | None, *, exist_ok: bool, clean: Callable[[Path], None] = lambda folder: None
) -> Iterator[Path]:
    """Make the output folder if missing and hold it for this run; a new one that stays empty is removed.

    Args:
        outdir: The folder. None: the next number under runs/infer.
        exist_ok: Accept a folder that holds files.
        clean: Called with the folder once it is held, before it is checked for files.

    Raises:
        InputError: It holds files (without exist_ok), is held by another run, or cannot be written to.
    """
    kept = outdir is not None and is_there(outdir)
    folder = _made(outdir)
    try:
        with locked(folder):
            _remove_left_over(folder)
            clean(folder)
            if not exist_ok and holds_files(folder):
                raise InputError(
                    f"{folder}: the output folder is not empty; choose another --outdir, or add --exist-ok to "
                    "replace files of the same names"
                )
            yield folder
    finally:
        if not kept:
            with suppress(OSError):
                folder.rmdir()


def _made(outdir: Path | None) -> Path:
    try:
        if outdir is None:
            return _next_numbered()
        if outdir.exists() and not outdir.is_dir():
            raise InputError(f"{outdir}: expected an output folder, got a file; choose another --outdir")
        outdir.mkdir(parents=True, exist_ok=True)
        try_writing(outdir)
    except OSError as error:
        raise InputError(
            f"{outdir or RUNS}: results cannot be written there ({error.strerror}); choose another --outdir"
        ) from None
    return outdir


def try_writing(folder: Path) -> None:
    """OSError where no file can be written in `folder`; nothing stays there."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def holds_files(folder: Path) -> bool:
    """Whether there is anything in `folder` but its lock."""
    return any(name != LOCK_FILE for name in os.listdir(folder))


def _remove_left_over(folder: Path) -> None:
    """Remove unfinished files of runs that were killed. A video's `.part.mp4` stays, because it plays."""
    with os.scandir(folder) as entries:
        of_frames = [
            Path(entry.path)
            for entry in entries
            if entry.name.endswith(_FRAME_FOLDERS) and entry.is_dir(follow_symlinks=False)
        ]
    for place in (folder, *of_frames):
        remove_left_over(place, _SUFFIXES)


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
        stem = _cut(plain_name(stem)) or "unnamed"
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


def file_name(stem: str, kind: str) -> str:
    """The name of an image's file of a kind, such as `a_labels.png`."""
    return f"{stem}.npz" if kind == "npz" else f"{stem}_{kind}.png"


def protected_sources(sources: Sequence[Source], folder: Path) -> Protected:
    """The sources, which no result may replace; none where `folder` holds no file that could be one."""
    if not holds_files(folder):
        return Protected()
    return Protected(source.location for source in sources if not source.live)


def refuse_overwriting(
    protected: Protected,
    folder: Path,
    sources: Sequence[Source],
    stems: Sequence[str],
    records: Iterable[str],
    *,
    picture_kinds: Set[str],
    video_kinds: Set[str],
) -> None:
    """Raise InputError where a result would replace a source.

    Args:
        protected: The sources.
        folder: The output folder.
        sources: What is read.
        stems: Of each source, the stem of its own files.
        records: Stems of the NDJSON files.
        picture_kinds: What is written for an image.
        video_kinds: What is written for a video.
    """
    # Few of many results are there already. Folded, since some file systems ignore the case of letters.
    there = {name.casefold() for name in os.listdir(folder)}
    names = [f"{stem}.ndjson" for stem in dict.fromkeys(records)] if "json" in picture_kinds else []
    for source, stem in zip(sources, stems, strict=True):
        if source.kind == "picture":
            names += [file_name(stem, kind) for kind in picture_kinds if kind != "json"]
            continue
        if "video" in video_kinds:
            names += [f"{stem}.mp4", f"{stem}.part.mp4"]
        for kind in video_kinds - {"video", "json"}:
            if f"{stem}_{kind}".casefold() in there:
                protected.check_inside(folder / f"{stem}_{kind}")
    for name in names:
        if name.casefold() in there:
            protected.check(folder / name)


class Records:
    """NDJSON files by stem: one JSON object per line, complete lines only, made with the first line.

    An image or frame has the fields of `Prediction.record` and `outputs`: the names of its own files, relative
    to the output folder, with the video that it is part of first. While it grows, that file is called
    `<stem>.part.mp4`. A source without any result has `source`, `error` and `outputs`.
    """

    def __init__(self, folder: Path, protected: Protected | None = None) -> None:
        self._folder, self._protected = folder, protected or Protected()
        self._begun: set[str] = set()
        self._stem = ""
        self._file: int | None = None

    def write(self, stem: str, line: str) -> None:
        """Append one line to `<stem>.ndjson`; a file or link that was there before the run is replaced.

        InputError: that file is a source. OSError: the disk is full; whole lines written before stay.
        """
        if self._file is None or stem != self._stem:
            self.close()
            self._file = self._open(stem)
            self._stem = stem
            self._begun.add(stem)
        begun = os.fstat(self._file).st_size
        try:
            _write_all(self._file, line)
        except OSError:
            os.ftruncate(self._file, begun)
            raise

    def _open(self, stem: str) -> int:
        path = self._folder / f"{stem}.ndjson"
        if stem in self._begun:
            return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_FOLLOW, 0o666)
        self._protected.check(path)
        return create(path)

    def sync(self) -> None:
        """Have on the disk what was written so far."""
        if self._file is not None:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file being written."""
        if self._file is not None:
            os.close(self._file)
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
            write_result(f"{line}\n".encode())
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
