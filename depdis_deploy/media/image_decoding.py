"""Bytes of an image file -> RGB pixels. The only module that has Pillow decode an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from depdis_deploy.command import InputError, one_line

from .heif import HEAD_BYTES, HEIC_ERROR, brands_of, is_heic
from .image_files import TooLarge
from .image_formats.header import BadImageError, Header
from .image_formats.table import FORMATS, identify

if TYPE_CHECKING:
    from PIL import Image

ALL = tuple(FORMATS)
# Names of Pillow's operations that undo an EXIF orientation.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
BOUNDED = tuple(name for name, kind in FORMATS.items() if kind.bounded)


def _no_limit(pixels: int) -> None:
    """Decode in this process, whose limits are its own."""


def decode(
    data: bytes,
    name: str,
    *,
    max_pixels: int,
    formats: Sequence[str] = ALL,
    sized: Callable[[int], None] = _no_limit,
) -> Image.Image:
    """Decode an image as RGB, upright.

    EXIF orientation is applied. Transparent pixels are composited on white. 16-bit samples become 8-bit ones.

    Args:
        data: The whole file.
        name: What errors call it.
        max_pixels: Largest width times height, checked before any pixel is decoded.
        formats: Keys of FORMATS that are accepted.
        sized: Called with the number of pixels before they are decoded.

    Raises:
        TooLarge: The image has more pixels.
        InputError: The data are not a single, complete image in one of the formats, or one that is made to be
            costly to decode.
    """
    with _named(name):
        header, image = _opened(data, name, max_pixels, formats, sized)
        image.load()
        return _rgb(_upright(image, header.orientation))


def decode_stored(
    data: bytes,
    name: str,
    *,
    max_pixels: int,
    formats: Sequence[str] = BOUNDED,
    modes: Sequence[str] | None = None,
) -> Image.Image:
    """Decode an image as it is stored, in its own mode and without its orientation; else as `decode`.

    Args:
        data: The whole file.
        name: What errors call it.
        max_pixels: Largest width times height.
        formats: Keys of FORMATS that are accepted.
        modes: Pillow's modes of images that are decoded; any other image is returned without its pixels.
    """
    with _named(name):
        _, image = _opened(data, name, max_pixels, formats, _no_limit)
        if modes is None or image.mode in modes:
            image.load()
        return image


def check(data: bytes, name: str, *, max_pixels: int, formats: Sequence[str] = BOUNDED) -> Header:
    """Return the header of an image whose decoding cost is bounded; errors are those of `decode`."""
    with _named(name):
        kind = identify(data, formats)
        if kind is None:
            if is_heic(brands_of(data[:HEAD_BYTES])):
                raise InputError(f"{name}: {HEIC_ERROR}")
            known = ", ".join(formats)
            raise InputError(f"{name}: not an image in a supported format, expected {known}")
        header = FORMATS[kind].read_header(data)
        if header.size is not None:
            _check_size(header.size, name, max_pixels)
        if header.animated:
            raise _animated(kind, name)
        return header


def _opened(
    data: bytes, name: str, max_pixels: int, formats: Sequence[str], sized: Callable[[int], None]
) -> tuple[Header, Image.Image]:
    header = check(data, name, max_pixels=max_pixels, formats=formats)
    if header.size is not None:
        sized(math.prod(header.size))
    image = header.open()
    _check_size(image.size, name, max_pixels)
    if header.size is None:
        sized(math.prod(image.size))
        if getattr(image, "is_animated", False):
            raise _animated("AVIF", name)
    # Pillow appends blocks to each other until a row is complete: small ones take long for a wide row.
    image.decodermaxblock = header.block  # type: ignore[attr-defined]
    return header, image


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn any error of the block into an InputError that names the image."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except BadImageError as error:
        raise InputError(f"{name}: {error}") from None
    except Exception as error:  # decoders raise whatever the damage leads to
        reason = one_line(error)
        raise InputError(f"{name}: a damaged or unsupported image ({reason}); save it again") from None


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooLarge(
            f"{name}: {width}x{height} is too large, expected at most {max_pixels:,} pixels; scale it down"
        )
    if not width * height:
        raise InputError(f"{name}: {width}x{height} is empty, expected at least 1x1 pixel; save it again")


def _animated(kind: str, name: str) -> InputError:
    path = Path(name)
    return InputError(
        f"{name}: expected a still image, got an animated {kind}; convert it to a video "
        f"(ffmpeg -i {path.name} {path.stem}.mp4)"
    )


def _upright(image: Image.Image, orientation: int | None) -> Image.Image:
    from PIL import Image

    if orientation is None:
        orientation = image.getexif().get(0x0112, 1)
    return image.transpose(Image.Transpose[_TURNS[orientation]]) if orientation in _TURNS else image


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I"):
        import numpy as np

        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 65535:
            raise BadImageError("expected 8 or 16 bits a channel, got 32; save it as an 8-bit image")
        return Image.fromarray(np.asarray((levels.astype(np.uint32) + 128) // 257, np.uint8)).convert("RGB")
    if image.mode == "F":
        raise BadImageError("expected 8 or 16 bits a channel, got floats; save it as an 8-bit image")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(ground, layered).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
