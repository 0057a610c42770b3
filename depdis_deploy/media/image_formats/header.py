"""What an image's header states, and the error for an image that is rejected by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


class BadImageError(ValueError):
    """An image that is damaged or too costly to decode. The message does not name the file."""


@dataclass(frozen=True)
class Header:
    """Header of an image whose decoding cost is bounded by its pixels and its bytes.

    Args:
        size: (width, height) in pixels as stored; None where only the decoder finds out.
        open: Returns the image, whose pixels Pillow decodes on `load`.
        orientation: EXIF orientation, 1 to 8; None where only the decoder finds out.
        animated: Whether the file holds more than one frame.
        block: Bytes that the decoder is given at a time.
    """

    size: tuple[int, int] | None
    open: Callable[[], Image.Image]
    orientation: int | None = 1
    animated: bool = False
    block: int = 65536


def at_most(count: int, most: int, what: str, fix: str) -> None:
    """Raise BadImageError where `count` of `what` is more than `most`."""
    if count > most:
        raise BadImageError(f"{count:,} {what}, expected at most {most:,}; {fix}")
