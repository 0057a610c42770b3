"""Whether a file is an image or a video: by its suffix, else by its first bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .heif import HEAD_BYTES, brands_of, is_avif, is_heic

PICTURE_SUFFIXES = frozenset({
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm",
    ".jp2", ".gif", ".avif",
})  # fmt: skip
VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv",
    ".3gp", ".ogv", ".mjpeg", ".mjpg", ".y4m", ".h264", ".264", ".hevc", ".265",
})  # fmt: skip
_PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"P5", b"P6")


def is_readable(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES


def kind_by_suffix(path: Path) -> str:
    return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "picture"


def kind_of(path: Path, status: os.stat_result) -> str:
    """By suffix; by the first bytes where the suffix does not tell."""
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return "picture"
    if suffix in VIDEO_SUFFIXES or not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return "video"
    try:
        with path.open("rb") as file:
            start = file.read(HEAD_BYTES)
    except OSError:  # reported when it is its turn
        return "picture"
    brands = brands_of(start)
    picture = start.startswith(_PICTURE_STARTS) or start[8:12] == b"WEBP" or is_avif(brands) or is_heic(brands)
    return "picture" if picture else "video"
