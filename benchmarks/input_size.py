"""What another input size of the bundled model gives and costs, on real and generated pictures.

    python benchmarks/input_size.py --camvid CAMVID --lidar LIDAR --streets WORK \
        --regions bikes.mp4 vtest.avi bus.jpg leuvenA.jpg --out results/input_size.json

Times are of the network alone, one thread, in onnxruntime: medians over rounds in which the sizes take turns.
What is not given is left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from bundled_model import Size, on_regions, on_set, on_streets
from lidar import measure

from depdis_deploy import Predictor
from depdis_deploy.backends.cpu import model_name
from depdis_deploy.files import written_whole
from depdis_deploy.predictor import BUNDLED_MODEL
from depdis_deploy.taxonomy import CAMVID_11

SIZES: tuple[Size, ...] = ((480, 240), (640, 320), (736, 368), (832, 416), (960, 480), (1120, 560))
ROUNDS = 9


def times(model: Path) -> dict[Size, float]:
    """Milliseconds of one 2:1 picture at each size."""
    picture = np.random.default_rng(0).integers(0, 256, (320, 640, 3), np.uint8)
    predictors = {size: Predictor(model, "cpu", threads=1, imgsz=size) for size in SIZES}
    taken: dict[Size, list[float]] = {size: [] for size in SIZES}
    for turn in range(ROUNDS + 2):
        for size, predictor in predictors.items():
            begun = time.perf_counter()
            predictor(picture)
            if turn >= 2:  # the first calls make plans of their shapes
                taken[size].append(1000 * (time.perf_counter() - begun))
    return {size: statistics.median(values) for size, values in taken.items()}


def figures(model: Path, size: Size, given: argparse.Namespace) -> dict[str, Any]:
    """The scores at one size."""
    found: dict[str, Any] = {}
    if given.camvid:
        scores = on_set(model, "camvid", given.camvid, "val", CAMVID_11, imgsz=size)
        found["camvid_miou"] = scores["mIoU 11 (%)"]
    if given.streets:
        scores = on_streets(model, "random", given.streets, imgsz=size)
        found |= {"random_miou": scores["mIoU 16 (%)"], "random_abs_rel": scores["depth abs_rel"]}
        found["random_density_mae"] = scores["density MAE"]
    if given.regions:
        regions = on_regions(model, given.regions, imgsz=size)
        found["regions"] = regions["mean_class_accuracy"]
        found["regions_by_class"] = regions["by_class"]
    if given.lidar:
        rows = measure(given.lidar, model, imgsz=size)
        for kind in ("camera_none", "camera_median"):
            values = [row[f"{kind}_abs_rel"] for row in rows.values()]
            found[f"lidar_{kind}_abs_rel"] = round(statistics.mean(values), 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--camvid", type=Path)
    parser.add_argument("--lidar", type=Path)
    parser.add_argument("--regions", type=Path, nargs="+")
    parser.add_argument("--streets", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    taken = times(given.model)
    rows = {}
    for size in SIZES:
        row = {"ms": round(taken[size], 1), **figures(given.model, size, given)}
        rows[f"{size[0]}x{size[1]}"] = row
        print(f"{size[0]}x{size[1]}", {key: value for key, value in row.items() if key != "regions_by_class"})
    if given.out:
        about = {"processor": model_name(), "when": time.strftime("%Y-%m-%d"), "threads": 1}
        with written_whole(given.out) as temporary:
            temporary.write_text(json.dumps({**about, "sizes": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
