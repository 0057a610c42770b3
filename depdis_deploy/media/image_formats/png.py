"""PNG."""

from __future__ import annotations

import binascii
import io
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .exif import orientation
from .header import BadImageError, Header

if TYPE_CHECKING:
    from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FIX = "save it again with an image editor"
_CHUNKS = 4096
_BYTES_PER_CHUNK = 256  # encoders write 8 KiB and more into each
_FIRST = 33  # bytes of the signature and the IHDR chunk
_XMP = b"XML:com.adobe.xmp\0\0"
_PROFILE = b"Raw profile type exif\0\0"  # ImageMagick's EXIF block, as compressed hexadecimal text
_MOST_PROFILE = 2**20


def read_header(data: bytes) -> Header:
    """Read the chunks; only those that change pixels are handed on to the decoder.

    Raises:
        BadImageError: The file is damaged, or has more chunks than its size justifies.
    """
    if data[12:16] != b"IHDR" or len(data) < _FIRST:
        raise BadImageError(f"damaged image (it does not begin with a complete IHDR chunk); {_FIX}")
    view = memoryview(data)
    kept = {b"IHDR": view[:_FIRST]}
    pixels: list[memoryview] = []
    exif, packed, xmp = None, None, None
    frames = 1
    for kind, start, end in _chunks(data):
        if kind == b"IDAT":
            pixels.append(view[start:end])
        elif kind in (b"PLTE", b"tRNS"):
            kept[kind] = view[start - 8 : end + 4]
        elif kind == b"eXIf":
            exif = data[start:end]
        elif kind == b"zTXt" and data.startswith(_PROFILE, start):
            packed = data[start + len(_PROFILE) : end]
        elif kind == b"iTXt" and data.startswith(_XMP, start):
            xmp = data[start:end]
        elif kind == b"acTL" and not pixels:
            frames = int.from_bytes(data[start : start + 4], "big")
    if exif is None and packed is not None:
        exif = _profile(packed)

    def opened() -> Image.Image:
        from PIL import PngImagePlugin

        whole = b"".join([*kept.values(), *_chunk(b"IDAT", pixels), *_chunk(b"IEND", [])])
        return PngImagePlugin.PngImageFile(io.BytesIO(whole))

    size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return Header(size, opened, orientation(exif, xmp), animated=1 < frames <= 2**31, block=len(data))


def read_text(data: bytes, keyword: str) -> str | None:
    """Return the text of the uncompressed Latin-1 chunk with this keyword, if there is one."""
    prefix = keyword.encode("latin-1") + b"\0"
    for kind, start, end in _chunks(data):
        if kind == b"tEXt" and data.startswith(prefix, start):
            return data[start + len(prefix) : end].decode("latin-1")
    return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the contents of each chunk after IHDR and before IEND."""
    position, most = _FIRST, _CHUNKS + len(data) // _BYTES_PER_CHUNK
    for _ in range(most):
        kind, start = data[position + 4 : position + 8], position + 8
        end = start + int.from_bytes(data[position : position + 4], "big")
        if kind in (b"IEND", b""):
            return
        yield kind, start, end
        position = end + 4
    raise BadImageError(f"too many chunks, expected at most {most:,} in {len(data):,} bytes; {_FIX}")


def _chunk(kind: bytes, contents: list[memoryview]) -> list[bytes | memoryview]:
    """Return the parts of one chunk; the decoder does not check the sum at the end of these kinds."""
    return [sum(map(len, contents)).to_bytes(4, "big"), kind, *contents, bytes(4)]


def _profile(packed: bytes) -> bytes | None:
    """Return the EXIF block of ImageMagick's text, which starts with a name and a length on three lines."""
    try:
        text = zlib.decompressobj().decompress(packed, _MOST_PROFILE)
        return binascii.unhexlify(b"".join(text.split(b"\n")[3:]))
    except (zlib.error, ValueError):
        return None
