"""The report of `depdis-data check` as text: a table, what is wrong, and what the set can be used for."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from depdis_deploy.terminal import printable
from depdis_training.config_files import bundled_names, data_sections

from . import layouts
from .check import Report, Split

LISTED = 30  # faults that are named; the rest are counted


def as_text(report: Report) -> str:
    """The whole report, for a terminal or a file."""
    lines = [f"{printable(str(report.root))}: {report.layout}, {layouts.TITLES[report.layout]}", ""]
    lines += _table(report)
    if any(split.found["labels"] for split in report.splits):
        lines += ["", f"  labels can be read in the classes of {', '.join(report.taxonomies)}"]
    lines += _section("wrong", report.faults)
    lines += _section("worth knowing", report.notes)
    uses = _uses(report)
    if uses:
        lines += ["", f"{'can be used, once that is put right' if report.faults else 'can be used'}:"]
        for what, command in uses:
            lines += textwrap.wrap(
                what, 108, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
            )
            lines.append(f"    {command}")
    return "\n".join(lines)


def _section(title: str, entries: list[str]) -> list[str]:
    if not entries:
        return []
    more = [f"  and {len(entries) - LISTED} more"] if len(entries) > LISTED else []
    return ["", f"{title}:", *(f"  {printable(entry)}" for entry in entries[:LISTED]), *more]


def _table(report: Report) -> list[str]:
    rows: list[tuple[str, ...]] = [
        ("split", "pictures", "labels", "depth", "focal lengths", "size", "depth in metres")
    ]
    for split in report.splits:
        depth = "-" if split.depth_m is None else f"{split.depth_m[0]:.1f} to {split.depth_m[1]:.0f}"
        counts = (_count(split.found[kind]) for kind in ("labels", "depth"))
        rows.append((split.name, str(split.pictures), *counts, _count(split.focal), _sizes(split), depth))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    aligned = (
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return [f"  {line.rstrip()}" for line in aligned]


def _count(value: int) -> str:
    return str(value) if value else "-"


def _sizes(split: Split) -> str:
    if not split.sizes:
        return "-"
    ((width, height), _), *others = split.sizes.most_common()
    return f"{width}x{height}" + (f" and {len(others)} others" if others else "")


def _uses(report: Report) -> list[tuple[str, str]]:
    """(what for, command) of what can be trained or scored with the set, by the package's configurations."""
    found = {split.name: split for split in report.splits if split.pictures}
    if not found:
        return []
    root, layout = printable(str(report.root)), report.layout
    first = found.get("train") or found.get("all")
    labelled = any(split.found["labels"] for split in found.values()) and "cityscapes-16" in report.taxonomies
    sources, targets, scored = (_configs(report, found, role) for role in ("source", "target", "validation"))
    uses = []
    if sources:
        uses.append((f"source of {', '.join(sources)}", f"depdis-train CONFIG --source {root}"))
    elif first and first.found["labels"] and first.found["depth"]:
        taxonomy = (
            "" if "cityscapes-16" in report.taxonomies else f" --set source.taxonomy={report.taxonomies[0]}"
        )
        uses.append(("source", f"depdis-train street --source {root} --set source.layout={layout}{taxonomy}"))
    if targets:
        uses.append((f"target of {', '.join(targets)}", f"depdis-train CONFIG --target {root}"))
    elif layout == "frames":
        uses.append(("target", f"depdis-train street --target {root}"))
    else:
        scoring = f"validation.layout={layout}" if labelled else "validation=null"
        options = f"--set target.layout={layout} --set {scoring}"
        uses.append(("target", f"depdis-train street --target {root} {options}"))
    if scored:
        command = f"depdis-evaluate MODEL --config CONFIG --target {root}"
        uses.append((f"scored on in {', '.join(scored)}", command))
    return uses


def _configs(report: Report, found: Mapping[str, Split], role: str) -> list[str]:
    """The configurations whose source, target or validation set this one can be."""
    needs = {"source": ("labels", "depth"), "target": (), "validation": ("labels",)}[role]
    names = []
    for name in bundled_names():
        data = data_sections(name)[role]
        if data is None or data.layout != report.layout or (needs and data.taxonomy not in report.taxonomies):
            continue
        split = found.get(data.split) or found.get("all")
        if split and all(split.found[kind] for kind in needs):
            names.append(name)
    return names
