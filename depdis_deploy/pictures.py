"""Image files in, PNG files out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from .files import written_whole
from .media.image_decoding import ALL, decode
from .media.image_files import read_file
from .media.image_formats import png
from .media.image_formats.table import FORMATS, identify
from .media.image_workers import shared_decoder
from .taxonomy import Taxonomy

# A larger image would take gigabytes while results are drawn on it.
MAX_PIXELS = 128_000_000
_PNG_LEVEL = 1  # zlib's fastest: a frame's files must not hold up the video

# What is written goes to a file, which appears whole, or to an open one.
Target = Path | BinaryIO


def read_picture(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8 RGB, upright.

    EXIF orientation is applied. Transparent pixels are composited on white. 16-bit samples become 8-bit ones;
    CMYK, grey and palettes become RGB. JPEG 2000 and AVIF are decoded in a child process.

    Args:
        path: The file.
        max_pixels: Largest width times height, checked before any pixel is decoded.

    Raises:
        TooLarge: The image has more pixels, or its file more bytes than such an image needs.
        InputError: The file is not a single, complete image in one of the formats that are decoded.
    """
    name = os.fspath(path)
    data = read_file(Path(path), max_pixels)
    kind = identify(data, ALL)
    if kind is not None and not FORMATS[kind].bounded:
        return shared_decoder().decode(data, name, max_pixels=max_pixels)
    return np.asarray(decode(data, name, max_pixels=max_pixels))


def read_text(path: Path, keyword: str) -> str | None:
    """Return a text that was written into a PNG file, if it holds one with this keyword."""
    return png.read_text(read_file(path, MAX_PIXELS), keyword)


def write_rgb(target: Target, picture: NDArray[np.uint8]) -> None:
    """(H, W, 3) uint8 RGB as PNG."""
    _write(target, Image.fromarray(picture))


def write_labels(
    target: Target, labels: NDArray[np.uint8], taxonomy: Taxonomy, texts: Mapping[str, str] | None = None
) -> None:
    """(H, W) class indices as an 8-bit PNG in the taxonomy's palette; 255 (unlabelled) is black.

    texts: further text chunks of the file, by keyword.
    """
    picture = Image.fromarray(labels)
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(taxonomy)] = taxonomy.palette
    picture.putpalette(colours.tobytes())
    _write(target, picture, {"Classes": ", ".join(taxonomy.names), **(texts or {})})


def write_depth(target: Target, depth_m: NDArray[np.float32]) -> None:
    """(H, W) metres as a 16-bit PNG in centimetres, 65535 for 655.35 m and beyond; its text says the unit."""
    centimetres = np.clip(depth_m * 100 + 0.5, 0, 65535).astype(np.uint16)
    _write(target, Image.fromarray(centimetres), {"Unit": "cm", "Description": "depth in centimetres"})


def write_share(target: Target, values: NDArray[np.float32], what: str) -> None:
    """(H, W) values in 0..1 as an 8-bit PNG, 255 for 1; its text says what they are."""
    levels = np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)
    _write(target, Image.fromarray(levels), {"Unit": "1/255", "Description": f"{what}, 255 is 1"})


def write_arrays(target: Target, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Named arrays as a compressed .npz."""
    with _destination(target) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _write(target: Target, picture: Image.Image, texts: Mapping[str, str] | None = None) -> None:
    notes = PngImagePlugin.PngInfo()
    for key, text in (texts or {}).items():
        notes.add_text(key, text)
    with _destination(target) as file:
        picture.save(file, "PNG", pnginfo=notes, compress_level=_PNG_LEVEL)


@contextmanager
def _destination(target: Target) -> Iterator[Path | BinaryIO]:
    if not isinstance(target, Path):
        yield target
        return
    with written_whole(target) as temporary:
        yield temporary
