"""How a model labels hand-marked regions of real street pictures: mean class accuracy in the 7-class view.

The regions stand in real_regions.json; the pictures belong to other packages and are given by path:

    python benchmarks/regions.py bikes.mp4 vtest.avi bus.jpg leuvenA.jpg --model model.onnx --out result.json

A region's score is the share of its pixels that are labelled right, a class's the mean over its regions.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from depdis_deploy import Predictor
from depdis_deploy.files import written_whole
from depdis_deploy.taxonomy import CITYSCAPES_7, view_7

REGIONS = Path(__file__).with_name("real_regions.json")


def video_frame(path: Path, number: int) -> NDArray[np.uint8]:
    """Frame `number` of a video, from 0, as (H, W, 3) uint8 RGB."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    raise SystemExit(f"{path} has no frame {number}")


def score(predictor: Predictor, files: dict[str, Path]) -> dict[str, list[float]]:
    """The score of each region, by class."""
    table = view_7()
    scores: dict[str, list[float]] = defaultdict(list)
    for key, regions in json.loads(REGIONS.read_text())["pictures"].items():
        name, _, number = key.partition("@")
        if name not in files:
            raise SystemExit(f"the regions are of {name}: give its path")
        prediction = predictor(video_frame(files[name], int(number)) if number else files[name])
        labels = table[prediction.labels]
        for class_name, left, top, right, bottom in regions:
            region = labels[top:bottom, left:right]
            scores[class_name].append(float((region == CITYSCAPES_7.index(class_name)).mean()))
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    scores = score(Predictor(arguments.model, "cpu"), {path.name: path for path in arguments.files})
    by_class = {name: round(float(np.mean(scores[name])), 3) for name in CITYSCAPES_7.names}
    result = {
        "mean_class_accuracy": round(float(np.mean(list(by_class.values()))), 3),
        "by_class": by_class,
        "by_region": {name: [round(value, 2) for value in scores[name]] for name in CITYSCAPES_7.names},
    }
    print(json.dumps(result, indent=1))
    if arguments.out:
        with written_whole(arguments.out) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
