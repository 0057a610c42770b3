"""The first image of a TIFF or BigTIFF file."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .header import BadImageError, Header, at_most

if TYPE_CHECKING:
    from PIL import Image

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_ENTRIES = 4096
MOST_VALUE_BYTES = 2**20  # of one entry; a colour map has 393,216
_FIX = "save it again as an uncompressed or LZW-compressed TIFF, or as PNG"
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _ORIENTATION, _SAMPLES = 256, 257, 258, 259, 274, 277
_STRIPS = _STRIP_OFFSETS, _STRIP_ROWS, _STRIP_BYTES = 273, 278, 279
_TILES = _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_PLANAR = 284
_NAMES = {
    _WIDTH: "ImageWidth",
    _HEIGHT: "ImageLength",
    _TILE_WIDTH: "TileWidth",
    _TILE_HEIGHT: "TileLength",
    _STRIP_BYTES: "StripByteCounts",
    _TILE_BYTES: "TileByteCounts",
}
# Tags that pixels depend on. Nothing else is handed on: no metadata, no further directory, no further image.
_LAYOUT = (_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANAR)
_COLOUR = (262, 266, 320, 332, 338, 339, 529, 530, 531, 532)
_CODEC = (292, 293, 317, 347)
_ARRAYS = (_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES)
_KEPT = frozenset([*_LAYOUT, *_COLOUR, *_CODEC, *_STRIPS, *_TILES])
# Others need memory that the size of the image does not bound (LZMA, Zstandard), or are obsolete.
COMPRESSIONS = {
    1: "none",
    2: "CCITT RLE",
    3: "CCITT T.4",
    4: "CCITT T.6",
    5: "LZW",
    7: "JPEG",
    8: "Deflate",
    32773: "PackBits",
    32946: "Deflate",
}
MOST_SAMPLES = 6
_BLOCK_PIXELS = 4 * 2**20  # that tiles may have altogether beyond four times those of the image
_PIECES = 4096  # strips or tiles that an image may have beyond one for each 256 pixels


@dataclass(frozen=True)
class _Entry:
    """One directory entry. raw: its bytes; place: where its values start; type: TIFF's code."""

    tag: int
    type: int
    count: int
    raw: bytes
    place: int


class _Directory:
    """The first directory of a file, reduced to the entries that pixels depend on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)
        self.order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        self.big = data[:4] in SIGNATURES[2:]
        self._word = 8 if self.big else 4
        self.entries: dict[int, _Entry] = {}
        start = self.number(8 if self.big else 4, self._word)
        for entry in self._read(start):
            self.entries[entry.tag] = entry
        orientation = self.value(_ORIENTATION, 1)
        self.orientation = orientation if 1 <= orientation <= 8 else 1
        self.tiled = _TILE_OFFSETS in self.entries
        # decoders differ in which of the two they prefer
        for tag in (_ORIENTATION, *(_STRIPS if self.tiled else _TILES)):
            self.entries.pop(tag, None)

    def number(self, start: int, size: int) -> int:
        """Return the unsigned number of `size` bytes at `start`."""
        if start + size > len(self._data):
            raise BadImageError(f"damaged image (truncated: no byte {start + size - 1:,}); {_FIX}")
        return int.from_bytes(self._data[start : start + size], self.order)

    def values(self, tag: int, most: int) -> tuple[int, ...]:
        """Return the values of a tag of integers, the first `most` of them."""
        entry = self.entries[tag]
        if entry.type not in _INTEGERS:
            raise BadImageError(f"damaged image (tag {tag} holds no integer); {_FIX}")
        code = f"{'<' if self.order == 'little' else '>'}{min(entry.count, most)}{_INTEGERS[entry.type]}"
        return struct.unpack_from(code, self._data, entry.place)

    def value(self, tag: int, default: int | None = None) -> int:
        """Return the first value of a tag, or its default."""
        if tag in self.entries:
            return self.values(tag, 1)[0]
        if default is None:
            raise BadImageError(f"damaged image (no {_NAMES[tag]}); {_FIX}")
        return default

    def rewritten(self) -> bytes:
        """Return the file with this directory alone, behind its data."""
        data, word = self._data, self._word
        padding = bytes(-len(data) % 8)
        start = (len(data) + len(padding)).to_bytes(word, self.order)
        head = data[:8] + start if self.big else data[:4] + start
        count = len(self.entries).to_bytes(8 if self.big else 2, self.order)
        entries = [self.entries[tag].raw for tag in sorted(self.entries)]
        return b"".join([head, memoryview(data)[len(head) :], padding, count, *entries, bytes(word)])

    def _read(self, start: int) -> Iterator[_Entry]:
        counter, length = (8, 20) if self.big else (2, 12)
        count = self.number(start, counter)
        at_most(count, MOST_ENTRIES, "directory entries", _FIX)
        for at in range(start + counter, start + counter + count * length, length):
            tag, kind, values = self.number(at, 2), self.number(at + 2, 2), self.number(at + 4, self._word)
            size = _SIZES.get(kind, 0) * values
            place = at + length - self._word
            if size > self._word:
                place = self.number(place, self._word)
            if not size or tag not in _KEPT | {_ORIENTATION}:
                continue
            if place + size > len(self._data):
                raise BadImageError(f"damaged image (tag {tag} lies beyond its end); {_FIX}")
            if tag not in _ARRAYS:
                at_most(size, MOST_VALUE_BYTES, f"bytes in tag {tag}", _FIX)
            yield _Entry(tag, kind, values, self._data[at : at + length], place)


def read_header(data: bytes) -> Header:
    """Read the first directory.

    Raises:
        BadImageError: The file is damaged, is compressed in a way that is not accepted, or has strips or tiles
            that its size does not justify.
    """
    directory = _Directory(data)
    compression = directory.value(_COMPRESSION, 1)
    if compression not in COMPRESSIONS:
        known = ", ".join(dict.fromkeys(COMPRESSIONS.values()))
        raise BadImageError(f"TIFF compression {compression} is not accepted, expected one of {known}; {_FIX}")
    samples = directory.value(_SAMPLES, 1)
    at_most(samples, MOST_SAMPLES, "samples per pixel", _FIX)
    width, height = directory.value(_WIDTH), directory.value(_HEIGHT)
    block = _check_pieces(directory, width, height, samples)

    def opened() -> Image.Image:
        from PIL import TiffImagePlugin

        from depdis_deploy.libtiff import silence

        silence()
        return TiffImagePlugin.TiffImageFile(io.BytesIO(directory.rewritten()))

    return Header((width, height), opened, directory.orientation, block=max(65536, block))


def _check_pieces(directory: _Directory, width: int, height: int, samples: int) -> int:
    """Return the bytes of one strip or tile; BadImageError where they do not suit the image."""
    tiled = directory.tiled
    offsets, counts = (_TILE_OFFSETS, _TILE_BYTES) if tiled else (_STRIP_OFFSETS, _STRIP_BYTES)
    if offsets not in directory.entries or not width * height:
        raise BadImageError(f"damaged image ({width}x{height} pixels without strips or tiles); {_FIX}")
    if tiled:
        across, down = directory.value(_TILE_WIDTH), directory.value(_TILE_HEIGHT)
    else:
        across, down = width, min(height, directory.value(_STRIP_ROWS, height))
    if not across * down:
        raise BadImageError(f"damaged image (strips or tiles of {across}x{down} pixels); {_FIX}")
    planes = samples if directory.value(_PLANAR, 1) == 2 else 1
    pieces = planes * -(-width // across) * -(-height // down)
    covered, most = pieces // planes * across * down, 4 * width * height + _BLOCK_PIXELS
    if covered > most:
        raise BadImageError(
            f"tiles of {across}x{down} take {covered:,} pixels for an image of {width}x{height}, "
            f"expected at most {most:,}; {_FIX}"
        )
    at_most(pieces, planes * (_PIECES + width * height // 256), "strips or tiles", _FIX)
    at_most(directory.entries[offsets].count, pieces, "strips or tiles", _FIX)
    _check_bytes(directory, counts, pieces)
    bits = max(directory.values(_BITS, MOST_SAMPLES)) if _BITS in directory.entries else 1
    at_most(bits, 64, "bits per sample", _FIX)
    return across * down * (samples // planes) * -(-bits // 8)


def _check_bytes(directory: _Directory, counts: int, pieces: int) -> None:
    """Raise BadImageError unless the strips or tiles together are at most as long as the file."""
    if counts not in directory.entries:
        if directory.value(_COMPRESSION, 1) == 1:
            return  # follows from the sizes
        raise BadImageError(f"damaged image (no {_NAMES[counts]}); {_FIX}")
    at_most(directory.entries[counts].count, pieces, "strips or tiles", _FIX)
    total, length = sum(directory.values(counts, pieces)), directory.length
    if total > length:
        raise BadImageError(
            f"damaged image (strips or tiles of {total:,} bytes in a file of {length:,}); {_FIX}"
        )
