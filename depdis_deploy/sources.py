"""What the user names (pictures, folders, globs, lists, videos, cameras) -> single sources -> frames."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .address import address_stem, fault_of, has_credentials, is_address, masked
from .command import InputError
from .files import is_there
from .matching import Matches, is_pattern, split_pattern
from .terminal import plain_name
from .text_encoding import decode_text

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
_MOST_LIST_BYTES = 64 * 2**20
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

    def __repr__(self) -> str:
        """Without a stream's user name and password."""
        return f"Source({self.kind!r}, {self.label!r}, {self.group!r}, {self.word})"

    @property
    def stem(self) -> str:
        """What the names of its output files start with."""
        if self.kind == "camera":
            return f"camera{self.location}"
        return address_stem(self.location) if self.kind == "stream" else plain_name(Path(self.location).stem)

    @property
    def label(self) -> str:
        """The location as shown and recorded: an address without user name and password."""
        return masked(self.location) if self.kind == "stream" else self.location

    @property
    def live(self) -> bool:
        """Whether frames come whether or not anyone is ready for them."""
        return self.kind in ("camera", "stream")


def find_sources(
    arguments: Sequence[str],
    note: Callable[[str], None] = lambda text: None,
    fault: Callable[[Exception], None] | None = None,
) -> list[Source]:
    """Find the single sources behind command-line words, in command-line then sorted order.

    Nothing here waits for another program, except for a list on stdin.

    Args:
        arguments: Images, videos, folders of them, globs, text lists (.txt), `-` (a list on stdin), camera
            numbers and rtsp:// addresses.
        note: Called with a line about links that are not followed.
        fault: Called with the error of each word that is no source while others are; None raises the first.

    Raises:
        InputError, OSError: A word is no source; with `fault`, none is.
    """
    found: list[Source] = []
    errors: list[Exception] = []
    for word, argument in enumerate(arguments):
        try:
            found += [replace(source, word=word) for source in _expand(argument, note)]
        except (InputError, OSError) as error:
            if fault is None:
                raise
            errors.append(error)
    last = errors.pop() if errors and not found else None
    for one in errors:
        assert fault is not None
        fault(one)
    if last is not None:
        raise last
    return found


def _expand(word: str, note: Callable[[str], None]) -> list[Source]:
    if word == "-":
        return _listed(_text_of_stdin(), "stdin", None, "the list on stdin")
    if word.isdecimal() and not Path(word).exists():
        return [Source("camera", word)]
    if _is_address(word):
        _require_accepted(word)
        return [Source("stream", word)]
    path = Path(word)
    if path.is_dir():
        return _folder(path, note)
    if path.exists():
        if path.suffix.lower() == ".txt":
            return _listed(_text_of_list(path), path.stem, path.parent, str(path))
        return [_file(path)]
    if is_pattern(word):
        return _pattern(word, note)
    hint = "; an address starts with rtsp://" if has_credentials(word) else ""
    raise InputError(f"{masked(word)}: no such file or folder{hint}")


def _is_address(word: str) -> bool:
    return "://" in word or (is_address(word) and not is_there(Path(word)))


def _require_accepted(address: str) -> None:
    if (fault := fault_of(address, STREAM_SCHEMES)) is not None:
        raise InputError(fault)


def _file(path: Path) -> Source:
    status = path.stat()
    source = Source(_kind(path, status), str(path))
    if not stat.S_ISFIFO(status.st_mode):
        _require_content(source.location, status)
    return source


def require_readable(source: Source) -> None:
    """Check that opening a source neither fails because of its kind nor waits for another program.

    A named pipe is read only where it is the user's own word, not as an entry of a list, glob or folder.

    Raises:
        InputError: It is an address that is not accepted, or no file with content.
    """
    if source.kind == "stream":
        _require_accepted(source.location)
    if source.live:
        return
    try:
        status = os.stat(source.location)
    except OSError as error:
        raise InputError(f"{source.location}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{source.location}: a path has no NUL byte; expected one path a line") from None
    if not stat.S_ISFIFO(status.st_mode) or source.group is not None:
        _require_content(source.location, status)
    if source.location.lower().endswith(".txt"):
        raise InputError(f"{source.location}: a list in a list is not read; name it on the command line")


def _require_content(name: str, status: os.stat_result) -> None:
    """Check for a regular file that is not empty. A file of /proc is empty by its status, and may block."""
    kinds = (
        (stat.S_ISDIR, "folder"),
        (stat.S_ISFIFO, "named pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "terminal or other device"),
        (stat.S_ISBLK, "block device"),
    )
    for is_kind, kind in kinds:
        if is_kind(status.st_mode):
            hint = "; name the pipe itself on the command line" if kind == "named pipe" else ""
            raise InputError(f"{name}: expected an image or a video, got a {kind}{hint}")
    if status.st_size == 0:
        raise InputError(f"{name}: the file is empty; expected an image or a video")


def _by_suffix(path: Path) -> str:
    return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "picture"


def _kind(path: Path, status: os.stat_result) -> str:
    """By suffix; by the first bytes where the suffix does not tell."""
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return "picture"
    if suffix in VIDEO_SUFFIXES or not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return "video"
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:  # reported when it is its turn
        return "picture"
    picture = start.startswith(_PICTURE_STARTS) or start[8:12] == b"WEBP"
    return "picture" if picture else "video"


def _readable(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES


def _folder(folder: Path, note: Callable[[str], None]) -> list[Source]:
    found = _matches(str(folder), str(folder), ("*",), note)
    if not found:
        raise InputError(
            f"{folder}: no pictures or videos in this folder; subfolders are searched by a glob such as "
            f"'{folder}/**/*.png'"
        )
    group = folder.resolve().name or "root"
    return [Source(_by_suffix(path), str(path), group) for path in found]


def _pattern(word: str, note: Callable[[str], None]) -> list[Source]:
    found = _matches(masked(word), *split_pattern(word), note)
    if not found:
        raise InputError(f"{masked(word)}: no picture or video matches this pattern")
    return [Source(_by_suffix(path), str(path), "pictures") for path in found]


def _matches(shown: str, folder: str, parts: Sequence[str], note: Callable[[str], None]) -> list[Path]:
    matches = Matches(folder, parts, _readable)
    if matches.outside:
        links = "symbolic links" if matches.outside > 1 else "symbolic link"
        note(f"{shown}: {matches.outside} {links} leading out of the folder not followed")
    return matches.files


def _text_of_stdin() -> str:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("-: expected a list of paths on stdin; pipe one in: ls *.png | depdis-infer -")
    stream = getattr(sys.stdin, "buffer", sys.stdin)  # a program may have put a text stream there
    data = stream.read(_MOST_LIST_BYTES + 1)
    return data if isinstance(data, str) else _text(data, "the list on stdin")


def _text_of_list(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path}: expected a text list in a file; pipe it to `-` instead")
    if path.stat().st_size == 0:
        raise InputError(f"{path} holds no path; expected one path a line")
    with path.open("rb") as file:
        return _text(file.read(_MOST_LIST_BYTES + 1), str(path))


def _text(data: bytes, what: str) -> str:
    if len(data) > _MOST_LIST_BYTES:
        raise InputError(f"{what}: a list has at most {_MOST_LIST_BYTES // 2**20} MiB; split it")
    return decode_text(data, what, errors="surrogateescape")  # names of an old encoding


def _listed(text: str, group: str, folder: Path | None, what: str) -> list[Source]:
    """One path a line, as seen from the working folder or else from the list's; blank lines and # left out.

    An entry that cannot be read is a source all the same, whose error is raised when it is its turn.
    """
    lines = (line.strip() for line in re.split(r"[\r\n]", text))
    found = [_entry(line, group, folder) for line in lines if line and not line.startswith("#")]
    if not found:
        raise InputError(f"{what} holds no path; expected one path a line")
    return found


def _entry(line: str, group: str, folder: Path | None) -> Source:
    if _is_address(line):
        return Source("stream", line)
    path = Path(line)
    status = _status(path)
    if status is None and folder is not None and (status := _status(folder / path)) is not None:
        path = folder / path
    if status is not None:
        return Source(_kind(path, status), str(path), group)
    if has_credentials(line):  # an address without its scheme
        return Source("stream", line)
    return Source(_by_suffix(path), str(path), group)


def _status(path: Path) -> os.stat_result | None:
    """None where there is no such file, and for a name that cannot be one."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


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
