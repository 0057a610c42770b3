"""A report's pictures as bytes: each map for the page, and a sheet of an example's maps for Markdown."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.legends import draw, title
from depdis_training.gallery import Example, Tile

_QUALITY = 86
SHEET_COLUMNS = 4


def data_uri(tile: Tile) -> str:
    """The tile inside an address: labels as PNG, whose colours mean something, all else as JPEG."""
    kind = "png" if tile.kind == "labels" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(encoded(tile.image, kind)).decode()}"


def encoded(image: NDArray[np.uint8], kind: str) -> bytes:
    """(H, W, 3) uint8 RGB as the bytes of a png or jpeg."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if kind == "jpeg" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    return cv2.imencode(f".{kind}", np.ascontiguousarray(image[..., ::-1]), settings)[1].tobytes()


def sheet(example: Example) -> bytes:
    """All maps of an example in rows of up to SHEET_COLUMNS, each with its name on it, as JPEG."""
    tiles = [_named(tile) for tile in example.tiles]
    blank = np.zeros_like(tiles[0])
    columns = min(SHEET_COLUMNS, len(tiles))
    rows: Sequence[list[NDArray[np.uint8]]] = [tiles[at : at + columns] for at in range(0, len(tiles), columns)]
    whole = [np.concatenate([*row, *[blank] * (columns - len(row))], axis=1) for row in rows]
    return encoded(np.concatenate(whole), "jpeg")


def _named(tile: Tile) -> NDArray[np.uint8]:
    image = tile.image.copy()
    draw(image, title(tile.title, 2 * image.shape[1], 2 * image.shape[0]), bottom=False)
    return image
