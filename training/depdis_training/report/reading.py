"""What page and Markdown both take from `metrics.json`: rows, tables as text, and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from depdis_training.figure_names import (
    BOUNDARY_IOU,
    CALIBRATION_ERROR,
    DENSITY_ERROR,
    DEPTH_BY_ROWS,
    DEPTH_ERROR,
    FLIPS,
    MEAN_ACCURACY,
    PIXEL_ACCURACY,
    class_name,
    depth_name,
    miou_name,
)
from depdis_training.text_table import aligned

MINUS = "\N{MINUS SIGN}"
# name in `figures`, head of its column, digits
COLUMNS = (
    (PIXEL_ACCURACY, "pixel accuracy", 1), (MEAN_ACCURACY, "mean accuracy", 1),
    (BOUNDARY_IOU, "boundary IoU", 1), (CALIBRATION_ERROR, "ECE", 1),
    (DEPTH_ERROR, "|Rel|", 3), (DENSITY_ERROR, "density error", 3), (FLIPS, "flips / s", 2),
)  # fmt: skip
DEPTH_COLUMNS = (
    ("abs_rel", "|Rel|", 3), ("sq_rel", "Rel\N{SUPERSCRIPT TWO}, m", 2), ("rms", "RMS, m", 2),
    ("rms_log", "LRMS", 3), ("delta1", "\N{GREEK SMALL LETTER DELTA}1", 3),
    ("delta2", "\N{GREEK SMALL LETTER DELTA}2", 3), ("delta3", "\N{GREEK SMALL LETTER DELTA}3", 3),
)  # fmt: skip

Metrics = Mapping[str, Any]


class Cell(NamedTuple):
    """A table's cell: its text, a smaller second line, and whether it is a gain (1), a loss (-1) or neither."""

    text: str
    below: str = ""
    sign: int = 0


class Table(NamedTuple):
    """head: the columns' names; rows: cells; marks: what kind of row each is, or nothing."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    marks: Sequence[str]


def main_titles(metrics: Metrics) -> list[str]:
    """The rows that stand for a model each: neither deployed forms nor padded grids."""
    rows = metrics["rows"]
    return [title for title, row in rows.items() if row["kind"] != "deployed" and not row["padded"]]


def miou_names(metrics: Metrics) -> list[str]:
    """The mean IoU over the set's classes, then over its coarser views."""
    first = next(iter(metrics["rows"].values()))
    return [name for name in first["figures"] if name.startswith("mIoU")]


def shown(value: float | None, digits: int = 1) -> str:
    """A figure as text, a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 1) -> str:
    """A difference as text: its sign before it, and none for what is rounded to nothing."""
    if value is None:
        return "\N{EN DASH}"
    rounded = round(value, digits)
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else "\N{PLUS-MINUS SIGN}"
    return f"{sign}{abs(rounded):.{digits}f}"


def plain(value: float, digits: int) -> str:
    """A figure that may be negative."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS)


def between(interval: Sequence[float] | None, digits: int = 1) -> str:
    """An interval as text; nothing where there is none."""
    if interval is None:
        return ""
    low, high = (plain(edge, digits) for edge in interval)
    return f"{low} to {high}"


def sure(interval: Sequence[float] | None) -> int:
    """1 for a gain that the interval of a difference leaves no doubt of, -1 for such a loss, 0 for neither."""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return 0
    return 1 if interval[0] > 0 else -1


def overview(metrics: Metrics) -> Table:
    """All rows: mIoU with its interval, the difference from the row's reference, and the other figures."""
    names = miou_names(metrics)
    rows = metrics["rows"]
    columns = [column for column in COLUMNS if any(column[0] in row["figures"] for row in rows.values())]
    head = ["", names[0], "difference", *names[1:], *(title for _, title, _ in columns)]
    table = []
    for title, row in rows.items():
        figures, difference = row["figures"], row["difference"]
        cells = [Cell(title), Cell(shown(figures[names[0]]), between(row["intervals"].get(names[0])))]
        if difference is None:
            cells.append(Cell(""))
        else:
            interval = difference["intervals"].get(names[0])
            text = signed(difference["figures"][names[0]])
            cells.append(Cell(text, between(interval), sure(interval)))
        cells += [Cell(shown(figures.get(name))) for name in names[1:]]
        cells += [Cell(shown(figures.get(name), digits)) for name, _, digits in columns]
        table.append(cells)
    return Table(head, table, [""] * len(table))


def by_class(metrics: Metrics) -> Table:
    """Classes downwards: of each main row the IoU, of the first also accuracy and boundary IoU."""
    titles = main_titles(metrics)
    first = metrics["rows"][titles[0]]
    accuracy = "accuracy" if len(titles) == 1 else f"accuracy of {titles[0]}"
    head = [
        "",
        *(f"IoU of {title}" if len(titles) > 1 else "IoU" for title in titles),
        accuracy,
        "boundary IoU",
    ]
    table = []
    for place, name in enumerate(first["classes"]):
        cells = [Cell(name)]
        for title in titles:
            row = metrics["rows"][title]
            key = class_name(name)
            cells.append(Cell(shown(row["figures"][key]), between(row["intervals"].get(key))))
        cells += [Cell(shown(first[key][place])) for key in ("class_accuracy", "class_boundary_iou")]
        table.append(cells)
    return Table(head, table, [""] * len(table))


def depth_table(metrics: Metrics) -> Table | None:
    """Eigen's errors of every row that has depth, and what the best constant per image row gets."""
    published = metrics["published"] or {}
    table, marks = [], []
    for variant, errors in published.get("depth", {}).items():
        table.append(
            [Cell(f"{variant}, the paper"), *(Cell(shown(errors[key], 2)) for key, _, _ in DEPTH_COLUMNS)]
        )
        table[-1].append(Cell(""))
        marks.append("")
    measured = False
    for title, row in metrics["rows"].items():
        figures = row["figures"]
        if DEPTH_ERROR not in figures:
            continue
        measured = True
        cells = [Cell(title)]
        for key, _, digits in DEPTH_COLUMNS:
            name = depth_name(key)
            cells.append(Cell(shown(figures[name], digits), between(row["intervals"].get(name), digits)))
        table.append([*cells, Cell(shown(figures[DEPTH_BY_ROWS], 3))])
        marks.append("measured" if published.get("depth") else "")
    head = ["", *(title for _, title, _ in DEPTH_COLUMNS), "|Rel| of the best constant per image row"]
    return Table(head, table, marks) if measured else None


def published_table(metrics: Metrics) -> Table | None:
    """The paper's rows, below them each measured row, and its differences from the row it is held against."""
    published = metrics["published"]
    if published is None:
        return None
    views = list(next(iter(published["rows"].values()))["miou"])
    head = ["", *(f"mIoU {view}" for view in views), *published["classes"]]
    table, marks = [], []
    counterparts = set(published["counterparts"].values())
    for method, row in published["rows"].items():
        values = [*(row["miou"][view] for view in views), *row["iou"]]
        table.append([Cell(f"{method}, the paper"), *(Cell(shown(value)) for value in values)])
        marks.append("counterpart" if method in counterparts else "")
    for title, method in published["counterparts"].items():
        figures = metrics["rows"][title]["figures"]
        own = [figures[miou_name(int(view))] for view in views]
        own += [figures[class_name(name)] for name in published["classes"]]
        theirs = published["rows"][method]
        printed = [*(theirs["miou"][view] for view in views), *theirs["iou"]]
        table.append([Cell(title), *(Cell(shown(value)) for value in own)])
        gaps = [
            None if mine is None or paper is None else mine - paper
            for mine, paper in zip(own, printed, strict=True)
        ]
        cells = [Cell(signed(gap), "", 0 if gap is None else (gap > 0) - (gap < 0)) for gap in gaps]
        table.append([Cell(f"minus {method}"), *cells])
        marks += ["measured", ""]
    return Table(head, table, marks)


def variants_table(metrics: Metrics) -> Table | None:
    """The paper's ablations (tables 3 and 4), below them each measured row of one of these variants."""
    published = metrics["published"]
    if published is None or not published["variants"]:
        return None
    printed, name = published["variants"], miou_names(metrics)[0]
    table, marks = [[Cell("the paper"), *(Cell(shown(value)) for value in printed.values())]], [""]
    for title in published["counterparts"]:
        row = metrics["rows"][title]
        own, variant = row["figures"][name], row["about"].get("variant")
        if variant in printed and own is not None:
            gap = own - printed[variant]
            cell = Cell(shown(own), signed(gap), (gap > 0) - (gap < 0))
            table.append([Cell(title), *(cell if one == variant else Cell("") for one in printed)])
            marks.append("measured")
    return Table(["", *printed], table, marks)


def as_text(table: Table) -> str:
    """A table as aligned text; a cell's second line is left out."""
    return aligned([[*table.head], *([cell.text for cell in cells] for cells in table.rows)])
