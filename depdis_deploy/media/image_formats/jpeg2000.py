"""JPEG 2000. Only some of the cost shows in the header, so that it is decoded in a worker process alone."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .header import BadImageError, Header, at_most

if TYPE_CHECKING:
    from PIL import Image

SIGNATURES = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a")
MOST_TILES = 4096  # the decoder takes 6 KB for each before it decodes any
MOST_COMPONENTS = 4
_FIX = "save it as PNG or JPEG"


def read_header(data: bytes) -> Header:
    """Read the size, the tiles and the components.

    Raises:
        BadImageError: The file is damaged, or has too many tiles or components.
    """
    start = data.find(SIGNATURES[0]) + 4
    if start < 4 or start + 38 > len(data):
        raise BadImageError(f"damaged image (no complete SIZ segment); {_FIX}")
    xsiz, ysiz, left, top, across, down, tile_left, tile_top = (
        int.from_bytes(data[at : at + 4], "big") for at in range(start + 4, start + 36, 4)
    )
    if not across * down:
        raise BadImageError(f"damaged image (tiles of {across}x{down} pixels); {_FIX}")
    tiles = -(-max(0, xsiz - tile_left) // across) * -(-max(0, ysiz - tile_top) // down)
    at_most(tiles, MOST_TILES, "tiles", _FIX)
    at_most(int.from_bytes(data[start + 36 : start + 38], "big"), MOST_COMPONENTS, "components", _FIX)

    def opened() -> Image.Image:
        from PIL import Jpeg2KImagePlugin

        return Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(data))

    return Header((max(0, xsiz - left), max(0, ysiz - top)), opened)
