"""What `--smooth` does to a film's labels: flips where the truth stands still, mIoU, thin things, milliseconds.

    python benchmarks/flicker.py WORK --out benchmarks/results/flicker.json

Drives of 25 frames a second are drawn under WORK: those of choosing (`--tune`: appearances drawn anew, seeds 11
to 14) and those of the report (both fixed appearances and others drawn anew, seeds that chose nothing). Each
frame is predicted once, as `depdis-infer` does, and scored as it is and smoothed. mIoU is over all frames of
all drives, with the 95 % interval of its bootstrap over frames and that of the difference, both with the same
draws. Frames of a drive are alike, so these intervals are narrower than those of other streets would be.
Milliseconds are processor time, of the smoothing alone and of the whole prediction.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy import Prediction, Predictor
from depdis_deploy.files import written_whole
from depdis_deploy.progress import tracked
from depdis_deploy.sources import Frame
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.bootstrap import Replicates, counts, interval
from depdis_training.data.drive import Drive
from depdis_training.evaluation import class_iou, confusion
from depdis_training.flips import Flips
from depdis_training.street.drive_writer import write_drive
from depdis_training.street.palette import Domain

TUNE: list[tuple[Domain, int]] = [("random", seed) for seed in (11, 12, 13, 14)]
REPORT: list[tuple[Domain, int]] = [
    ("source", 31), ("source", 32), ("target", 31), ("target", 32), ("random", 41), ("random", 42),
]  # fmt: skip
SIZE = (640, 320)
THIN = ("pole", "traffic light", "traffic sign", "person", "rider", "motorcycle", "bicycle")


class Row:
    """One way of labelling, over all drives."""

    def __init__(self) -> None:
        classes = len(CITYSCAPES_16)
        self.replicates = Replicates((classes, classes))
        self.confusion = np.zeros((classes, classes), np.int64)
        self.drives: list[Flips] = []
        self.frames = 0

    def add(self, labels: NDArray[np.uint8], truth: NDArray[np.uint8], *, first: bool) -> None:
        """The next frame."""
        if first:
            self.drives.append(Flips(25.0))
        counted = confusion(labels, truth, len(CITYSCAPES_16))
        self.replicates.add(counts(self.frames), counted)
        self.confusion += counted
        self.drives[-1].add(labels, truth)
        self.frames += 1

    def mious(self) -> NDArray[np.float64]:
        """(R,) in %, of the replicates."""
        return np.asarray(100 * np.nanmean(class_iou(self.replicates.sums), axis=-1))

    def flips(self) -> float:
        """Per pixel and second, over all drives."""
        flips, pixels = (sum(getattr(drive, key) for drive in self.drives) for key in ("flips", "pixels"))
        return 25.0 * flips / pixels

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        iou = 100 * class_iou(self.confusion)
        return {
            "flips_per_pixel_and_second": round(self.flips(), 4),
            "by_drive": [round(drive.per_second(), 4) for drive in self.drives],
            "miou": round(float(np.nanmean(iou)), 2), "miou_interval": _rounded(interval(self.mious())),
            "iou": {
                name: round(float(value), 1)
                for name, value in zip(CITYSCAPES_16.names, iou, strict=True)
                if not np.isnan(value)
            },
        }  # fmt: skip


def measured(predictor: Predictor, drives: list[tuple[Domain, int]], work: Path, frames: int) -> dict[str, Any]:
    """All drives, as they are and smoothed."""
    raw, smooth = Row(), Row()
    spent: list[float] = []
    network: list[float] = []
    held: list[float] = []
    for domain, seed in drives:
        root = work / f"drive-{domain}-{seed}-{frames}"
        write_drive(root, frames=frames, size=SIZE, domain=domain, seed=seed)
        drive, film = Drive(root, "val", CITYSCAPES_16), predictor.film(smooth=True)
        for index in tracked(range(len(drive)), root.name, len(drive)):
            sample = drive[index]
            begun = time.process_time()
            (prediction,) = predictor.predict(
                [Frame(sample.image, "drive.mp4", index, index / 25)], settled=False
            )
            network.append(time.process_time() - begun)
            assert sample.labels is not None
            raw.add(_copy(prediction).labels, sample.labels, first=index == 0)
            begun = time.process_time()
            film.settle(prediction)
            spent.append(time.process_time() - begun)
            held.append(prediction.held or 0.0)
            smooth.add(prediction.labels, sample.labels, first=index == 0)
    difference = smooth.mious() - raw.mious()
    thin = {
        name: [row.plain()["iou"].get(name) for row in (raw, smooth)]
        for name in THIN
        if name in raw.plain()["iou"]
    }
    return {
        "drives": [f"{domain} {seed}" for domain, seed in drives], "frames": raw.frames,
        "raw": raw.plain(), "smooth": smooth.plain(),
        "flips_ratio": round(smooth.flips() / raw.flips(), 3),
        "miou_difference": round(float(smooth.plain()["miou"] - raw.plain()["miou"]), 2),
        "miou_difference_interval": _rounded(interval(difference)),
        "thin_classes_raw_and_smooth": thin, "held_share": round(float(np.mean(held)), 4),
        "ms": round(1000 * float(np.median(spent)), 2),
        "prediction_ms": round(1000 * float(np.median(network)), 1),
    }  # fmt: skip


def _copy(prediction: Prediction) -> Prediction:
    return Prediction(prediction.image, prediction.maps, prediction.geometry, prediction.manifest)


def _rounded(ends: tuple[float, float] | None) -> list[float] | None:
    return None if ends is None else [round(end, 2) for end in ends]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--tune", action="store_true", help="the drives by which constants were chosen")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    predictor = Predictor(arguments.model, "cpu", threads=1)
    found = measured(predictor, TUNE if arguments.tune else REPORT, arguments.work, arguments.frames)
    print(json.dumps(found, indent=1))
    if arguments.out:
        with written_whole(arguments.out) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
