"""The report's diagrams: bars by class, confusion matrix, reliability, joint spaces, colour scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from depdis_deploy.colours import DEPTH_TICKS_M, depth_position, scale_table

from .svg import circle, drawing, hex_colour, line, rect, text

Colours = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Series:
    """A model's figures by class, in %: None where a class has none; intervals: (low, high) or None."""

    title: str
    values: Sequence[float | None]
    intervals: Sequence[Sequence[float] | None]


def class_bars(names: Sequence[str], palette: Colours, series: Sequence[Series]) -> str:
    """A group of bars for each class, a bar for each model, with whiskers for the intervals."""
    left, right, top, bar = 128, 940, 26, 15 if len(series) < 3 else 13
    group = bar * len(series) + 9
    bottom = top + group * len(names)
    parts = []
    for tick in range(0, 101, 20):
        across = left + (right - left) * tick / 100
        parts += [line(across, top - 6, across, bottom), text(across, top - 12, f"{tick}", "tick", "middle")]
    for place, name in enumerate(names):
        begin = top + place * group
        middle = begin + bar * len(series) / 2
        parts.append(rect(left - 18, middle - 5, 10, 10, "swatch", fill=hex_colour(palette[place]), radius=2))
        parts.append(text(left - 26, middle + 4, name, "label", "end"))
        for number, one in enumerate(series):
            parts += _bar(one, place, number, (left, right), begin + number * bar, bar - 3)
    return drawing(right + 60, bottom + 4, parts, label="IoU of each class in per cent")


def _bar(one: Series, place: int, number: int, span: tuple[int, int], top: float, thick: float) -> list[str]:
    value, (left, right) = one.values[place], span
    scale, middle = (right - left) / 100, top + thick / 2
    if value is None:
        return [text(left + 6, middle + 4, "not in this set", "tick")]
    interval = one.intervals[place]
    hint = f"{one.title}: {value:.1f} %" + (f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else "")
    parts = [rect(left, top, scale * value, thick, f"series-{number}", radius=2, hint=hint)]
    end = left + scale * value
    if interval:
        low, high = (left + scale * edge for edge in interval)
        parts.append(line(low, middle, high, middle, "whisker"))
        parts += [line(edge, middle - 3, edge, middle + 3, "whisker") for edge in (low, high)]
        end = max(end, high)
    return [*parts, text(end + 6, middle + 4, f"{value:.1f}", "value")]


def confusion_map(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """Where the pixels of each true class (a row) went, in % of the row; the diagonal is what was found."""
    counts = np.asarray(confusion, np.float64)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.full(counts.shape, np.nan), where=rows > 0)
    wide, high, left, top = min(64.0, 840 / len(names)), 32, 118, 100
    parts = [text(left, 14, "predicted as", "tick"), text(left - 12, top - 10, "true class", "tick", "end")]
    for place, name in enumerate(names):
        middle = top + place * high + high / 2
        parts.append(text(left - 10, middle + 4, name, "label", "end"))
        parts.append(text(left + place * wide + wide / 2 + 3, top - 8, name, "label", turned=-50))
        if np.isnan(shares[place]).all():
            parts.append(text(left + 8, middle + 4, "not in this set", "tick"))
            continue
        for column, share in enumerate(shares[place]):
            hint = f"{name}: {100 * share:.2f} % predicted as {names[column]}"
            box = (left + column * wide, top + place * high, wide - 2, high - 2)
            parts += _cell(box, share, "found" if column == place else "mistaken", hint)
    label = "Confusion matrix: rows are true classes, in per cent of each row"
    return drawing(left + wide * len(names) + 60, top + high * len(names) + 4, parts, label=label)


def _cell(box: tuple[float, float, float, float], share: float, kind: str, hint: str) -> list[str]:
    x, y, width, height = box
    parts = [rect(*box, "cell", radius=3)]
    if share >= 0.0005:
        opacity = 0.06 + 0.94 * share**0.7
        parts.append(f'<g opacity="{opacity:.2f}">{rect(*box, kind, radius=3)}</g>')
    if share >= 0.005:
        ink = "on-fill" if share > 0.45 else "value"
        parts.append(text(x + width / 2, y + height / 2 + 4, f"{100 * share:.0f}", f"{ink} small", "middle"))
    return [*parts, rect(*box, "clear", hint=hint)]


def reliability(bins: Sequence[dict[str, Any]], error: float) -> str:
    """Accuracy by confidence, the gap to what was promised, and below how many pixels are that sure."""
    left, top, side, strip = 52, 16, 300, 52
    base = top + side
    parts = []
    for tick in (0, 25, 50, 75, 100):
        offset = side * tick / 100
        parts += [line(left, base - offset, left + side, base - offset)]
        parts.append(text(left - 8, base - offset + 4, f"{tick}", "tick", "end"))
        parts.append(text(left + offset, base + strip + 34, f"{tick}", "tick", "middle"))
    most = max((one["pixels"] for one in bins), default=1)
    total = sum(one["pixels"] for one in bins)
    for one in bins:
        x, width = left + side * one["from"], side * (one["to"] - one["from"]) - 2
        hint = (
            f"confidence {100 * one['from']:.0f} to {100 * one['to']:.0f} %: "
            f"{100 * one['accuracy']:.1f} % right, {100 * one['pixels'] / total:.1f} % of the pixels"
        )
        right, sure = side * one["accuracy"], side * one["confidence"]
        parts.append(rect(x + 1, base - right, width, right, "series-0", hint=hint))
        upper = max(right, sure)
        parts.append(rect(x + 1, base - upper, width, upper - min(right, sure), "gap", hint=hint))
        tall = strip * one["pixels"] / most
        parts.append(rect(x + 1, base + 18 + strip - tall, width, tall, "plain", hint=hint))
    parts.append(line(left, base, left + side, top, "promise"))
    parts.append(text(left + 12, top + 20, f"calibration error {error:.1f} %", "label strong"))
    parts.append(text(14, top + side / 2, "right, % of the pixels", "tick", "middle", turned=-90))
    parts.append(text(left + side / 2, base + strip + 54, "confidence, %", "tick", "middle"))
    parts.append(text(left + side + 8, base + 18 + strip, "pixels", "tick"))
    return drawing(left + side + 60, base + strip + 62, parts, label="Reliability diagram")


def scatter(
    points: Sequence[Sequence[float]], classes: Sequence[int], names: Sequence[str], palette: Colours
) -> str:
    """Points of the plane by class."""
    side, pad = 470, 14
    places = np.asarray(points, np.float64)
    low, span = places.min(axis=0), np.maximum(np.ptp(places, axis=0), 1e-9)
    where = pad + (places - low) / span * (side - 2 * pad)
    parts = [rect(0, 0, side, side, "ground", radius=8)]
    parts += [
        circle(x, y, 3.2, "dot", fill=hex_colour(palette[label]), hint=names[label])
        for (x, y), label in zip(where, classes, strict=True)
    ]
    return drawing(side, side, parts, label="t-SNE of target pixels, coloured by true class")


def colour_scale(kind: str) -> str:
    """The colours of `depth` in metres, or of `density`, 0 to 1."""
    width, height, pad = 360, 14, 16
    table = scale_table(kind)[:, 0]
    stops = [table[round(255 * place / 23)] for place in range(24)]
    step = width / len(stops)
    parts = [
        rect(pad + place * step, 0, step + 0.6, height, fill=hex_colour(colour))
        for place, colour in enumerate(stops)
    ]
    if kind == "depth":
        ticks = [(depth_position(metres), f"{metres} m") for metres in DEPTH_TICKS_M]
    else:
        ticks = [(0.0, "0 unusual"), (0.5, "0.5"), (1.0, "1 usual")]
    for share, words in ticks:
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        at = pad + share * width
        parts.append(text(at, height + 16, words, "tick", anchor))
    return drawing(width + 2 * pad, height + 22, parts, label=f"Colours of {kind}")
