"""Several models over one data set, in one pass: every figure of an evaluation, with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.manifest import Manifest, ResizeRule
from depdis_deploy.progress import Progress
from depdis_deploy.taxonomy import IGNORE

from . import bootstrap
from .boundary import BoundaryCounts
from .calibration import Calibration
from .data.samples import Dataset, Sample
from .depth_distribution import DepthDistribution
from .evaluation import DEPTH_METRICS, mean_iou
from .figure_names import BOUNDARY_IOU, CALIBRATION_ERROR, DENSITY_ERROR, FLIPS, depth_name
from .flips import Flips
from .label_figures import class_accuracy, label_figures, mean_of_known
from .loading import WholePictures
from .models import Maps, Model
from .scoring import Scorer, Seen


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One model to be evaluated.

    kind: `checkpoint` (as the paper evaluates), `deployed` (as the checkpoint's export makes its maps) or
        `exported` (a file, in its engine). reference: the title of the entry that it is compared with.
    padded: on the network's padded input instead of the pictures as they are (the release, on Mapillary).
    about: what the report says of it, plain values.
    """

    title: str
    model: Model
    manifest: Manifest
    kind: str
    reference: str | None = None
    padded: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Options:
    """pictures: at most so many, None: all. cap_m, align: of depth (see `depth_metrics`). rate: frames a second
    where the set is a film in order, None where it is none."""

    pictures: int | None = None
    cap_m: float | None = None
    align: str = "none"
    rate: float | None = None


class Results(NamedTuple):
    """Names to figures, and to the (R,) figures of the bootstrap's replicates."""

    figures: dict[str, float]
    replicates: dict[str, NDArray[np.float64]]


class Row:
    """One entry's sums over the set; `plain` is what `metrics.json` holds of it."""

    def __init__(self, entry: Entry, dataset: Dataset, options: Options) -> None:
        self.entry, self.taxonomy = entry, dataset.taxonomy
        manifest, classes = entry.manifest, len(dataset.taxonomy)
        try:
            distribution = DepthDistribution.from_dict(manifest.density) if manifest.density else None
        except ValueError as error:
            raise ValueError(f"{entry.title}: the mixtures in its description: {error}") from None
        self.scorer = Scorer(
            dataset.taxonomy, manifest, distribution=distribution, cap_m=options.cap_m, align=options.align
        )
        self.boundary, self.calibration = BoundaryCounts(classes), Calibration()
        self.flips = None if options.rate is None else Flips(options.rate)
        self.labels = bootstrap.Replicates((classes, classes))
        self.depth, self.density = bootstrap.Replicates((len(DEPTH_METRICS) + 1,)), bootstrap.Replicates((2,))
        self.mious: list[float] = []

    def add(self, index: int, sample: Sample, maps: Maps) -> Seen:
        """The set's picture number `index`."""
        seen = self.scorer.add(sample, maps)
        assert sample.labels is not None  # `Scorer.add` has looked
        weights = bootstrap.counts(index)
        self.labels.add(weights, seen.confusion)
        if seen.depth is not None:
            self.depth.add(weights, np.array([*(seen.depth[key] for key in DEPTH_METRICS), 1.0]))
        if seen.density_error is not None:
            self.density.add(weights, np.array([seen.density_error, 1.0]))
        self.boundary.add(seen.labels, sample.labels)
        if maps.confidence is not None:
            labelled = sample.labels != IGNORE
            self.calibration.add(maps.confidence[labelled], (seen.labels == sample.labels)[labelled])
        if self.flips is not None:
            self.flips.add(seen.labels, sample.labels)
        self.mious.append(100 * mean_iou(seen.confusion))
        return seen

    def figures(self) -> dict[str, float]:
        """Names to figures, those of `Scores.summary` and boundary IoU, calibration error and flips."""
        figures = self.scorer.scores.summary()
        classes = {name: figures.pop(name) for name in [*figures] if name.startswith(" ")}
        figures[BOUNDARY_IOU] = 100 * float(mean_of_known(self.boundary.iou()))
        if self.calibration.pixels.any():
            figures[CALIBRATION_ERROR] = 100 * self.calibration.error()
        if self.flips is not None:
            figures[FLIPS] = self.flips.per_second()
        return figures | classes

    def replicates(self) -> dict[str, NDArray[np.float64]]:
        """Names to (R,) figures of the bootstrap's replicates: all that are sums over pictures."""
        if len(self.mious) < bootstrap.LEAST_PICTURES:
            return {}
        found = label_figures(self.labels.sums, self.taxonomy)
        scores = self.scorer.scores
        with np.errstate(invalid="ignore", divide="ignore"):
            if scores.depth_pictures >= bootstrap.LEAST_PICTURES:
                means = self.depth.sums[:, :-1] / self.depth.sums[:, -1:]
                found |= {depth_name(key): means[:, place] for place, key in enumerate(DEPTH_METRICS)}
            if scores.density_pictures >= bootstrap.LEAST_PICTURES:
                found[DENSITY_ERROR] = self.density.sums[:, 0] / self.density.sums[:, 1]
        return found

    def results(self) -> Results:
        """The figures and replicates of all pictures so far."""
        return Results(self.figures(), self.replicates())

    def plain(self, own: Results, reference: Results | None) -> dict[str, Any]:
        """As JSON values; own: its `results`; reference: those of the entry's reference, where there is one."""
        confusion = self.scorer.scores.confusion
        entry = self.entry
        return {
            "kind": entry.kind, "about": dict(entry.about), "padded": entry.padded,
            "classes": list(self.taxonomy.names),
            "figures": {name: _plain(value) for name, value in own.figures.items()},
            "intervals": {name: bootstrap.interval(values) for name, values in own.replicates.items()},
            "difference": reference and {"from": entry.reference, **_difference(own, reference)},
            "confusion": confusion.tolist(),
            "class_accuracy": [_plain(100 * value) for value in class_accuracy(confusion)],
            "class_boundary_iou": [_plain(100 * value) for value in self.boundary.iou()],
            "reliability": self.calibration.plain(),
            "picture_miou": [_plain(value) for value in self.mious],
        }  # fmt: skip


def evaluate(
    entries: Sequence[Entry],
    dataset: Dataset,
    options: Options,
    *,
    what: str = "evaluation",
    quiet: bool = False,
) -> list[Row]:
    """A row for each entry; every picture is read once, and all models see it before the next.

    Memory does not grow with the set, but for a figure a picture. ValueError where an entry's classes cannot be
    scored on the set's.
    """
    rows = [Row(entry, dataset, options) for entry in entries]
    count = len(dataset) if options.pictures is None else min(options.pictures, len(dataset))
    progress = Progress(what, count, unit="pictures", quiet=quiet)
    for index in range(count):
        sample = dataset[index]
        padded: dict[ResizeRule, Sample] = {}
        for row in rows:
            seen = sample
            if row.entry.padded:
                rule = row.entry.manifest.resize
                if rule not in padded:
                    padded[rule] = as_input(sample, rule)
                seen = padded[rule]
            row.add(index, seen, row.entry.model(seen.image))
        progress.advance()
    progress.close()
    return rows


def as_input(sample: Sample, rule: ResizeRule) -> Sample:
    """A picture as the network's padded input, its truth beside it; what is padded is unlabelled."""
    return WholePictures(rule)(np.random.default_rng(0), sample)


def _difference(own: Results, reference: Results) -> dict[str, Any]:
    """Figures and paired intervals of what both have."""
    return {
        "figures": {
            name: _plain(value - reference.figures[name])
            for name, value in own.figures.items()
            if name in reference.figures
        },
        "intervals": {
            name: bootstrap.interval(values - reference.replicates[name])
            for name, values in own.replicates.items()
            if name in reference.replicates
        },
    }


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
