"""Picture files of any make in, PNG files out."""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from .address import masked
from .command import InputError
from .files import written_whole
from .libtiff import silence
from .taxonomy import Taxonomy

# A larger picture would take gigabytes on its way through drawing.
MAX_PIXELS = 128_000_000
_MOVING = ("GIF", "PNG", "WEBP", "AVIF")
_ORIENTATION = 0x0112
_PNG_LEVEL = 1  # zlib's fastest: a frame's files must not hold up the video
_opening = threading.Lock()

# What is written goes to a file, which appears whole, or to an open one.
Target = Path | BinaryIO


class TooLarge(InputError):
    """A picture of more pixels than are taken."""


def read_picture(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """A picture file as (H, W, 3) uint8 RGB, upright.

    max_pixels: what is taken, looked at before any is decoded. EXIF orientation is applied; transparency lies
    on white; 16-bit levels become 8-bit ones; CMYK, grey and palettes become RGB. InputError in one
    line for anything that is no whole, single, sensibly sized picture.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{masked(str(path))}: no such file")
    if not path.is_file():
        raise InputError(f"{path}: expected a picture file, got a folder or device")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; expected a picture")
    return _read(path, path, max_pixels)


def decode_picture(
    data: bytes, name: str = "the picture", *, max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] | None = None,
) -> NDArray[np.uint8]:  # fmt: skip
    """The bytes of a picture file as `read_picture` gives it, of at most `max_pixels`.

    name: what it is called in errors. formats: Pillow's names of those taken; None: all that can be read.
    Size and format are looked at in the header, before anything is decoded.
    """
    if not data:
        raise InputError(f"{name}: it is empty; expected a picture")
    return _read(Path(name), io.BytesIO(data), max_pixels, formats)


def _read(
    path: Path, file: Path | BinaryIO, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] | None = None
) -> NDArray[np.uint8]:  # fmt: skip
    try:
        with _open(file, formats) as picture:
            _check(path, picture, max_pixels)
            if picture.format == "TIFF":
                silence()
            picture.load()
            return np.asarray(_rgb(path, _upright(picture)))
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        known = ", ".join(formats) if formats else "JPEG, PNG, WebP, TIFF, ..."
        raise InputError(f"{path}: not a picture that can be read (its bytes are none of {known})") from None
    except Image.DecompressionBombError as error:  # Pillow's own bound, which it looks at first
        size = str(error).partition("(")[2].partition(")")[0]
        raise TooLarge(
            f"{path}: too large ({size}), expected at most {max_pixels:,} pixels; scale it down"
        ) from None
    except Exception as error:  # decoders raise whatever the damage leads them to
        raise InputError(f"{path}: a damaged or unsupported picture ({error}); save it anew") from None


def _open(file: Path | BinaryIO, formats: tuple[str, ...] | None) -> Image.Image:
    """Only the header is read. Pillow's warning about sizes is ours to give; filters are not per thread."""
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(file, formats=formats)


def _check(path: Path, picture: Image.Image, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise TooLarge(
            f"{path}: {width}x{height} is too large, expected at most {max_pixels:,} pixels; scale it down"
        )
    if picture.format in _MOVING and getattr(picture, "is_animated", False):
        raise InputError(
            f"{path}: expected a still picture, got an animated {picture.format}; convert it to a video "
            f"(ffmpeg -i {path.name} {path.stem}.mp4)"
        )


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turned = picture.getexif().get(_ORIENTATION, 1) != 1
    except Exception:  # a broken EXIF block says nothing of the pixels
        return picture
    return ImageOps.exif_transpose(picture) if turned else picture


def _rgb(path: Path, picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        levels = np.asarray(picture)
        if levels.min() < 0 or levels.max() > 65535:
            raise InputError(f"{path}: expected 8 or 16 bits a channel, got 32; save it as an 8-bit picture")
        return Image.fromarray(np.asarray((levels.astype(np.uint32) + 128) // 257, np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise InputError(f"{path}: expected 8 or 16 bits a channel, got floats; save it as an 8-bit picture")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(ground, layered).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


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
