"""The diagrams that an evaluation has, each made of its metrics; empty text where there is nothing to draw."""

from __future__ import annotations

from depdis_training.figure_names import class_name

from .charts import Series, class_bars, confusion_map, reliability, scatter
from .reading import Metrics, main_titles

# As in style.css; more bars a class would be too thin to compare.
SERIES_COLOURS = ("accent", "second", "third", "fourth")
MOST_SERIES = len(SERIES_COLOURS)


def bars(metrics: Metrics) -> str:
    """IoU by class of the first main rows."""
    series = []
    for title in main_titles(metrics)[:MOST_SERIES]:
        row = metrics["rows"][title]
        keys = [class_name(name) for name in row["classes"]]
        series.append(
            Series(title, [row["figures"][key] for key in keys], [row["intervals"].get(key) for key in keys])
        )
    return class_bars(metrics["set"]["classes"], metrics["set"]["palette"], series)


def confusion(metrics: Metrics) -> str:
    """Of the first main row."""
    row = metrics["rows"][main_titles(metrics)[0]]
    return confusion_map(row["classes"], row["confusion"])


def reliability_of(metrics: Metrics) -> str:
    """Of the first main row."""
    row = metrics["rows"][main_titles(metrics)[0]]
    if not row["reliability"]:
        return ""
    return reliability(row["reliability"], row["figures"]["calibration error ECE (%)"])


def spaces(metrics: Metrics) -> list[str]:
    """A map of each joint space."""
    found = metrics["joint_space"]
    of = metrics["set"]
    if found is None:
        return []
    return [scatter(one["points"], found["classes"], of["classes"], of["palette"]) for one in found["spaces"]]
