"""What the user names (pictures, folders, globs, lists, videos, cameras) -> single sources -> frames."""

from __future__ import annotations

import glob
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .command import InputError
from .files import is_there

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .interruption import Switch

PICTURE_SUFFIXES = frozenset({
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm",
    ".jp2", ".gif", ".avif",
})  # fmt: skip
VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv",
    ".3gp", ".ogv", ".mjpeg", ".mjpg", ".y4m", ".h264", ".264", ".hevc", ".265",
})  # fmt: skip
STREAM_SCHEMES = ("rtsp", "rtsps")
_PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"P5", b"P6")
BUNDLED_CLIP = Path(__file__).parent / "models" / "street.mp4"


@dataclass(frozen=True)
class Frame:
    """A picture, or one frame of a video.

    image: (H, W, 3) uint8 RGB, upright.
    path: what it was read from (a stream's address without user name and password).
    index: its number in the video, counted from 0; None for a picture.
    time_s: seconds since the video's first frame; None for a picture.
    pts: the same in ticks of the clip's time base.
    arrived_s: when it came from a live source, by the monotonic clock; None for what lies in a file.
    """

    image: NDArray[np.uint8]
    path: str
    index: int | None = None
    time_s: float | None = None
    pts: int | None = None
    arrived_s: float | None = None


@dataclass(frozen=True)
class Source:
    """One thing to read. kind: picture, video, camera or stream.

    location: a path, a camera's number or an address.
    group: the name shared by the pictures of one folder, list or glob; None for one named by itself.
    word: which of the command line's words it comes from (two folders may share a name).
    """

    kind: str
    location: str
    group: str | None = None
    word: int = 0

    @property
    def stem(self) -> str:
        """What the names of its output files start with."""
        if self.kind == "camera":
            return f"camera{self.location}"
        if self.kind == "stream":
            parts = urlsplit(self.location)
            words = "_".join(filter(None, [parts.hostname or "", *parts.path.split("/")]))
            return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in words)
        return Path(self.location).stem

    @property
    def label(self) -> str:
        """The location as shown and recorded: an address loses its user name and password."""
        if self.kind != "stream":
            return self.location
        parts = urlsplit(self.location)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def live(self) -> bool:
        """Whether frames come whether or not anyone is ready for them."""
        return self.kind in ("camera", "stream")


def find_sources(arguments: Sequence[str], note: Callable[[str], None] = lambda text: None) -> list[Source]:
    """The single sources behind command-line words, in command-line then sorted order.

    A word is a picture, a video, a folder of them, a glob, a text list (.txt), `-` (a list on stdin), a
    camera's number or an rtsp:// address. `note` is told what is left out. InputError: nothing there to read.
    """
    found: list[Source] = []
    for word, argument in enumerate(arguments):
        found += [replace(source, word=word) for source in _expand(argument, note)]
    return found


def _expand(word: str, note: Callable[[str], None]) -> list[Source]:
    if word == "-":
        return _listed(sys.stdin.read(), "stdin", None, "the list on stdin")
    if word.isdecimal() and not Path(word).exists():
        return [Source("camera", word)]
    if "://" in word:
        return [_address(word)]
    path = Path(word)
    if path.is_dir():
        return _folder(path, note)
    if path.exists():
        if path.suffix.lower() == ".txt":
            return _list_file(path)
        return [_file(path)]
    if any(letter in word for letter in "*?["):
        return _pattern(word)
    raise InputError(f"{word}: no such file or folder")


def _address(word: str) -> Source:
    try:
        parts = urlsplit(word)
    except ValueError as error:
        raise InputError(f"{word.rpartition('@')[2]}: expected rtsp://host/path, got {error}") from None
    source = Source("stream", word)
    if parts.scheme.lower() not in STREAM_SCHEMES or not parts.hostname:
        raise InputError(
            f"{source.label}: expected an address such as rtsp://host/path; download anything else and give "
            "the file"
        )
    return source


def _file(path: Path) -> Source:
    if not path.is_file() and not path.is_fifo():
        raise InputError(f"{path}: expected a picture or a video, got neither file nor folder")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; expected a picture or a video")
    return Source(_kind(path), str(path))


def _by_suffix(path: Path) -> str:
    return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "picture"


def _kind(path: Path) -> str:
    """By suffix; by the first bytes where the suffix says nothing."""
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return "picture"
    if suffix in VIDEO_SUFFIXES or not path.is_file():
        return "video"
    with path.open("rb") as file:
        start = file.read(12)
    picture = start.startswith(_PICTURE_STARTS) or start[8:12] == b"WEBP"
    return "picture" if picture else "video"


def _readable(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES


def _folder(folder: Path, note: Callable[[str], None]) -> list[Source]:
    root = folder.resolve()
    inside: list[Path] = []
    outside = 0
    for path in sorted(folder.iterdir()):
        if not _readable(path) or path.is_dir():
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            outside += 1
        else:
            inside.append(path)
    if outside:
        note(f"{folder}: {outside} symbolic link{'s' * (outside > 1)} leading out of the folder not followed")
    if not inside:
        raise InputError(
            f"{folder}: no pictures or videos in this folder; subfolders are searched by a glob such as "
            f"'{folder}/**/*.png'"
        )
    return [Source(_kind(path), str(path), root.name or "root") for path in inside]


def _pattern(word: str) -> list[Source]:
    paths = [Path(found) for found in sorted(glob.glob(word, recursive=True))]
    readable = [path for path in paths if path.is_file() and _readable(path)]
    if not readable:
        raise InputError(f"{word}: no picture or video matches this pattern")
    return [Source(_kind(path), str(path), "pictures") for path in readable]


def _list_file(path: Path) -> list[Source]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected a text list with one path a line, got binary data") from None
    return _listed(text, path.stem, path.parent, str(path))


def _listed(text: str, group: str, folder: Path | None, what: str) -> list[Source]:
    """One path a line, as seen from the working folder or else from the list's; blank lines and # left out."""
    found = []
    for line in (line.strip() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if "://" in line:
            found.append(_address(line))
            continue
        path = Path(line)
        if folder is not None and not is_there(path) and is_there(folder / path):
            path = folder / path
        found.append(Source(_kind(path) if is_there(path) else _by_suffix(path), str(path), group))
    if not found:
        raise InputError(f"{what} holds no path; expected one path a line")
    return found


def frames_of(source: Source, *, stride: int = 1) -> Iterator[Frame]:
    """The frames of one source, every `stride`-th of a video's; of a live one the newest each time.

    InputError: it cannot be read.
    """
    if source.kind == "picture":
        from .pictures import read_picture

        yield Frame(read_picture(source.location), source.location)
        return
    from .clip import open_clip
    from .interruption import Switch
    from .patience import Patience

    over = Switch()
    with open_clip(source, stride=stride, patience=Patience(over=over)) as clip:
        yield from _newest(clip, over) if source.live else clip
        if clip.damage:
            raise InputError(clip.damage)


def _newest(frames: Iterable[Frame], over: Switch) -> Iterator[Frame]:
    """Frames that are read meanwhile; one that has not been taken gives way to the next.

    over: set once nobody takes any more, so that a lost source is not waited for.
    """
    from .pipeline import ReadAhead, Ready

    with closing(ReadAhead(frames, 1, drop=True)) as ahead:
        try:
            while (frame := ahead.get(over)) is not None and frame is not Ready.READY:
                yield frame
        finally:
            over.set()


def open_sources(
    source: str | Path | int | Sequence[str | Path], *, stride: int = 1,
    on_error: Callable[[InputError], None] | None = None,
) -> Iterator[Frame]:  # fmt: skip
    """The frames of anything the command line takes, in order and in constant memory.

    stride: every N-th frame of a video.
    on_error: is told of each source that cannot be read (whole), and the next one follows; None: it is raised.
    """
    words = [source] if isinstance(source, (str, Path, int)) else list(source)
    for single in find_sources([str(word) for word in words]):
        try:
            yield from frames_of(single, stride=stride)
        except InputError as error:
            if on_error is None:
                raise
            on_error(error)
