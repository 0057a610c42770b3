"""Sources behind command-line words: images, folders, globs, lists, videos, cameras; and their frames."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .address import has_credentials, masked
from .command import InputError
from .matching import Matches, is_pattern, split_pattern
from .media.file_kinds import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_readable, kind_by_suffix, kind_of
from .media.frame import Frame
from .media.source import Source
from .media.source_checks import (
    STREAM_SCHEMES,
    names_address,
    require_accepted,
    require_content,
    require_ends,
    require_readable,
)
from .media.source_frames import frames_of
from .media.source_list import listed, text_of_list, text_of_stdin

__all__ = [
    "BUNDLED_CLIP",
    "PICTURE_SUFFIXES",
    "STREAM_SCHEMES",
    "VIDEO_SUFFIXES",
    "Frame",
    "Source",
    "find_sources",
    "frames_of",
    "open_sources",
    "require_ends",
    "require_readable",
]

_MOST_SUFFIXES = 6  # in one line
BUNDLED_CLIP = Path(__file__).parent / "models" / "street.mp4"


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
        note: Called with a line about links that are not followed, and about files without a known suffix.
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
        return listed(text_of_stdin(), "stdin", None, "the list on stdin")
    if word.isdecimal() and not Path(word).exists():
        return [Source("camera", word)]
    if names_address(word):
        require_accepted(word)
        return [Source("stream", word)]
    path = Path(word)
    if path.is_dir():
        return _folder(path, note)
    if path.exists():
        if path.suffix.lower() == ".txt":
            return listed(text_of_list(path), path.stem, path.parent, str(path))
        return [_file(path)]
    if is_pattern(word):
        return _pattern(word, note)
    hint = "; an address starts with rtsp://" if has_credentials(word) else ""
    raise InputError(f"{masked(word)}: no such file or folder{hint}")


def _file(path: Path) -> Source:
    status = path.stat()
    source = Source(kind_of(path, status), str(path))
    if not stat.S_ISFIFO(status.st_mode):
        require_content(source.location, status)
    return source


def _folder(folder: Path, note: Callable[[str], None]) -> list[Source]:
    found, skipped = _matches(str(folder), str(folder), ("*",), note)
    if not found:
        raise InputError(
            f"{folder}: no pictures or videos in this folder{skipped and f' ({skipped})'}; subfolders are "
            f"searched by a glob such as '{folder}/**/*.png'"
        )
    group = folder.resolve().name or "root"
    return [Source(kind_by_suffix(path), str(path), group) for path in found]


def _pattern(word: str, note: Callable[[str], None]) -> list[Source]:
    found, skipped = _matches(masked(word), *split_pattern(word), note)
    if not found:
        raise InputError(
            f"{masked(word)}: no picture or video matches this pattern{skipped and f' ({skipped})'}"
        )
    return [Source(kind_by_suffix(path), str(path), "pictures") for path in found]


def _matches(
    shown: str, folder: str, parts: Sequence[str], note: Callable[[str], None]
) -> tuple[list[Path], str]:
    """The files that match, and in words which ones were left out, for lack of a known suffix."""
    matches = Matches(folder, parts, is_readable)
    if matches.outside:
        links = "symbolic links" if matches.outside > 1 else "symbolic link"
        note(f"{shown}: {matches.outside} {links} leading out of the folder not followed")
    skipped = _skipped(matches.skipped)
    if skipped and matches.files:
        note(f"{shown}: {skipped}")
    return matches.files, skipped


def _skipped(counts: Counter[str]) -> str:
    """For example `skipped 3 files: 2 .heic, 1 .txt`; empty where there are none."""
    if not counts:
        return ""
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SUFFIXES]
    listed = [f"{count} {suffix or 'without a suffix'}" for suffix, count in common]
    if rest := counts.total() - sum(count for _, count in common):
        listed.append(f"{rest} others")
    total = counts.total()
    return f"skipped {total} file{'s' * (total > 1)}: {', '.join(listed)}"


def open_sources(
    source: str | Path | int | Sequence[str | Path], *, stride: int = 1,
    on_error: Callable[[InputError], None] | None = None,
) -> Iterator[Frame]:  # fmt: skip
    """The frames of anything the command line takes, in order and in constant memory.

    stride: every N-th frame of a video.
    on_error: is told of each source that cannot be read (whole), and the next one follows; None: it is raised.
    """
    words = [source] if isinstance(source, (str, Path, int)) else list(source)
    sources = find_sources([str(word) for word in words])
    require_ends(sources, ", or give a camera last")
    for single in sources:
        try:
            yield from frames_of(single, stride=stride)
        except InputError as error:
            if on_error is None:
                raise
            on_error(error)
