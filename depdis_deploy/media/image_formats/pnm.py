"""PBM, PGM and PPM, binary or plain text, decoded by NumPy: Pillow's decoder takes a microsecond a value."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from .header import BadImageError, Header, at_most

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

_FIX = "save it as PNG"
_HEADER_BYTES = 4096
_COMMENTS = 4096
_TEXT_BYTES = 2**20
_BYTES_PER_VALUE = 12  # 65,535 takes six
_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_SIZE = re.compile(rb"P([1-6])\s" + _SPACE.replace(b"+", b"*") + rb"(\d{1,9})" + _SPACE + rb"(\d{1,9})")
_MAXVAL = re.compile(_SPACE + rb"(\d{1,5})")
_COMMENT = re.compile(rb"#[^\r\n]*")


def read_header(data: bytes) -> Header:
    """Read the size and the largest value.

    Raises:
        BadImageError: The header is damaged or longer than 4,096 bytes.
    """
    found = _SIZE.match(data, 0, _HEADER_BYTES)
    if found is None:
        raise BadImageError(f"damaged image (no size within its first {_HEADER_BYTES:,} bytes); {_FIX}")
    kind, width, height = (int(word) for word in found.groups())
    end, maxval = found.end(), 1
    if kind not in (1, 4):
        limit = _MAXVAL.match(data, end, end + _HEADER_BYTES)
        maxval = 0 if limit is None else int(limit[1])
        if limit is None or not 0 < maxval < 65536:
            raise BadImageError(f"damaged image (largest value {maxval}, expected 1 to 65,535); {_FIX}")
        end = limit.end()
    return Header((width, height), partial(_decoded, data, kind, (width, height), maxval, end + 1))


def _decoded(data: bytes, kind: int, size: tuple[int, int], maxval: int, start: int) -> Image.Image:
    """Decode the values that begin at `start`.

    Args:
        kind: The digit of the magic number: 1 to 3 plain, 4 to 6 binary; bits, grey, colour.
        size: (width, height) in pixels.
        maxval: The value of full intensity.
    """
    import numpy as np
    from PIL import Image

    width, height = size
    bands = 3 if kind in (3, 6) else 1
    count = width * height * bands
    values: NDArray[Any]
    if kind == 4:
        packed = np.frombuffer(data, np.uint8, offset=min(start, len(data)))
        row = (width + 7) // 8
        _expect(len(packed), row * height, "bytes")
        values = np.unpackbits(packed[: row * height].reshape(height, row), axis=1)[:, :width]
    elif kind > 4:
        kept = np.dtype(">u2" if maxval > 255 else "u1")
        _expect((len(data) - start) // kept.itemsize, count, "values")
        values = np.frombuffer(data, kept, count, start)
    else:
        values = _plain(data[start - 1 :], count, bits=kind == 1)
        if int(values.max()) > maxval:
            raise BadImageError(f"damaged image (value {values.max()}, expected at most {maxval}); {_FIX}")
    if kind in (1, 4):
        return Image.fromarray((1 - values.reshape(height, width)).astype(np.uint8) * np.uint8(255))
    deep = bands == 1 and maxval > 255
    full = 65535 if deep else 255
    if maxval != full:
        scaled = np.minimum(np.rint(np.arange(65536 if maxval > 255 else 256) / maxval * full), full)
        values = scaled.astype(np.uint16 if deep else np.uint8)[values]
    shape = (height, width, 3) if bands == 3 else (height, width)
    return Image.fromarray(values.astype(np.uint16 if deep else np.uint8).reshape(shape))


def _plain(text: bytes, count: int, *, bits: bool) -> NDArray[Any]:
    """Return the first `count` decimal numbers of a text without its comments; of bits each digit is one."""
    import numpy as np

    at_most(text.count(b"#"), _COMMENTS, "comments", _FIX)
    text = _COMMENT.sub(b"", text)
    digits = b"01" if bits else b"0123456789"
    if text.translate(None, digits + b" \t\n\v\f\r"):
        raise BadImageError(f"damaged image (expected decimal numbers); {_FIX}")
    if bits:
        text = text.translate(None, b" \t\n\v\f\r")
        _expect(len(text), count, "values")
        return np.frombuffer(text, np.uint8, count) - ord("0")
    at_most(len(text), _TEXT_BYTES + _BYTES_PER_VALUE * count, f"bytes of text for {count:,} values", _FIX)
    values = np.fromstring(text, np.int64, sep=" ")
    _expect(len(values), count, "values")
    return values[:count]


def _expect(found: int, wanted: int, what: str) -> None:
    if found < wanted:
        raise BadImageError(f"damaged image (truncated: {found:,} of {wanted:,} {what}); {_FIX}")
