"""The figures of `tables.py` as text: a table of each target, and depth where a row has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from table_rows import ROWS, SEEDS, TARGETS

Found = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
TITLES = {
    "street": "Generated to generated", "camvid": "Generated to CamVid",
    "camvid-one": "Generated, of one appearance, to CamVid",
}  # fmt: skip
MIOU = {"street": "mIoU 16 (%)", "camvid": "mIoU 11 (%)", "camvid-one": "mIoU 11 (%)"}
DEPTH = {"depth abs_rel": r"\|Rel\|", "depth sq_rel": "Rel²", "depth rms": "RMS (m)", "depth rms_log": "LRMS",
         "depth delta1": "δ1", "depth delta2": "δ2", "depth delta3": "δ3"}  # fmt: skip
BASE = "source-only"


BEGIN, END = "<!-- tables.py writes from here -->", "<!-- to here -->"


def placed(document: str, found: Found) -> str:
    """The document with the tables between its two marks."""
    before, _, rest = document.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"expected the lines {BEGIN} and {END}, in that order")
    return f"{before}{BEGIN}\n\n{as_markdown(found)}\n{END}{after}"


def as_markdown(found: Found) -> str:
    """All tables, of the rows that are there."""
    lines = []
    minutes = 0.0
    for target in TARGETS:
        rows = {name: found[target, name] for name in ROWS if found[target, name]}
        if not rows:
            continue
        minutes += sum(one["cpu_minutes"] for runs in rows.values() for one in runs)
        lines += [f"## {TITLES[target]}", "", *_scores(target, rows), "", _where(rows), ""]
        if target == "street":
            lines += ["Depth of the target, up to 80 m, without sky:", "", *_depths(rows), ""]
    return "\n".join(
        [*lines, f"In all {minutes / 60:.1f} hours of one core, generating pictures left out.", ""]
    )


def _where(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """What the trainings ran on, in a line."""
    counts = Counter(one.get("gpu") or one["processor"] for runs in rows.values() for one in runs)
    return "Trained on: " + ", ".join(f"{name} ({count})" for name, count in counts.most_common()) + "."


def _scores(target: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    lines = [
        "| row | seeds | mIoU (%), as trained | statistics of the target | the better | over source only |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    base = _better(target, rows.get(BASE, ()))
    for name, runs in rows.items():
        better = _better(target, runs)
        over = [score - base[seed] for seed, score in better.items() if seed in base]
        lines.append("| " + " | ".join((
            ROWS[name].says, f"{len(runs)} of {len(SEEDS)}",
            _spread([one["trained"][MIOU[target]] for one in runs]),
            _spread([one["reestimated"][MIOU[target]] for one in runs if "reestimated" in one]),
            _spread([*better.values()]), _spread(over, sign=True) if name != BASE else "",
        )) + " |")  # fmt: skip
    return lines


def _better(target: str, runs: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """By seed, the better of both statistics."""
    return {
        one["seed"]: max(one[kind][MIOU[target]] for kind in ("trained", "reestimated") if kind in one)
        for one in runs
    }


def _depths(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    lines = ["| row | " + " | ".join(DEPTH.values()) + " |", "|---" * (len(DEPTH) + 1) + "|"]
    for name, runs in rows.items():
        if all("depth abs_rel" in one["trained"] for one in runs):
            cells = [_spread([one["trained"][key] for one in runs], places=2) for key in DEPTH]
            lines.append(f"| {ROWS[name].says} | " + " | ".join(cells) + " |")
    return lines


def _spread(values: Sequence[float], *, sign: bool = False, places: int = 1) -> str:
    """Mean ± standard deviation over seeds."""
    if not values:
        return ""
    spread = f" ± {stdev(values):.{places}f}" if len(values) > 1 else ""
    return f"{mean(values):{'+' if sign else ''}.{places}f}{spread}"
