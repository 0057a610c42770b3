"""Orientation of an image from its EXIF block or XMP packet; nothing else of them is read."""

from __future__ import annotations

import re
from typing import Literal

_ORIENTATION = 0x0112
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
_SIZES = {1: 1, 3: 2, 4: 4}  # bytes of the integer types by their TIFF code
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def orientation(exif: bytes | None, xmp: bytes | None = None) -> int:
    """Return the orientation, 1 to 8, that EXIF or else XMP states; 1 where neither does."""
    value = None if exif is None else _exif_orientation(exif)
    if value is None and xmp is not None and (found := _XMP_ORIENTATION.search(xmp)):
        value = int(found[1])
    return value if value is not None and 1 <= value <= 8 else 1


def _exif_orientation(exif: bytes) -> int | None:
    block = exif.removeprefix(b"Exif\0\0")
    order = _ORDERS.get(block[:2])
    if order is None:
        return None

    def number(start: int, size: int) -> int:
        return int.from_bytes(block[start : start + size], order)

    start = number(4, 4)
    for at in range(start + 2, min(start + 2 + 12 * number(start, 2), len(block) - 11), 12):
        if number(at, 2) == _ORIENTATION and number(at + 4, 4) == 1:
            size = _SIZES.get(number(at + 2, 2))
            return None if size is None else number(at + 8, size)
    return None
