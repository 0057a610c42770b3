"""Does the disagreement between predicted and constructed density mark wrong labels? AUROC beside confidence.

    python benchmarks/wrong_labels.py WORK --camvid CAMVID --out benchmarks/results/wrong_labels.json

The constructed density is the model's own mixtures at the predicted class and depth. On each cell of the depth
map: confidence (the largest softmax), the disagreement |predicted - constructed|, each density by itself, and
logistic regressions of confidence's logit with disagreement and with both densities, fitted on generated
streets of another seed. AUROC: how likely a wrong cell has a higher score than a right one, over all cells of a
set, with the 95 % interval of a bootstrap over pictures; differences from confidence with the same draws.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from bundled_model import STREETS
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from depdis_deploy import Prediction, Predictor
from depdis_deploy.files import written_whole
from depdis_deploy.progress import tracked
from depdis_deploy.road_plane import cells
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_16, IGNORE
from depdis_training.bootstrap import counts, interval
from depdis_training.data import Dataset, open_dataset
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.label_figures import class_view
from depdis_training.street.writer import write_street

BINS, LARGEST_LOGIT = 4096, 14.0
# Layout, pictures, seed and size of the streets for the regression.
FITTED = ("synthia", 60, 2000, (512, 384))


class Cells(NamedTuple):
    """(N,) of a picture's labelled cells: confidence, predicted and constructed density, which are wrong."""

    confidence: NDArray[np.float64]
    predicted: NDArray[np.float64]
    constructed: NDArray[np.float64]
    wrong: NDArray[np.bool_]

    def features(self) -> NDArray[np.float64]:
        """(N, 5) for the regression: the logit of confidence, disagreement, its sign, both densities."""
        difference = self.predicted - self.constructed
        return np.stack(
            [logit(self.confidence), np.abs(difference), difference, self.predicted, self.constructed], axis=1
        )


def logit(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of the odds, within what float32 resolves."""
    inside = np.clip(share, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def on_cells(
    prediction: Prediction, mixtures: DepthDistribution, truth: NDArray[np.uint8], table: NDArray[np.uint8]
) -> Cells:
    """A picture's maps on the cells of its depth map; truth: (H, W), table: from the model's classes to its."""
    maps, geometry = prediction.maps, prediction.geometry
    depth_m = maps["depth"]
    rows, columns, x, y = cells(maps["labels"].shape, depth_m.shape, geometry, 1)
    high, wide = len(rows), len(columns)
    labels = maps["labels"][np.ix_(rows, columns)]
    sure_rows, sure_columns, _, _ = cells(maps["confidence"].shape, depth_m.shape, geometry, 1)
    z = 65536 / (100 * depth_m[:high, :wide] + 1)
    # on the whole input, since the mixtures' places are shares of it
    whole = np.full(depth_m.shape, IGNORE, np.int64)
    whole[:high, :wide] = labels
    inverse = np.zeros(depth_m.shape, np.float32)
    inverse[:high, :wide] = z
    found = mixtures.density(torch.from_numpy(whole)[None], torch.from_numpy(inverse)[None])[0]  # 0..255
    constructed = found.numpy() / 255
    at = [
        np.clip((middle + size / 2).astype(int), 0, size - 1)
        for middle, size in ((y, geometry.frame[1]), (x, geometry.frame[0]))
    ]
    true = truth[np.ix_(at[0], at[1])]
    known = true != IGNORE
    return Cells(
        maps["confidence"][np.ix_(sure_rows, sure_columns)][known].astype(np.float64),
        maps["density"][:high, :wide][known].astype(np.float64),
        constructed[:high, :wide][known].astype(np.float64),
        (table[labels] != true)[known],
    )


def pictures(predictor: Predictor, dataset: Dataset, name: str) -> Iterator[Cells]:
    """The cells of each picture of a set."""
    table = class_view(predictor.manifest.taxonomy, dataset.taxonomy)
    mixtures = DepthDistribution.from_dict(predictor.manifest.density or {})
    for index in tracked(range(len(dataset)), name, len(dataset)):
        sample = dataset[index]
        assert sample.labels is not None
        yield on_cells(predictor(sample.image), mixtures, sample.labels, table)


class Marks:
    """One score over a set's pictures: each one's counts of right and wrong cells by score."""

    def __init__(self) -> None:
        self._pictures: list[NDArray[np.int64]] = []

    def add(self, score: NDArray[np.float64], wrong: NDArray[np.bool_]) -> None:
        """The next picture; score: (N,) on the scale of logits."""
        place = (np.clip(score / LARGEST_LOGIT, -1, 1) + 1) / 2 * (BINS - 1)
        self._pictures.append(
            np.stack([np.bincount(place[wrong == kind].astype(int), minlength=BINS) for kind in (False, True)])
        )

    def sums(self) -> NDArray[np.float64]:
        """(2, BINS) over all pictures."""
        return np.sum(self._pictures, axis=0, dtype=np.float64)

    def replicates(self) -> NDArray[np.float64]:
        """(R, 2, BINS) of the bootstrap's replicates."""
        drawn = np.stack([counts(index) for index in range(len(self._pictures))], axis=1).astype(np.float64)
        return np.tensordot(drawn, np.asarray(self._pictures, np.float64), axes=1)

    @staticmethod
    def auroc(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2, BINS) counts of right and wrong -> (...)."""
        right, wrong = sums[..., 0, :], sums[..., 1, :]
        below = np.cumsum(right, axis=-1) - right / 2
        return np.asarray((below * wrong).sum(-1) / (right.sum(-1) * wrong.sum(-1)))


def scores(fit: dict[str, LogisticRegression]) -> dict[str, Callable[[Cells], NDArray[np.float64]]]:
    """What is compared, each above where a label is more likely wrong."""
    return {
        "confidence": lambda seen: -logit(seen.confidence),
        "disagreement": lambda seen: logit(np.abs(seen.predicted - seen.constructed)),
        "predicted density": lambda seen: -logit(seen.predicted),
        "constructed density": lambda seen: -logit(seen.constructed),
        **{
            name: lambda seen, model=model, used=USED[name]: model.decision_function(seen.features()[:, used])
            for name, model in fit.items()
        },
    }


USED = {"confidence and disagreement": [0, 1], "confidence, disagreement and both densities": [0, 1, 2, 3, 4]}


def on_set(
    predictor: Predictor, dataset: Dataset, name: str, fit: dict[str, LogisticRegression]
) -> dict[str, Any]:  # fmt: skip
    """All scores over one set."""
    asked = scores(fit)
    marks = {score: Marks() for score in asked}
    for seen in pictures(predictor, dataset, name):
        for score, function in asked.items():
            marks[score].add(function(seen), seen.wrong)
    base = Marks.auroc(marks["confidence"].replicates())
    found: dict[str, Any] = {"pictures": len(dataset)}
    right, wrong = marks["confidence"].sums().sum(axis=-1)
    found["share_wrong"] = round(float(wrong / (right + wrong)), 4)
    for score, mark in marks.items():
        replicates = Marks.auroc(mark.replicates())
        found[score] = {
            "auroc": round(float(Marks.auroc(mark.sums())), 4), "interval": _rounded(interval(replicates)),
            "from_confidence": _rounded(interval(replicates - base)),
        }  # fmt: skip
    return found


def _rounded(ends: tuple[float, float] | None) -> list[float] | None:
    return None if ends is None else [round(end, 4) for end in ends]


def drawn(
    work: Path, domain: str, layout: str, count: int, seed: int, size: tuple[int, int], split: str
) -> Dataset:  # fmt: skip
    """A generated set under `work`, drawn once."""
    root = work / f"{domain}-{count}-s{seed}"
    write_street(
        root, pictures=count, size=size, domain=domain, layout=layout, seed=seed,  # type: ignore[arg-type]
        split="train" if split == "all" else split,
    )  # fmt: skip
    return open_dataset(layout, root, split, CITYSCAPES_16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--camvid", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    predictor = Predictor(arguments.model, "cpu", threads=1)
    layout, count, seed, size = FITTED
    streets = drawn(arguments.work, "random", layout, count, seed, size, "all")
    learned = [*pictures(predictor, streets, "streets of the regression")]
    features = np.concatenate([seen.features() for seen in learned])
    wrong = np.concatenate([seen.wrong for seen in learned])
    fit = {name: LogisticRegression(max_iter=1000).fit(features[:, used], wrong) for name, used in USED.items()}
    found: dict[str, Any] = {
        "coefficients": {name: model.coef_[0].round(3).tolist() for name, model in fit.items()}, "sets": {}
    }  # fmt: skip
    sets = {
        f"{domain} streets": (domain, layout, pictures, seed, size, split)
        for domain, (layout, split, pictures, seed, size) in STREETS.items()
    }
    for name, words in sets.items():
        domain, layout, count, seed, size, split = words
        dataset = drawn(arguments.work, domain, layout, count, seed, size, split)
        found["sets"][name] = on_set(predictor, dataset, name, fit)
    if arguments.camvid:
        dataset = open_dataset("camvid", arguments.camvid, "val", CAMVID_11)
        found["sets"]["CamVid validation"] = on_set(predictor, dataset, "CamVid", fit)
    print(json.dumps(found, indent=1))
    if arguments.out:
        with written_whole(arguments.out) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
