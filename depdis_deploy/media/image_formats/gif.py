"""GIF with a single frame."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .header import BadImageError, Header

if TYPE_CHECKING:
    from PIL import Image

_FIX = "save it as PNG"
_BLOCKS = 4096
_BYTES_PER_BLOCK = 64  # encoders write 254 or 255 into each
_EXTENSION, _FRAME, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9


def read_header(data: bytes) -> Header:
    """Read the blocks; comments and application data are not handed on to the decoder.

    Raises:
        BadImageError: The file is damaged, or has more blocks than its size justifies.
    """
    walk = _Walk(data)
    position = 13 + _table(data[10:11])
    kept = [memoryview(data)[:position]]
    width, height = _number(data, 6), _number(data, 8)
    frames = 0
    while position < len(data) and data[position] != _TRAILER and frames < 2:
        start, kind = position, data[position]
        if kind == _FRAME:
            frames += 1
            position = walk.end(start + 11 + _table(data[start + 9 : start + 10]))
            if frames == 1:
                width = max(width, _number(data, start + 1) + _number(data, start + 5))
                height = max(height, _number(data, start + 3) + _number(data, start + 7))
                kept.append(memoryview(data)[start:position])
        elif kind == _EXTENSION:
            position = walk.end(start + 2)
            if data[start + 1 : start + 2] == bytes([_GRAPHIC_CONTROL]) and not frames:
                kept.append(memoryview(data)[start:position])
        else:
            walk.count()  # the decoder skips such bytes one by one
            position += 1

    def opened() -> Image.Image:
        from PIL import GifImagePlugin

        return GifImagePlugin.GifImageFile(io.BytesIO(b"".join([*kept, bytes([_TRAILER])])))

    return Header((width, height), opened, animated=frames > 1)


class _Walk:
    """Walk over sub-blocks that counts them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._most = self._left = _BLOCKS + len(data) // _BYTES_PER_BLOCK

    def count(self) -> None:
        """Count one block more; BadImageError where these are too many."""
        self._left -= 1
        if self._left < 0:
            raise BadImageError(
                f"too many blocks, expected at most {self._most:,} in {len(self._data):,} bytes; {_FIX}"
            )

    def end(self, position: int) -> int:
        """Return where the sub-blocks that start at `position` end."""
        data = self._data
        while position < len(data) and data[position]:
            self.count()
            position += 1 + data[position]
        return position + 1


def _table(flags: bytes) -> int:
    """Return the bytes of a colour table by the flags that announce it."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _number(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 2], "little")
