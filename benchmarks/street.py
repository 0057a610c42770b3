"""Milliseconds a generated street picture takes, by stage, on one core.

    python benchmarks/street.py [--pictures 60] [--domain random] [--size 640x320]

CPU time of one thread, so that what else the machine does counts little; the first picture, which compiles, is
left out. Writes benchmarks/results/street.json.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from depdis_training.street import renderer
from depdis_training.street.scene import make_scene

RESULTS = Path(__file__).parent / "results"
STAGES = {
    "project and clip": ("to_camera", "bounds", "edges", "drawing_order"),
    "raster": ("rasterise",),
    "shadow and sky maps": ("_height_maps",),
    "shading": ("records", "shade_picture"),
    "camera": ("metered", "developed"),
}


def _timed(spent: dict[str, float], stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any) -> Any:
        start = time.thread_time()
        result = function(*args)
        spent[stage] += time.thread_time() - start
        return result

    return wrapper


def _processor() -> str:
    """The processor's model, as Linux tells it."""
    lines = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    )
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    told = {key.strip(): value.strip() for key, value in told.items()}
    if "model name" not in told:
        return platform.processor() or platform.machine()
    return f"{told['model name']}, family {told.get('cpu family')}, model {told.get('model')}"


def main(pictures: int = 60, domain: str = "random", size: str = "640x320") -> None:
    """Time the stages and print a table."""
    width, height = map(int, size.split("x"))
    rows: list[dict[str, float]] = []
    spent: dict[str, float] = {}
    for stage, names in STAGES.items():
        for name in names:
            setattr(renderer, name, _timed(spent, stage, getattr(renderer, name)))
    for index in range(pictures + 1):
        spent.update(dict.fromkeys(STAGES, 0.0))
        start = time.thread_time()
        scene = make_scene(domain, 0, index, (width, height))  # type: ignore[arg-type]
        built = time.thread_time()
        renderer.render(scene.mesh, scene.camera, scene.appearance, index)
        end = time.thread_time()
        rows.append({
            "scene": built - start, **spent, "render": end - built, "all": end - start,
            "triangles": float(len(scene.mesh.faces)),
        })  # fmt: skip
    table = {
        name: [statistics.median(row[name] for row in rows[1:]), max(row[name] for row in rows[1:])]
        for name in rows[0]
    }
    for name, (median, worst) in table.items():
        scale = 1.0 if name == "triangles" else 1e3
        print(f"{name:22} median {median * scale:8.0f}   worst {worst * scale:8.0f}")
    RESULTS.mkdir(exist_ok=True)
    report = {"machine": _processor(), "size": size, "domain": domain, "pictures": pictures,
              "median_and_worst_seconds": table}  # fmt: skip
    (RESULTS / "street.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
