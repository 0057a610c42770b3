"""FORMATS: the image formats that are decoded. Nothing else is opened, whatever a file is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from depdis_deploy.media.heif import HEAD_BYTES, brands_of, is_avif

from . import avif, bmp, gif, jpeg, jpeg2000, png, pnm, tiff, webp
from .header import Header


class Format(NamedTuple):
    """A format that is decoded.

    Args:
        matches: Whether the first bytes of a file are those of the format.
        read_header: Reads the header and bounds the cost of decoding.
        bounded: Whether the header bounds the time and memory of decoding, so that it is safe in this process.
    """

    matches: Callable[[bytes], bool]
    read_header: Callable[[bytes], Header]
    bounded: bool = True


def _starts_with(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda start: start.startswith(signatures)


def _is_webp(start: bytes) -> bool:
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def _is_pnm(start: bytes) -> bool:
    return start[:1] == b"P" and b"1" <= start[1:2] <= b"6" and start[2:3].isspace()


def _is_avif(start: bytes) -> bool:
    return is_avif(brands_of(start))


FORMATS = {
    "JPEG": Format(_starts_with(b"\xff\xd8\xff"), jpeg.read_header),
    "PNG": Format(_starts_with(png.SIGNATURE), png.read_header),
    "WEBP": Format(_is_webp, webp.read_header),
    "BMP": Format(_starts_with(b"BM"), bmp.read_header),
    "GIF": Format(_starts_with(b"GIF87a", b"GIF89a"), gif.read_header),
    "TIFF": Format(_starts_with(*tiff.SIGNATURES), tiff.read_header),
    "PPM": Format(_is_pnm, pnm.read_header),
    "JPEG2000": Format(_starts_with(*jpeg2000.SIGNATURES), jpeg2000.read_header, bounded=False),
    "AVIF": Format(_is_avif, avif.read_header, bounded=False),
}


def identify(data: bytes, names: Sequence[str]) -> str | None:
    """Return which of the named formats the first bytes of a file belong to; None: to none of them."""
    start = bytes(data[:HEAD_BYTES])
    return next((name for name in names if FORMATS[name].matches(start)), None)
