"""Depth of a model against LiDAR points on real street pictures, with the camera given and without.

    python benchmarks/lidar.py FOLDER --model model.onnx --out result.json

FOLDER holds NAME.jpg, NAME_depth.png (16-bit, centimetres, 0 = no point) and cameras.json ({NAME: {"width",
"fx", ...}}, pixels). Points up to 80 m count. Three frames are a check of plausibility and scale, no benchmark.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import cv2
import numpy as np

from depdis_deploy import Predictor
from depdis_deploy.files import written_whole
from depdis_training.evaluation import depth_metrics

CAP_M = 80.0


def horizontal_fov_degrees(camera: dict[str, float]) -> float:
    """The field of view across the whole picture."""
    return math.degrees(2 * math.atan(camera["width"] / 2 / camera["fx"]))


def measure(
    folder: Path, model: Path | None, *, imgsz: tuple[int, int] | None = None
) -> dict[str, dict[str, float]]:
    """|Rel| and delta 1 of every frame: raw with the camera, median-aligned, and raw without the camera.

    imgsz: as Predictor's.
    """
    rows = {}
    for name, camera in json.loads((folder / "cameras.json").read_text()).items():
        truth_m = cv2.imread(str(folder / f"{name}_depth.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) / 100
        row = {"fov_degrees": round(horizontal_fov_degrees(camera), 1)}
        for kind, fov in (("camera", row["fov_degrees"]), ("canonical", None)):
            depth_m = Predictor(model, "cpu", fov, imgsz=imgsz)(folder / f"{name}.jpg").depth
            for align in ("none", "median"):
                figures = depth_metrics(depth_m, truth_m, cap_m=CAP_M, align=align)
                row[f"{kind}_{align}_abs_rel"] = round(float(figures["abs_rel"]), 3)
                row[f"{kind}_{align}_delta1"] = round(float(figures["delta1"]), 3)
        rows[name] = row
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = measure(arguments.folder, arguments.model)
    print(json.dumps(rows, indent=1))
    if arguments.out:
        with written_whole(arguments.out) as temporary:
            temporary.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
