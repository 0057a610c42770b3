"""Titles, class legends and colour bars: drawn once by Pillow, then laid over each frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .colours import DEPTH_TICKS_M, FARTHEST_M, depth_position, scale_table
from .taxonomy import Taxonomy

_GROUND = (16, 18, 22, 176)
_INK = (245, 246, 248, 255)
_SMALLEST_TEXT = 9
_SMALLEST_TILE = (144, 96)
_MOST_OF_TILE = 0.4  # of a tile's height for a legend


@dataclass(frozen=True)
class Patch:
    """A translucent drawing: what it adds (its colours times its opacity) and what it lets through, uint8."""

    adds: NDArray[np.uint8]
    passes: NDArray[np.uint8]


def draw(tile: NDArray[np.uint8], patch: Patch | None, *, bottom: bool) -> None:
    """Lay a patch over the tile's top left or bottom left, in place; None draws nothing."""
    if patch is None:
        return
    height, width = patch.adds.shape[:2]
    part = tile[tile.shape[0] - height :, :width] if bottom else tile[:height, :width]
    cv2.add(cv2.multiply(part, patch.passes, scale=1 / 255), patch.adds, dst=part)


def text_size(width: int, height: int) -> int | None:
    """The font size in pixels for a tile; None where it is too small for text."""
    if width < _SMALLEST_TILE[0] or height < _SMALLEST_TILE[1]:
        return None
    return max(_SMALLEST_TEXT, round(min(width / 52, height / 26)))


@lru_cache(maxsize=32)
def title(text: str, width: int, height: int) -> Patch | None:
    """A tag with the tile's name."""
    size = text_size(width, height)
    if size is None:
        return None
    font = _font(size)
    card = _card(min(width, round(font.getlength(text)) + 2 * _pad(size)), size + 2 * _half_pad(size))
    _write(card, _pad(size), card.height // 2, text, size, "lm")
    return _patch(card)


@lru_cache(maxsize=16)  # 6 MB each on a 4K picture, and a long film has many sets of classes
def class_legend(taxonomy: Taxonomy, present: tuple[int, ...], width: int, height: int) -> Patch | None:
    """The names and colours of the classes `present`, in rows along the bottom of a width x height tile."""
    size = text_size(width, height)
    if size is None or not present:
        return None
    rows = _flow(taxonomy, present, width, size)
    while _rows_height(len(rows), size) > _MOST_OF_TILE * height and size > _SMALLEST_TEXT:
        size -= 1
        rows = _flow(taxonomy, present, width, size)
    while len(rows) > 1 and _rows_height(len(rows), size) > _MOST_OF_TILE * height:
        rows.pop()  # better some names than a tile without its picture
    card = _card(width, _rows_height(len(rows), size))
    pen = ImageDraw.Draw(card)
    for line, row in enumerate(rows):
        middle = _half_pad(size) + round((line + 0.5) * 1.4 * size)
        for left, index in row:
            edge = round(0.8 * size)
            box = (left, middle - edge // 2, left + edge, middle - edge // 2 + edge)
            pen.rounded_rectangle(
                box, max(1, size // 6), fill=taxonomy.palette[index], outline=(255, 255, 255, 130)
            )
            _write(card, left + round(1.15 * size), middle, taxonomy.names[index], size, "lm")
    return _patch(card)


@lru_cache(maxsize=32)
def bar_legend(kind: str, width: int, height: int) -> Patch | None:
    """The colour bar of `depth` (metres, logarithmic) or `density` (0 to 1), with its ticks and unit."""
    size = text_size(width, height)
    if size is None:
        return None
    pad, bar = _pad(size), round(0.7 * size)
    card = _card(width, round(_half_pad(size) * 2 + bar + 1.35 * size))
    unit = "metres" if kind == "depth" else "unusual to usual"
    room = round(_font(size).getlength(unit)) + 2 * pad
    left, right = pad + size // 2, width - (room if width > 3 * room else pad) - size
    colours = cv2.resize(scale_table(kind).reshape(1, 256, 3), (right - left, bar))
    top = _half_pad(size)
    card.paste(Image.fromarray(colours), (left, top))
    pen = ImageDraw.Draw(card)
    free_from = 0.0
    for share, text in _ticks(kind):
        across = left + share * (right - left - 1)
        half = _font(size).getlength(text) / 2
        pen.line((across, top + bar, across, top + bar + size // 5), fill=_INK, width=max(1, size // 12))
        if across - half >= free_from:
            _write(card, round(across), top + bar + round(0.8 * size), text, size, "mm")
            free_from = across + half + size / 3
    if width > 3 * room:
        _write(card, width - pad, top + bar // 2 + size // 8, unit, size, "rm")
    return _patch(card)


def _ticks(kind: str) -> list[tuple[float, str]]:
    if kind == "depth":
        return [(depth_position(m), f"{m}+" if m == FARTHEST_M else str(m)) for m in DEPTH_TICKS_M]
    return [(share, f"{share:g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]


def _flow(taxonomy: Taxonomy, present: tuple[int, ...], width: int, size: int) -> list[list[tuple[int, int]]]:
    """(left edge, class) of each entry, row by row."""
    rows: list[list[tuple[int, int]]] = []
    font, left = _font(size), width + 1
    for index in present:
        needs = round(1.15 * size + font.getlength(taxonomy.names[index]))
        if left + needs > width - _pad(size):
            rows.append([])
            left = _pad(size)
        rows[-1].append((left, index))
        left += needs + round(0.9 * size)
    return rows


def _rows_height(rows: int, size: int) -> int:
    return round(2 * _half_pad(size) + rows * 1.4 * size)


def _pad(size: int) -> int:
    return round(0.7 * size)


def _half_pad(size: int) -> int:
    return max(2, round(0.4 * size))


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # comes with Pillow, so it looks alike everywhere


def _card(width: int, height: int) -> Image.Image:
    return Image.new("RGBA", (max(1, width), max(1, height)), _GROUND)


def _write(card: Image.Image, x: int, y: int, text: str, size: int, anchor: str) -> None:
    # An "M" stands for the line's middle, so that descenders do not lift some words above others.
    font = _font(size)
    top, bottom = font.getbbox("M", anchor="ls")[1], 0
    baseline = y + round((bottom - top) / 2)
    ImageDraw.Draw(card).text((x, baseline), text, _INK, font, anchor=anchor[0] + "s")


def _patch(card: Image.Image) -> Patch:
    values = np.asarray(card, np.float32)
    opacity = values[..., 3:] / 255
    adds = np.round(values[..., :3] * opacity).astype(np.uint8)
    passes = np.repeat(np.round(255 * (1 - opacity)), 3, axis=2).astype(np.uint8)
    return Patch(adds, passes)
