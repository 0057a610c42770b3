"""WebP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .exif import orientation
from .header import BadImageError, Header

if TYPE_CHECKING:
    from PIL import Image

MOST_CHUNKS = 1000
_FIX = "save it again with an image editor"


def read_header(data: bytes) -> Header:
    """Read the canvas size and the chunks of the file.

    Raises:
        BadImageError: The file is damaged, or has too many chunks.
    """
    exif, xmp = None, None
    frames = 0
    position = 12
    for _ in range(MOST_CHUNKS):
        kind = data[position : position + 4]
        start, length = position + 8, int.from_bytes(data[position + 4 : position + 8], "little")
        if not kind:
            break
        frames += kind == b"ANMF"
        if kind == b"EXIF":
            exif = data[start : start + length]
        elif kind == b"XMP ":
            xmp = data[start : start + length]
        position = start + length + length % 2
    else:
        raise BadImageError(f"too many chunks, expected at most {MOST_CHUNKS:,}; {_FIX}")

    def opened() -> Image.Image:
        from PIL import WebPImagePlugin

        return WebPImagePlugin.WebPImageFile(io.BytesIO(data))

    return Header(_canvas(data), opened, orientation(exif, xmp), animated=frames > 1, block=len(data))


def _canvas(data: bytes) -> tuple[int, int]:
    """(width, height) as the first chunk states it."""
    kind = data[12:16]
    if kind == b"VP8X":
        return _number(data, 24, 3) + 1, _number(data, 27, 3) + 1
    if kind == b"VP8L":
        sides = _number(data, 21, 4)
        return (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _number(data, 26, 2) & 0x3FFF, _number(data, 28, 2) & 0x3FFF
    raise BadImageError(f"damaged image (its first chunk is {kind!r}); {_FIX}")


def _number(data: bytes, start: int, size: int) -> int:
    return int.from_bytes(data[start : start + size], "little")
