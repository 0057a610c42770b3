"""JPEG, including the first image of an MPO file."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from .exif import orientation
from .header import BadImageError, Header, at_most

if TYPE_CHECKING:
    from PIL import Image

MOST_SEGMENTS = 4096
MOST_TABLE_BYTES = 2**18  # of segments before the first scan that pixels depend on; encoders write 1,000
MOST_SCANS = 100  # each one is a pass over all pixels, whatever it holds; encoders write 10 to 30
_FIX = "save it again with an image editor"
_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_ALONE = frozenset([0x01, *range(0xD0, 0xD8)])  # markers without a length
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Metadata that does not change pixels. APP0 and APP14 stay: they state the colour space.
_METADATA = frozenset([*range(0xE1, 0xEE), 0xEF, 0xFE])
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def read_header(data: bytes) -> Header:
    """Read the segments before the first scan and count the scans.

    Raises:
        BadImageError: The file is damaged, or has more segments or scans than a decoder should be given.
    """
    kept = [memoryview(data)[:2]]
    size, exif, xmp = None, None, None
    position = 2
    for _ in range(MOST_SEGMENTS):
        start, marker, end = _segment(data, position, _MARKER)
        position = end
        if marker == _SOS:
            break
        if marker in _FRAMES:
            size = _number(data, start + 7), _number(data, start + 5)
        if marker == _APP1:
            content = data[start + 4 : end]
            if exif is None and content.startswith(b"Exif\0\0"):
                exif = content
            elif content.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
                xmp = content
        if marker not in _METADATA:
            kept.append(memoryview(data)[start:end])
    else:
        raise BadImageError(f"too many segments, expected at most {MOST_SEGMENTS:,}; {_FIX}")
    if size is None:
        raise BadImageError(f"damaged image (no frame header before the first scan); {_FIX}")
    at_most(sum(map(len, kept)), MOST_TABLE_BYTES, "bytes of tables", _FIX)
    _check_scans(data, start)
    kept.append(memoryview(data)[start:])

    def opened() -> Image.Image:
        from PIL import JpegImagePlugin

        return JpegImagePlugin.JpegImageFile(io.BytesIO(b"".join(kept)))

    return Header(size, opened, orientation(exif, xmp), block=len(data))


def _check_scans(data: bytes, start: int) -> None:
    """Raise BadImageError where more than MOST_SCANS scans follow from `start` to the end of the image."""
    # Compressed data never contains this pair, so that few of them are few scans: true of almost all files.
    if data.count(b"\xff\xda", start) <= MOST_SCANS:
        return
    scans = 0
    for _ in range(MOST_SEGMENTS):
        try:
            start, marker, end = _segment(data, start, _MARKER_IN_SCAN)
        except BadImageError:
            return  # the decoder reports where the file ends too early
        if marker == _EOI:
            return
        scans += marker == _SOS
        at_most(scans, MOST_SCANS, "scans or more", "save it again as a baseline JPEG")
        start = end
    raise BadImageError(f"too many segments, expected at most {MOST_SEGMENTS:,}; {_FIX}")


def _segment(data: bytes, position: int, pattern: re.Pattern[bytes]) -> tuple[int, int, int]:
    """Return start, marker and end of the next segment from `position` on."""
    found = pattern.search(data, position)
    if found is None:
        raise BadImageError(f"damaged image (truncated: it ends before its first scan); {_FIX}")
    start, marker = found.start(), data[found.start() + 1]
    if marker in _ALONE or marker == _EOI:
        return start, marker, start + 2
    # A decoder reads on behind the length where it is less than its own two bytes.
    end = start + 2 + max(2, _number(data, start + 2))
    if marker == _SOI or end > len(data):
        raise BadImageError(f"damaged image (segment at byte {start:,} is truncated or invalid); {_FIX}")
    return start, marker, end


def _number(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 2], "big")
