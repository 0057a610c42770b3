"""PNGs of labels in all ways in which lossless tools store the same image."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

GREY, RGB, INDEXED, RGBA = 0, 2, 3, 6


def write_png(
    path: Path,
    values: NDArray[np.integer],
    kind: int,
    bits: int = 8,
    *,
    palette: NDArray[np.uint8] | None = None,
    transparency: bytes | None = None,
) -> None:
    """Write (H, W) or (H, W, channels) samples of `bits` bits as a PNG of the colour type `kind`."""
    height, width = values.shape[:2]
    rows = values.reshape(height, -1)
    if bits == 16:
        packed = rows.astype(">u2").view(np.uint8)
    else:
        flat = np.unpackbits(rows.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
        packed = np.packbits(flat.reshape(height, -1), axis=-1)
    data = b"".join(b"\0" + row.tobytes() for row in packed)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))]
    parts += [] if palette is None else [(b"PLTE", palette.tobytes())]
    parts += [] if transparency is None else [(b"tRNS", transparency)]
    parts += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def sorted_palette(path: Path, colours: NDArray[np.uint8], bits: int = 8) -> None:
    """Write (H, W, 3) colours as an indexed PNG whose palette has an order of its own."""
    entries, indices = np.unique(colours.reshape(-1, 3), axis=0, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(entries))
    place = np.argsort(order)
    write_png(path, place[indices].reshape(colours.shape[:2]), INDEXED, bits, palette=entries[order])
