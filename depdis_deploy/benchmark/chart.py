"""The figures as a picture: a bar for each row's time, and one for the shares of a video's stages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from depdis_deploy.files import written_whole

from .measure import Row

_WIDTH, _MARGIN, _ROW, _TEXT, _GAP = 1200, 32, 44, 17, 14
_LABELS, _NOTES = 420, 260  # pixels left of the bars and right of them
_GROUND, _INK, _FAINT, _BAR = (255, 255, 255), (28, 30, 34), (128, 132, 138), (52, 110, 176)
_STAGES = {
    "decode": (146, 196, 125), "network": (52, 110, 176), "draw": (240, 178, 84), "encode": (202, 92, 84),
}  # fmt: skip


def draw_chart(rows: Sequence[Row], title: str, path: Path) -> None:
    """Write a PNG of the rows that have a time; those without are listed with their reason."""
    timed = [row for row in rows if row.ms is not None]
    filmed = [row for row in timed if row.video is not None]
    untimed = [row for row in rows if row.ms is None]
    height = 2 * _MARGIN + _ROW * (2 + len(timed) + (2 + len(filmed) if filmed else 0) + len(untimed))
    picture = Image.new("RGB", (_WIDTH, height), _GROUND)
    pen = ImageDraw.Draw(picture)
    top = _heading(pen, _MARGIN, title)
    top = _heading(pen, top, "milliseconds an image (labels equal to fp32)", faint=True)
    longest = max((row.ms or 0.0 for row in timed), default=1.0)
    for row in timed:
        assert row.ms is not None
        _label(pen, top, row.candidate.label)
        right = _bar(pen, top, 0.0, row.ms / longest, _BAR)
        equal = f"  ({row.agreement.labels_equal:.2%})" if row.agreement else ""
        _text(pen, right + _GAP, top, f"{row.ms:.1f} ms, {1000 / row.ms:.0f} FPS{equal}", _INK)
        top += _ROW
    if filmed:
        top = _legend(pen, top + _ROW // 2)
        for row in filmed:
            top = _shares(pen, top, row)
        top += _ROW // 2
    for row in untimed:
        text = f"{row.candidate.label}: {row.status}" + (f", {row.reason}" if row.reason else "")
        _text(pen, _MARGIN, top, _cut(text, _WIDTH - 2 * _MARGIN), _FAINT)
        top += _ROW
    with written_whole(path) as temporary:
        picture.save(temporary)


def _shares(pen: ImageDraw.ImageDraw, top: int, row: Row) -> int:
    assert row.video is not None
    _label(pen, top, row.candidate.label)
    start, right = 0.0, 0
    for name, share in row.video.shares().items():
        right = _bar(pen, top, start, start + share, _STAGES[name])
        start += share
    _text(pen, right + _GAP, top, f"{row.video.fps:.1f} frames/s", _INK)
    return top + _ROW


def _legend(pen: ImageDraw.ImageDraw, top: int) -> int:
    _text(pen, _MARGIN, top, "a video's stages, shares of their sum", _FAINT)
    left = _MARGIN + _LABELS
    for name, colour in _STAGES.items():
        pen.rectangle((left, top + 8, left + 20, top + 28), fill=colour)
        _text(pen, left + 28, top, name, _INK)
        left += 130
    return top + _ROW


def _heading(pen: ImageDraw.ImageDraw, top: int, text: str, *, faint: bool = False) -> int:
    _text(pen, _MARGIN, top, _cut(text, _WIDTH - 2 * _MARGIN), _FAINT if faint else _INK)
    return top + _ROW


def _label(pen: ImageDraw.ImageDraw, top: int, text: str) -> None:
    _text(pen, _MARGIN, top, _cut(text, _LABELS - _GAP), _INK)


def _bar(pen: ImageDraw.ImageDraw, top: int, start: float, end: float, colour: tuple[int, int, int]) -> int:
    """From `start` to `end`, shares of the bars' room; returns the pixel where it ends."""
    room = _WIDTH - 2 * _MARGIN - _LABELS - _NOTES
    left, right = (_MARGIN + _LABELS + round(share * room) for share in (start, end))
    if right > left:
        pen.rectangle((left, top + 6, right - 1, top + _ROW - 12), fill=colour)
    return right


def _text(pen: ImageDraw.ImageDraw, left: int, top: int, text: str, colour: tuple[int, int, int]) -> None:
    pen.text((left, top + _ROW // 2 - 3), text, colour, _font(), anchor="lm")


def _cut(text: str, width: int) -> str:
    """The text, cut to as many pixels."""
    if _font().getlength(text) <= width:
        return text
    while text and _font().getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TEXT)  # comes with Pillow, so it looks alike everywhere
