"""The report in sentences: what its figures say, and what each of them means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from depdis_training.figure_names import (
    BOUNDARY_IOU,
    CALIBRATION_ERROR,
    DENSITY_BY_ROWS,
    DENSITY_ERROR,
    DEPTH_BY_ROWS,
    DEPTH_ERROR,
    FLIPS,
    class_name,
)

from .reading import Metrics, between, main_titles, miou_names, shown, signed, sure

_SMALL_SHARE = 0.0005  # of the set's pixels: of rarer classes a confusion says little


def summary(metrics: Metrics) -> list[str]:
    """What the first model's figures say, then how each other row differs, a sentence or two each."""
    title = main_titles(metrics)[0]
    row = metrics["rows"][title]
    found = [
        _headline(metrics, title, row), _classes(row), _mistake(row), _boundary(metrics, row),
        _calibration(row),
        *_against_rows(row), _flips(row), *_differences(metrics),
    ]  # fmt: skip
    return [sentence for sentence in found if sentence]


def _headline(metrics: Metrics, title: str, row: Mapping[str, Any]) -> str:
    name = miou_names(metrics)[0]
    pictures, classes = metrics["set"]["pictures"], len(row["classes"])
    interval = row["intervals"].get(name)
    level = 100 * metrics["bootstrap"]["level"]
    margin = f" ({level:.0f} % interval over the choice of pictures: {between(interval)})" if interval else ""
    return (
        f"On {pictures} pictures {quoted(title)} reaches a mean IoU of {shown(row['figures'][name])} % over "
        f"{classes} classes{margin}; {shown(row['figures']['pixel accuracy (%)'])} % of the pixels are right."
    )


def _classes(row: Mapping[str, Any]) -> str:
    known = {name: row["figures"][class_name(name)] for name in row["classes"]}
    known = {name: value for name, value in known.items() if value is not None}
    order = sorted(known, key=lambda name: -known[name])
    if len(order) < 4:
        return ""
    best, worst = (
        ", ".join(f"{name} {known[name]:.0f}" for name in some) for some in (order[:3], order[:-4:-1])
    )
    absent = [name for name in row["classes"] if name not in known]
    missing = f" Not in this set, and in no mean: {', '.join(absent)}." if absent else ""
    return f"Best classes: {best}; weakest: {worst}.{missing}"


def _mistake(row: Mapping[str, Any]) -> str:
    """The class that loses most of its pixels to another one."""
    counts = np.asarray(row["confusion"], np.float64)
    rows = counts.sum(axis=1)
    shares = np.divide(
        counts, rows[:, None], out=np.zeros_like(counts), where=rows[:, None] > _SMALL_SHARE * rows.sum()
    )
    np.fill_diagonal(shares, 0)
    true, found = np.unravel_index(int(shares.argmax()), shares.shape)
    if shares[true, found] < 0.02:
        return ""
    return (
        f"The largest single confusion: {100 * shares[true, found]:.0f} % of {row['classes'][true]} is taken "
        f"for {row['classes'][found]}."
    )


def _boundary(metrics: Metrics, row: Mapping[str, Any]) -> str:
    inside, border = row["figures"][miou_names(metrics)[0]], row["figures"][BOUNDARY_IOU]
    if inside is None or border is None or inside <= border:
        return ""
    lost = f"{inside - border:.1f} points less than of whole regions"
    return f"Of borders alone the IoU is {shown(border)} %, {lost}."


def _calibration(row: Mapping[str, Any]) -> str:
    error, bins = row["figures"].get(CALIBRATION_ERROR), row["reliability"]
    if error is None:
        return ""
    pixels = np.array([one["pixels"] for one in bins], np.float64)
    says, is_right = (
        float(np.average([one[key] for one in bins], weights=pixels)) for key in ("confidence", "accuracy")
    )
    if abs(says - is_right) < 0.005:
        side = "right as often as it says on the whole"
    else:
        side = "too sure of itself" if says > is_right else "surer than it says"
    return (
        f"It gives its labels {100 * says:.1f} % confidence and {100 * is_right:.1f} % are right: {side} "
        f"(calibration error {shown(error)} %)."
    )


def _against_rows(row: Mapping[str, Any]) -> list[str]:
    """Depth and density against what a constant per image row gets, which looks at no picture."""
    figures, found = row["figures"], []
    own, blind = figures.get(DEPTH_ERROR), figures.get(DEPTH_BY_ROWS)
    if own is not None and blind is not None:
        verdict = "so it does see distances" if own < 0.9 * blind else "hardly better than that"
        verdict = verdict if own < blind else "worse than that"
        found.append(
            f"Depth is off by {100 * own:.0f} % of the true distance on average; the best constant for each "
            f"image row, which sees nothing, is off by {100 * blind:.0f} %: {verdict}."
        )
    own, blind = figures.get(DENSITY_ERROR), figures.get(DENSITY_BY_ROWS)
    if own is not None and blind is not None:
        verdict = "better than" if own < blind else "no better than"
        found.append(
            f"Density differs by {own:.3f} (of 0 to 1) from that of the true labels and depth, {verdict} the "
            f"best constant for each image row ({blind:.3f})."
        )
    return found


def _flips(row: Mapping[str, Any]) -> str:
    flips = row["figures"].get(FLIPS)
    if flips is None:
        return ""
    return f"Where the truth stands still, a pixel changes its label {flips:.2f} times a second."


def _differences(metrics: Metrics) -> list[str]:
    """Each row with a reference, and whether these pictures can tell them apart."""
    name, found = miou_names(metrics)[0], []
    for title, row in metrics["rows"].items():
        difference = row["difference"]
        if difference is None:
            continue
        value, interval = difference["figures"][name], difference["intervals"].get(name)
        if value is None:
            continue
        margin = f" ({between(interval)})" if interval is not None else ""
        if interval is not None and not sure(interval):
            margin += ": no difference that these pictures can show"
        gap = f"{signed(value)} points of mIoU against {quoted(difference['from'])}"
        found.append(f"{quoted(title)}: {gap}{margin}.")
    return found


def how(metrics: Metrics) -> list[tuple[str, str]]:
    """What each figure is, for a reader who has not met it: (term, explanation)."""
    depth, drawn, rows = metrics["depth"], metrics["bootstrap"], metrics["rows"].values()
    values = {
        "level": f"{100 * drawn['level']:g}", "replicates": drawn["replicates"],
        "band": f"{100 * metrics['boundary']['ratio']:g}", "camera": depth["camera"],
        "cap": "no cap" if depth["cap_m"] is None else f"capped at {depth['cap_m']:g} m",
        "aligned": "not aligned" if depth["align"] == "none" else f"aligned by each picture's {depth['align']}",
    }  # fmt: skip
    there = {
        "always": True, "flips": any(FLIPS in row["figures"] for row in rows),
        "padded": any(row["padded"] for row in rows),
    }  # fmt: skip
    text = (resources.files(__package__) / "terms.json").read_text(encoding="utf-8")
    return [(one["term"], one["text"].format(**values)) for one in json.loads(text) if there[one["when"]]]


def quoted(title: str) -> str:
    """A row's title inside a sentence."""
    return f"\N{LEFT DOUBLE QUOTATION MARK}{title}\N{RIGHT DOUBLE QUOTATION MARK}"


def about_row(row: Mapping[str, Any]) -> str:
    """What is known of a row's model, in a line."""
    about = row["about"]
    parts = [str(about[key]) for key in ("method", "variant") if about.get(key)]
    parts += [
        f"{key} {about[key]}" for key in ("seed", "step", "backbone", "precision", "input") if key in about
    ]
    parts += [str(about["notes"])] if "notes" in about else []
    if "sha256" in about:
        parts.append(f"SHA-256 {about['sha256'][:12]}")
    kinds = {
        "checkpoint": "evaluated as the paper evaluates", "deployed": "labels as its export makes them",
        "exported": "in its engine",
    }  # fmt: skip
    return f"{kinds[row['kind']]}; {', '.join(parts)}"
