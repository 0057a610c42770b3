"""The rows as a table, as JSON, and as a sentence that says which to take."""

from __future__ import annotations

import os
import platform
import shlex
import statistics
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from depdis_deploy.backends.cpu import cores, model_name

from .measure import ABSENT, OK, Row

_COLUMNS = (
    "model", "engine", "precision", "status", "MB", "labels=", "depth", "density", "gate", "ms/image", "FPS",
    "video FPS",
)  # fmt: skip
_WORDS = 4  # columns of words, aligned on the left
_ENGINES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx")


def table(rows: Sequence[Row]) -> str:
    """The rows under their columns, and the reasons of those without figures."""
    cells = [_COLUMNS, *[_cells(row) for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            text.ljust(width) if column < _WORDS else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            reasons.setdefault(f"{row.status}: {row.reason}", []).append(row.candidate.label)
    return "\n".join([*lines, *[f"{reason} [{'; '.join(labels)}]" for reason, labels in reasons.items()]])


def _cells(row: Row) -> tuple[str, ...]:
    file, found = row.candidate.file, row.agreement
    return (
        file.path.name if file else "-",
        row.engine,
        row.candidate.precision,
        row.status,
        f"{file.size_mb:.1f}" if file else "-",
        f"{found.labels_equal:.2%}" if found else "-",
        f"{found.depth:.2%}" if found and found.depth is not None else "-",
        f"{found.density:.2f}" if found and found.density is not None else "-",
        row.gate if row.status == OK else "-",
        f"{row.ms:.1f}" if row.ms is not None else "-",
        f"{1000 / row.ms:.1f}" if row.ms is not None else "-",
        f"{row.video.fps:.1f}" if row.video else "-",
    )


def shares_table(rows: Sequence[Row]) -> str:
    """What the stages of a video took; empty where none was run."""
    shown = [row for row in rows if row.video is not None]
    if not shown:
        return ""
    names = list(dict.fromkeys(name for row in shown for name in _of(row)))
    width = max(len(row.candidate.label) for row in shown)
    lines = ["share of all stages".ljust(width) + "".join(f"{name:>10}" for name in names)]
    for row in shown:
        shares = _of(row)
        lines.append(row.candidate.label.ljust(width) + "".join(f"{shares[name]:>10.1%}" for name in names))
    return "\n".join(lines)


def _of(row: Row) -> dict[str, float]:
    assert row.video is not None
    return row.video.shares()


def advice(rows: Sequence[Row]) -> str:
    """The command for the fastest row that the export measured within its bounds."""
    held = [(row.ms, row) for row in rows if row.status == OK and row.gate == "held" and row.ms is not None]
    if not held:
        return "no row has both a time and a gate that it held: nothing is recommended"
    _, best = min(held, key=lambda pair: pair[0])
    candidate = best.candidate
    assert candidate.file is not None
    words = ["--model", str(candidate.file.path), "--device", "cpu", "--engine", candidate.engine]
    if candidate.asked == "bf16":
        words += ["--precision", "bf16"]
    return f"fastest within its export's bounds: depdis-infer VIDEO {shlex.join(words)}"


def busy() -> str:
    """A warning where others use the processor; empty where it is quiet or not known."""
    if not hasattr(os, "getloadavg"):
        return ""
    load = os.getloadavg()[0]
    if load < 0.5:
        return ""
    return f"note: this machine is busy (load average {load:.1f}): times are longer than on a quiet one"


def as_record(rows: Sequence[Row], **facts: Any) -> dict[str, Any]:
    """Everything that was measured, for a file."""
    return {
        "machine": {
            "processor": model_name(), "cores": cores(), "system": platform.platform(),
            "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        },
        "versions": _versions(),
        **facts,
        "rows": [_record(row) for row in rows],
    }  # fmt: skip


def _versions() -> dict[str, str]:
    found = {}
    for name in ("depdis-deploy", "numpy", *_ENGINES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _record(row: Row) -> dict[str, Any]:
    file = row.candidate.file
    record: dict[str, Any] = {
        "model": file.path.name if file else None, "format": file.path.suffix[1:] if file else None,
        "engine": row.candidate.engine, "device": row.candidate.device, "precision": row.candidate.precision,
        "status": row.status, "reason": row.reason or None, "size_mb": round(file.size_mb, 3) if file else None,
    }  # fmt: skip
    if row.status == ABSENT:
        return record
    if row.agreement is not None:
        record["against_fp32"] = {
            "labels_equal": row.agreement.labels_equal, "depth_relative": row.agreement.depth,
            "density_of_255": row.agreement.density,
        }  # fmt: skip
    record["gate"] = row.gate
    if row.size is not None:
        record["input"] = {"batch": row.batch, "width": row.size[0], "height": row.size[1]}
    if row.load_s is not None:
        record["load_s"] = round(row.load_s, 3)
    if row.ms is not None:
        record["ms_per_image"] = _spread(row.milliseconds)
        record["cpu_ms_per_image"] = _spread(row.cpu_milliseconds)
        record["fps"] = round(1000 / row.ms, 2)
    if row.video is not None:
        record["video"] = {
            "frames": row.video.frames, "fps": round(row.video.fps, 2), "calls_at_once": row.video.workers,
            "stages_ms_a_frame": {name: round(value, 3) for name, value in row.video.stages.items()},
            "shares": {name: round(value, 4) for name, value in row.video.shares().items()},
        }  # fmt: skip
    return record


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and extremes, so that a busy machine shows."""
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {
        "runs": len(values), "median": round(quartiles[1], 3), "lower_quartile": round(quartiles[0], 3),
        "upper_quartile": round(quartiles[2], 3), "least": round(min(values), 3), "most": round(max(values), 3),
    }  # fmt: skip
