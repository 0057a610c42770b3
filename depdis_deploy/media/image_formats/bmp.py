"""BMP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .header import BadImageError, Header, at_most

if TYPE_CHECKING:
    from PIL import Image

# Run lengths are decoded in Python, a microsecond each, and may skip 255 rows at a time.
MOST_RUN_LENGTH_BYTES = 2**20
MOST_RUN_LENGTH_WIDTH = 32_767
_FIX = "save it as PNG or as BMP without compression"


def read_header(data: bytes) -> Header:
    """Read the size and the compression.

    Raises:
        BadImageError: The file is damaged, or its run lengths would take long to decode.
    """
    if len(data) < 26:
        raise BadImageError(f"damaged image (truncated: {len(data)} bytes); {_FIX}")
    if _number(data, 14) == 12:  # OS/2
        size = _number(data, 18, 2), _number(data, 20, 2)
        compressed = False
    else:
        height = _number(data, 22)
        # Pillow takes a height for negative, which means from top to bottom, by its last byte.
        size = _number(data, 18), height if height >> 24 != 0xFF else 2**32 - height
        compressed = _number(data, 30) in (1, 2)
    if compressed:
        at_most(len(data), MOST_RUN_LENGTH_BYTES, "bytes of run-length encoded BMP", _FIX)
        at_most(size[0], MOST_RUN_LENGTH_WIDTH, "pixels a row in a run-length encoded BMP", _FIX)

    def opened() -> Image.Image:
        from PIL import BmpImagePlugin

        return BmpImagePlugin.BmpImageFile(io.BytesIO(data))

    return Header(size, opened, block=len(data))


def _number(data: bytes, start: int, size: int = 4) -> int:
    return int.from_bytes(data[start : start + size], "little")
