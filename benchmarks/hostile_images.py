"""Images that are made to be costly to decode, or to run a program, built from their formats' own parts."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\nshowpage\n%%EOF\n"


def encoded(width: int, height: int, kind: str, **options: Any) -> bytes:
    """An image of one colour in the format `kind`."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 30)).save(buffer, kind, **options)
    return buffer.getvalue()


def postscript_with_preview() -> bytes:
    """An EPS file in DOS binary form, whose first bytes are not those of PostScript."""
    return struct.pack("<IIIIIIIH", 0xC6D3D0C5, 30, len(POSTSCRIPT), 0, 0, 0, 0, 0xFFFF) + POSTSCRIPT


def jpeg_with_scans(width: int, height: int, scans: int, between: bytes = b"") -> bytes:
    """A progressive JPEG with empty scans, each with `between` before it."""
    whole = encoded(width, height, "JPEG", progressive=True)
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + bytes([1, 0, 1, 63, 0x01])
    return whole[:-2] + (between + scan) * scans + whole[-2:]


def jpeg_with_segments(count: int, segment: bytes = b"\xff\xfe\0\x02") -> bytes:
    """A JPEG with empty comments, or another segment, before its image."""
    whole = encoded(64, 32, "JPEG")
    return whole[:2] + segment * count + whole[2:]


def jpeg_with_exif(entries: int) -> bytes:
    """A JPEG with EXIF entries that all refer to the whole block."""
    size = 65_000
    table = b"".join(struct.pack("<HHII", tag, 7, size - 20, 8) for tag in range(1000, 1000 + entries))
    block = (b"II*\0" + struct.pack("<IH", 8, entries) + table).ljust(size, b"\0")
    whole = encoded(64, 32, "JPEG")
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", size + 8) + b"Exif\0\0" + block + whole[2:]


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with_chunks(count: int, kind: bytes, data: bytes = b"") -> bytes:
    """A PNG with `count` chunks of one kind between its header and its pixels."""
    whole = encoded(64, 32, "PNG")
    return whole[:33] + chunk(kind, data) * count + whole[33:]


def png_claiming(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND")
    return b"\x89PNG\r\n\x1a\n" + parts


def tiff(tags: dict[int, tuple[int, int, int]], data: bytes = b"", repeated: int = 1) -> bytes:
    """A TIFF file from `data` at byte 8 and a directory. tags: (type, count, value or place) by tag."""
    table = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags)) * repeated
    start = 8 + len(data)
    directory = struct.pack("<H", repeated * len(tags)) + table + bytes(4)
    return b"II*\0" + struct.pack("<I", start) + data + directory


def tiff_tags(width: int, height: int, compression: int = 1) -> dict[int, tuple[int, int, int]]:
    """The tags of a grey image of 8 bits, but for its strips or tiles."""
    return {
        256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, compression), 262: (3, 1, 1),
        277: (3, 1, 1),
    }  # fmt: skip


def tiff_with_tiles(width: int, height: int, across: int, down: int, compression: int = 8) -> bytes:
    """A TIFF whose one tile is far larger than its image."""
    packed = zlib.compress(bytes(1000))
    tags = tiff_tags(width, height, compression)
    tiles = {322: (4, 1, across), 323: (4, 1, down), 324: (4, 1, 8), 325: (4, 1, len(packed))}
    return tiff(tags | tiles, packed)


def tiff_with_shared_strips(rows: int, size: int) -> bytes:
    """A TIFF with a strip for each row, each of which is said to be all of the data."""
    places, counts = struct.pack("<I", 8) * rows, struct.pack("<I", size) * rows
    data = zlib.compress(bytes(64)).ljust(size, b"\0") + places + counts
    strips = {273: (4, rows, 8 + size), 278: (4, 1, 1), 279: (4, rows, 8 + size + len(places))}
    return tiff(tiff_tags(64, rows, 8) | strips, data)


def tiff_with_entries(entries: int, size: int) -> bytes:
    """A TIFF whose entries all refer to the same long value."""
    tags = dict.fromkeys(range(1000, 1000 + entries), (7, size, 8))
    strips = {273: (4, 1, 8), 278: (4, 1, 32), 279: (4, 1, 64 * 32)}
    return tiff(tags | tiff_tags(64, 32) | strips, bytes(size))


def tiff_with_directories(count: int) -> bytes:
    """A TIFF with a long chain of further directories behind its image."""
    first = 8 + 64 * 32
    tags = tiff_tags(64, 32) | {273: (4, 1, 8), 278: (4, 1, 32), 279: (4, 1, 64 * 32)}
    table = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    start = first + 2 + len(table) + 4
    further = b"".join(
        struct.pack("<HHHIII", 1, 256, 4, 1, 1, start + 18 * (index + 1)) for index in range(count)
    )
    directory = struct.pack("<H", len(tags)) + table + struct.pack("<I", start)
    return b"II*\0" + struct.pack("<I", first) + bytes(64 * 32) + directory + further + bytes(18)


def bmp_with_runs(width: int, height: int, runs: bytes) -> bytes:
    """A run-length encoded BMP."""
    palette = bytes(range(256)) * 4
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return (
        b"BM"
        + struct.pack("<IHHI", 54 + len(palette) + len(runs), 0, 0, 54 + len(palette))
        + info
        + palette
        + runs
    )


def bmp(width: int, height: int) -> bytes:
    """A BMP of 24 bits without compression, black."""
    row = (3 * width + 3) // 4 * 4
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, row * height, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + row * height, 0, 0, 54) + info + bytes(row * height)


def gif_with_blocks(count: int, *, comment: bool) -> bytes:
    """A GIF whose comment, or image, comes in blocks of one byte."""
    whole = encoded(64, 32, "GIF")
    place = whole.index(b",")
    if comment:
        return whole[:place] + b"!\xfe" + b"\x01a" * count + b"\0" + whole[place:]
    return whole[: place + 11] + b"\x01\x00" * count + whole[place + 11 :]


def webp_with_chunks(count: int) -> bytes:
    """A WebP with empty chunks of an unknown kind behind its image."""
    whole = encoded(64, 32, "WEBP") + b"abcd\0\0\0\0" * count
    return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]


def jpeg2000_with_tiles(width: int, height: int, side: int) -> bytes:
    """A JPEG 2000 codestream that claims tiles of `side` pixels."""
    whole = bytearray(encoded(64, 32, "JPEG2000", no_jp2=True))
    whole[8:16] = struct.pack(">II", width, height)
    whole[24:32] = struct.pack(">II", side, side)
    return bytes(whole)


def noise(width: int, height: int, kind: str, **options: Any) -> bytes:
    """An image of noise, the most costly content of a size."""
    levels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, kind, **options)
    return buffer.getvalue()
