"""Pictures of a set's mixtures: where in the input each class is, and how far; and two domains side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from depdis_deploy.colours import coloured, scale_table
from depdis_deploy.taxonomy import Taxonomy

from .comparison import Comparison
from .depth_distribution import DepthDistribution
from .statistics import DEPTH_EDGES_M, ClassDepths

_GROUND, _TILE, _INK, _FAINT, _LINE = (18, 20, 25), (28, 31, 38), (240, 242, 246), (150, 156, 168), (62, 67, 78)
_TEXT, _SMALL, _TITLE, _PAD = 17, 13, 26, 14
_TICKS_M = (2, 5, 10, 20, 50, 100, 655)
_COLUMNS, _TILE_WIDTH, _CURVE_HEIGHT = 4, 340, 78

_SKY_BELOW = 1.6  # inverse depth: 410 m

Canvas = ImageDraw.ImageDraw


def mixtures_picture(
    distribution: DepthDistribution, depths: ClassDepths, taxonomy: Taxonomy, *, title: str,
    size: tuple[int, int],
) -> NDArray[np.uint8]:  # fmt: skip
    """(H, W, 3) RGB: a tile for each class with the map of eq. 5 at its median depth, and its depths.

    Below each map the pixels by depth (bars) and the mixture's marginal (line), both of area 1 over log depth.
    size: (width, height) of the network's input, for the maps' proportions.
    """
    map_width = _TILE_WIDTH - 2 * _PAD
    map_height = min(max(round(map_width * size[1] / size[0]), 90), 260)
    tile_height = _PAD + 24 + 20 + map_height + 12 + _CURVE_HEIGHT + 26
    rows = math.ceil(len(taxonomy) / _COLUMNS)
    columns = min(_COLUMNS, len(taxonomy))
    sheet = Image.new(
        "RGB", (_PAD + columns * (_TILE_WIDTH + _PAD), 96 + rows * (tile_height + _PAD) + 44), _GROUND
    )
    pen = ImageDraw.Draw(sheet)
    _write(pen, _PAD + 4, 34, title, _TITLE)
    _write(
        pen, _PAD + 4, 66,
        "Maps: density of eq. 5 over the input at the class's median depth (given beside its share of pixels). "
        "Below: how far its pixels are (bars) and the mixture (line), in metres.", _TEXT, _FAINT,
    )  # fmt: skip
    medians, shares = depths.median_m(), depths.pixels / max(1, depths.pixels.sum())
    for index, name in enumerate(taxonomy.names):
        left = _PAD + index % _COLUMNS * (_TILE_WIDTH + _PAD)
        top = 92 + index // _COLUMNS * (tile_height + _PAD)
        pen.rounded_rectangle((left, top, left + _TILE_WIDTH, top + tile_height), 8, fill=_TILE)
        _swatch(pen, left + _PAD, top + 21, taxonomy.palette[index])
        _write(pen, left + _PAD + 24, top + 21, name, _TEXT)
        seen = np.isfinite(medians[index])
        note = f"{_metres(medians[index])}   {_share(shares[index])}" if seen else "no pixels"
        _write(pen, left + _TILE_WIDTH - _PAD, top + 21, note, _TEXT, _FAINT, "r")
        across, down = left + _PAD, top + 44
        if seen:
            density = _density_map(distribution, index, medians[index])
            picture = Image.fromarray(coloured((density * 255).astype(np.uint8), scale_table("density")))
            sheet.paste(picture.resize((map_width, map_height), Image.Resampling.BICUBIC), (across, down))
        else:
            pen.rectangle((across, down, across + map_width - 1, down + map_height - 1), fill=_GROUND)
        box = (across, down + map_height + 12, across + map_width, down + map_height + 12 + _CURVE_HEIGHT)
        _draw_depths(
            sheet, box, _histogram(depths, index), _marginal(distribution, index), taxonomy.palette[index]
        )
    _draw_scale(sheet, sheet.height - 38)
    return np.asarray(sheet)


def comparison_picture(comparison: Comparison, taxonomy: Taxonomy, *, title: str, verdict: str) -> (
    NDArray[np.uint8]
):  # fmt: skip
    """(H, W, 3) RGB: the matrix of divergences and, for each class, its own beside those to the others."""
    count, cell = len(taxonomy), 46
    names = max(_font(_TEXT).getlength(name) for name in taxonomy.names)
    left, top = round(names) + 62, 210
    bars_left = left + count * cell + 60
    width = bars_left + 470
    lines = _wrapped(verdict, width - 2 * _PAD, _TEXT)
    sheet = Image.new("RGB", (width, top + count * cell + 64 + 24 * len(lines)), _GROUND)
    pen = ImageDraw.Draw(sheet)
    _write(pen, _PAD + 4, 34, title, _TITLE)
    _write(
        pen, _PAD + 4, 66,
        "Jensen-Shannon divergence of class-wise mixtures over column, row and inverse depth, in bits: "
        "0 the same, 1 nothing in common.", _TEXT, _FAINT,
    )  # fmt: skip
    _draw_matrix(sheet, comparison.joint, taxonomy, (left, top, cell))
    _draw_bars(pen, comparison, (bars_left, top, cell, width - _PAD - 60))
    for number, line in enumerate(lines):
        _write(pen, _PAD + 4, top + count * cell + 40 + 24 * number, line, _TEXT)
    return np.asarray(sheet)


def _draw_matrix(
    sheet: Image.Image, matrix: NDArray[np.float64], taxonomy: Taxonomy, place: tuple[int, int, int]
) -> None:
    left, top, cell = place
    pen = ImageDraw.Draw(sheet)
    _write(pen, left, 100, "target's class", _SMALL, _FAINT)
    _write(pen, left - 10, top - 14, "source's class", _SMALL, _FAINT, "r")
    table = scale_table("density")[:, 0]
    for row, name in enumerate(taxonomy.names):
        middle = top + row * cell + cell // 2
        _write(pen, left - 34, middle, name, _TEXT, anchor="r")
        _swatch(pen, left - 26, middle, taxonomy.palette[row])
        _slanted(sheet, left + row * cell + cell // 2, top - 8, name)
        for column in range(len(taxonomy)):
            value = matrix[row, column]
            box = (
                left + column * cell,
                top + row * cell,
                left + (column + 1) * cell - 2,
                top + (row + 1) * cell - 2,
            )
            if not np.isfinite(value):
                pen.rectangle(box, fill=_TILE)
                continue
            shade = tuple(int(level) for level in table[round(255 * (1 - value))])
            pen.rectangle(box, fill=shade)
            dark = sum(shade) < 330
            ink = _INK if dark else (16, 18, 22)
            _write(
                pen,
                (box[0] + box[2]) // 2,
                middle - 1,
                f"{value:.2f}"[1:] if value < 1 else "1",
                _SMALL,
                ink,
                "m",
            )
            if row == column:
                pen.rectangle(box, outline=_INK, width=2)


def _draw_bars(pen: Canvas, comparison: Comparison, place: tuple[int, int, int, int]) -> None:
    """For each class: its divergence between the domains, and the span and mean of those to other classes."""
    left, top, cell, right = place
    bottom = top + len(comparison.joint) * cell
    same, different = comparison.same(), comparison.different()

    def at(value: float) -> float:
        return left + value * (right - left)

    for tick in (0, 0.25, 0.5, 0.75, 1):
        pen.line((at(tick), top, at(tick), bottom), fill=_LINE)
        _write(pen, round(at(tick)), bottom + 14, f"{tick:g}", _SMALL, _FAINT, "m")
    own, others = (94, 201, 98), (150, 156, 168)
    pen.rectangle((left, top - 62, left + 22, top - 52), fill=own)
    _write(pen, left + 32, top - 57, "the same class in the target", _TEXT)
    pen.line((left, top - 29, left + 22, top - 29), fill=others, width=3)
    pen.ellipse((left + 6, top - 34, left + 16, top - 24), fill=others)
    _write(pen, left + 32, top - 29, "other classes there: least to most, mean", _TEXT)
    for row in range(len(same)):
        middle = top + row * cell + cell // 2
        row_of_others = np.delete(comparison.joint[row], row)
        if not np.isfinite(same[row]) or not np.isfinite(different[row]):
            _write(pen, left + 8, middle, "not in both domains", _SMALL, _FAINT)
            continue
        pen.rounded_rectangle((left, middle - 13, max(at(same[row]), left + 2), middle - 2), 2, fill=own)
        ends = at(np.nanmin(row_of_others)), at(np.nanmax(row_of_others))
        pen.line((ends[0], middle + 8, ends[1], middle + 8), fill=others, width=3)
        mean = at(different[row])
        pen.ellipse((mean - 5, middle + 3, mean + 5, middle + 13), fill=others)
        _write(pen, right + 12, middle - 8, f"{same[row]:.2f}", _SMALL, own)
        _write(pen, right + 12, middle + 8, f"{different[row]:.2f}", _SMALL, others)


def _density_map(distribution: DepthDistribution, index: int, depth_m: float) -> NDArray[np.float32]:
    """(h, w) in 0..1: eq. 5's map were the whole input of this class at this depth."""
    assert distribution.grid is not None
    labels = torch.full((1, *distribution.grid), index)
    z = torch.full((1, *distribution.grid), 65536 / (100 * depth_m + 1))
    return np.asarray(distribution.density(labels, z)[0].numpy() / 255, np.float32)


def _marginal(distribution: DepthDistribution, index: int) -> NDArray[np.float64]:
    """(bins,) the probability of each bin of DEPTH_EDGES_M by the mixture's marginal over inverse depth.

    What reaches beyond the sky is left out, except of the sky's own components.
    """
    z = 65536 / (100 * DEPTH_EDGES_M + 1)
    deviation = np.sqrt(np.maximum(distribution.variances[index, :, 2], distribution.variance_floor))
    shares = np.zeros(len(z) - 1)
    for weight, mean, spread in zip(
        distribution.weights[index], distribution.means[index, :, 2], deviation, strict=True
    ):
        below = np.array([0.5 * math.erfc((mean - value) / (spread * math.sqrt(2))) for value in z])
        shares += weight * (below[:-1] - below[1:])
        if mean < _SKY_BELOW:
            shares[-1] += weight * below[-1]
    return shares


def _histogram(depths: ClassDepths, index: int) -> NDArray[np.float64]:
    return np.asarray(depths.counts[index] / max(1, depths.counts[index].sum()), np.float64)


def _draw_depths(
    sheet: Image.Image, box: tuple[int, int, int, int], shares: NDArray[np.float64],
    marginal: NDArray[np.float64], colour: tuple[int, int, int],
) -> None:  # fmt: skip
    left, top, right, bottom = box
    pen = ImageDraw.Draw(sheet)
    span = math.log(DEPTH_EDGES_M[-1] / DEPTH_EDGES_M[0])
    for tick in _TICKS_M:
        across = left + round(math.log(tick / DEPTH_EDGES_M[0]) / span * (right - left - 1))
        pen.line((across, top, across, bottom), fill=_LINE)
        _write(pen, across, bottom + 13, "sky" if tick == _TICKS_M[-1] else str(tick), _SMALL, _FAINT, "m")
    # three bins a bar, as wide as what the eye separates
    bars = shares[: len(shares) // 3 * 3].reshape(-1, 3).sum(axis=1)
    line = marginal[: len(marginal) // 3 * 3].reshape(-1, 3).sum(axis=1)
    highest = max(float(bars.max()), 1e-9)
    edges = np.linspace(left, right, len(bars) + 1)
    fill = tuple(round(0.55 * level + 0.45 * ground) for level, ground in zip(_lit(colour), _TILE, strict=True))
    for number, value in enumerate(bars):
        if value > 0:
            height = round(value / highest * (bottom - top))
            pen.rectangle((edges[number], bottom - max(height, 1), edges[number + 1] - 1, bottom), fill=fill)
    points = [
        ((edges[number] + edges[number + 1]) / 2, bottom - min(value / highest, 1) * (bottom - top))
        for number, value in enumerate(line)
    ]
    pen.line(points, fill=_INK, width=2, joint="curve")
    pen.line((left, bottom, right, bottom), fill=_FAINT)


def _draw_scale(sheet: Image.Image, top: int) -> None:
    pen = ImageDraw.Draw(sheet)
    bar = Image.fromarray(np.ascontiguousarray(scale_table("density").reshape(1, 256, 3))).resize((320, 14))
    _write(pen, _PAD + 4, top + 8, "unusual here", _SMALL, _FAINT)
    left = _PAD + 96
    sheet.paste(bar, (left, top))
    _write(pen, left + 332, top + 8, "usual here", _SMALL, _FAINT)


def _lit(colour: tuple[int, int, int]) -> tuple[int, ...]:
    """A class's colour, bright enough to stand on the dark ground."""
    lift = max(0.0, 0.5 - max(colour) / 510)
    return tuple(round(level + lift * (255 - level)) for level in colour)


def _metres(depth_m: float) -> str:
    if depth_m > 600:
        return "sky"
    return f"{depth_m:.1f} m" if depth_m < 20 else f"{depth_m:.0f} m"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"


def _swatch(pen: Canvas, left: int, middle: int, colour: tuple[int, int, int]) -> None:
    pen.rounded_rectangle((left, middle - 7, left + 14, middle + 7), 3, fill=colour, outline=(215, 218, 224))


def _slanted(sheet: Image.Image, middle: int, bottom: int, text: str) -> None:
    """Text that rises to the right from (middle, bottom)."""
    font = _font(_TEXT)
    card = Image.new("L", (round(font.getlength(text)) + 4, 24), 0)
    ImageDraw.Draw(card).text((0, 18), text, 255, font, anchor="ls")
    turned = card.rotate(50, Image.Resampling.BICUBIC, expand=True)
    sheet.paste(Image.new("RGB", turned.size, _INK), (middle - 8, bottom - turned.height + 4), turned)


def _wrapped(text: str, width: int, size: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _font(size).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _write(
    pen: Canvas, x: int, middle: int, text: str, size: int, ink: Sequence[int] = _INK, anchor: str = "l"
) -> None:
    """Text whose capitals are centred on `middle`."""
    font = _font(size)
    rise = -font.getbbox("M", anchor="ls")[1]
    pen.text((x, middle + round(rise / 2)), text, tuple(ink), font, anchor=f"{anchor}s")
