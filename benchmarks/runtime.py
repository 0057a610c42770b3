"""Pre- and post-processing beside the network itself: medians, interleaved in one run.

    python benchmarks/runtime.py [--model model.onnx] [--threads N] [--out result.json]

The picture is drawn from a seed, its content does not matter for the time. Held to be met at 640x320: both
together take at most 10 % of the inference or 2 ms, whichever is larger; exit status 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np

from depdis_deploy import Predictor
from depdis_deploy.backends.cpu import cores
from depdis_deploy.files import written_whole

SIZES = ((640, 320), (640, 480), (1280, 720), (1920, 1080))
HELD_AT = (640, 320)
WARM_UP, RUNS = 5, 60
MAX_SHARE, MAX_MS = 0.10, 2.0


def measure(predictor: Predictor, size: tuple[int, int]) -> dict[str, float]:
    """Median milliseconds of the stages, and of what may follow: statistics with JSON, and each panel."""
    picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    spent: dict[str, list[float]] = {}
    for run in range(WARM_UP + RUNS):
        prediction = predictor(picture)
        for name in predictor.manifest.outputs:
            getattr(prediction, name)  # on the picture's pixels, counted as post-processing
        found = dict(prediction.speed)
        begun = time.perf_counter()
        prediction.to_json()
        found["json"] = 1000 * (time.perf_counter() - begun)
        for panel in ("overlay", "side-by-side", "quad"):
            begun = time.perf_counter()
            prediction.plot(panel)
            found[panel] = 1000 * (time.perf_counter() - begun)
        if run >= WARM_UP:
            for stage, value in found.items():
                spent.setdefault(stage, []).append(value)
    return {stage: round(statistics.median(values), 3) for stage, values in spent.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    predictor = Predictor(arguments.model, "cpu", threads=arguments.threads)
    rows = {f"{width}x{height}": measure(predictor, (width, height)) for width, height in SIZES}
    stages = list(next(iter(rows.values())))
    print(f"{'ms, medians':<12}" + "".join(f"{stage:>14}" for stage in stages))
    for size, row in rows.items():
        print(f"{size:<12}" + "".join(f"{row[stage]:>14.2f}" for stage in stages))
    row = rows["{}x{}".format(*HELD_AT)]
    around, allowed = row["preprocess"] + row["postprocess"], max(MAX_SHARE * row["inference"], MAX_MS)
    met = around <= allowed
    verdict = "met" if met else "MISSED"
    print(f"pre- and post-processing {around:.2f} ms, at most {allowed:.2f} ms allowed: {verdict}")
    if arguments.out:
        record = {
            "model": predictor.model.name, "cores": cores(),
            "threads": arguments.threads, "processor": platform.processor() or platform.machine(),
            "load": os.getloadavg()[0], "runs": RUNS, "median_ms": rows, "around_ms": round(around, 3),
            "allowed_ms": round(allowed, 3), "met": met,
        }  # fmt: skip
        with written_whole(arguments.out) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
