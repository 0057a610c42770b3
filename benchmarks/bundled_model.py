"""All that is said of the bundled model's accuracy, measured in one command.

    python benchmarks/bundled_model.py --model model.onnx --camvid CAMVID --lidar LIDAR --streets WORK \
        --regions bikes.mp4 vtest.avi bus.jpg leuvenA.jpg --record depdis_deploy/models/depdis-street.json

The file is run as users run it, in onnxruntime. CamVid: its validation pictures, 11 classes. Streets that were
not trained on are drawn under WORK. What is not given is left out; `--record` replaces that file's `scores`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from lidar import measure
from regions import score as region_scores

from depdis_deploy import Predictor
from depdis_deploy.files import written_whole
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_16, Taxonomy
from depdis_training.data import open_dataset
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.models import exported_model
from depdis_training.scoring import score
from depdis_training.street.writer import write_street

ABOUT = (
    "of the ONNX file in onnxruntime. CamVid: its 101 validation pictures, 11 classes, no picture of it was "
    "trained on. Street sets: pictures that were not trained on; depth errors without sky, in metres of the "
    "picture's camera; 'best constant per row' is what the best constant per image row of that very set gets. "
    "Regions: benchmarks/real_regions.json, mean class accuracy in 7 classes. LiDAR: benchmarks/lidar.py."
)
# Domain -> layout, split, pictures, seed, size.
STREETS: dict[str, tuple[str, str, int, int, tuple[int, int]]] = {
    "random": ("synthia", "all", 100, 1000, (512, 384)),
    "source": ("synthia", "all", 40, 99, (640, 320)),
    "target": ("cityscapes", "val", 40, 99, (640, 320)),
}


Size = tuple[int, int]


def on_set(
    model: Path, layout: str, root: Path, split: str, taxonomy: Taxonomy, *, imgsz: Size | None = None
) -> dict[str, float]:
    """mIoU, class IoU in %, depth and density errors over a set."""
    predict, manifest = exported_model(model, imgsz=imgsz)
    assert manifest.density is not None
    dataset = open_dataset(layout, root, split, taxonomy)
    found = score(
        predict, dataset, manifest, distribution=DepthDistribution.from_dict(manifest.density),
        what=f"{root.name}: scoring", quiet=False,
    )  # fmt: skip
    return {key.strip(): round(value, 3) for key, value in found.summary().items() if not np.isnan(value)}


def on_streets(model: Path, domain: str, work: Path, *, imgsz: Size | None = None) -> dict[str, float]:
    """The same over generated streets, which are drawn once."""
    layout, split, pictures, seed, size = STREETS[domain]
    root = work / f"{domain}-{pictures}-s{seed}"
    write_street(
        root, pictures=pictures, size=size, domain=domain, layout=layout, seed=seed,  # type: ignore[arg-type]
        split="train" if split == "all" else split,
    )  # fmt: skip
    return on_set(model, layout, root, split, CITYSCAPES_16, imgsz=imgsz)


def on_regions(model: Path, files: list[Path], *, imgsz: Size | None = None) -> dict[str, Any]:
    """Mean class accuracy, by class, and of each region."""
    found = region_scores(Predictor(model, "cpu", imgsz=imgsz), {path.name: path for path in files})
    by_class = {name: round(float(np.mean(values)), 3) for name, values in found.items()}
    return {
        "mean_class_accuracy": round(float(np.mean([*by_class.values()])), 3), "by_class": by_class,
        "by_region": {name: [round(value, 2) for value in values] for name, values in found.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--camvid", type=Path)
    parser.add_argument("--lidar", type=Path)
    parser.add_argument("--regions", type=Path, nargs="+")
    parser.add_argument("--streets", type=Path)
    parser.add_argument("--record", type=Path)
    arguments = parser.parse_args()
    scores: dict[str, Any] = {"about": ABOUT}
    if arguments.camvid:
        scores["camvid_validation"] = on_set(arguments.model, "camvid", arguments.camvid, "val", CAMVID_11)
    if arguments.streets:
        for domain, (_, _, pictures, seed, _) in STREETS.items():
            key = f"streets_{domain}_{pictures}_seed_{seed}"
            scores[key] = on_streets(arguments.model, domain, arguments.streets)
    if arguments.regions:
        scores["regions"] = on_regions(arguments.model, arguments.regions)
    if arguments.lidar:
        scores["lidar"] = measure(arguments.lidar, arguments.model)
    print(json.dumps(scores, indent=1))
    if arguments.record:
        record = json.loads(arguments.record.read_text()) if arguments.record.exists() else {}
        with written_whole(arguments.record) as temporary:
            temporary.write_text(json.dumps(record | {"scores": scores}, indent=1) + "\n")


if __name__ == "__main__":
    main()
