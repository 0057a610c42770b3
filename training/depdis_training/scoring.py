"""A model over a data set: predictions at the pictures' size, compared with the truth there."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from depdis_deploy.manifest import Manifest
from depdis_deploy.preprocess import plan, to_frame
from depdis_deploy.progress import Progress
from depdis_deploy.taxonomy import IGNORE, Taxonomy

from .data.samples import FARTHEST_M, Dataset, Sample
from .depth_distribution import DepthDistribution
from .evaluation import DEPTH_METRICS, RowConstants, confusion, depth_metrics, mean_iou
from .figure_names import DENSITY_BY_ROWS, DENSITY_ERROR, DEPTH_BY_ROWS, depth_name
from .label_figures import class_view, label_figures
from .loading import canonical_depth, inverse_depth
from .models import Maps, Model


@dataclass
class Scores:
    """Sums over a data set; `summary` makes the figures of them."""

    taxonomy: Taxonomy
    confusion: NDArray[np.int64]
    depth: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(DEPTH_METRICS)))
    depth_pictures: int = 0
    density: float = 0.0
    density_pictures: int = 0
    depth_rows: RowConstants = field(default_factory=RowConstants)
    density_rows: RowConstants = field(default_factory=RowConstants)

    @property
    def miou(self) -> float:
        """Mean IoU over the truth's classes, 0..1."""
        return mean_iou(self.confusion)

    def summary(self) -> dict[str, float]:
        """Names to figures: IoU and accuracies in %, depth errors (means over pictures), density error 0..1."""
        figures = {name: float(value) for name, value in label_figures(self.confusion, self.taxonomy).items()}
        if self.depth_pictures:
            means = self.depth / self.depth_pictures
            figures |= {depth_name(key): float(mean) for key, mean in zip(DEPTH_METRICS, means, strict=True)}
            figures[DEPTH_BY_ROWS] = self.depth_rows.error(relative=True)
        if self.density_pictures:
            figures[DENSITY_ERROR] = self.density / self.density_pictures
            figures[DENSITY_BY_ROWS] = self.density_rows.error(relative=False)
        return figures


@dataclass(frozen=True)
class Seen:
    """What was found of one picture: labels (H, W) in the truth's classes, confusion matrix, depth errors and
    density error; None without truth or branch."""

    labels: NDArray[np.uint8]
    confusion: NDArray[np.int64]
    depth: dict[str, float] | None
    density_error: float | None


class Scorer:
    """Compares a model's maps with a set's truth, picture by picture; `scores` are the sums so far.

    Depth is compared without sky, in metres of the picture's camera where its focal length is known, up to
    `cap_m`; density against what `distribution` gives for the true labels and depth, where both are known.
    """

    def __init__(
        self, taxonomy: Taxonomy, manifest: Manifest, *, distribution: DepthDistribution | None = None,
        cap_m: float | None = None, align: str = "none",
    ) -> None:  # fmt: skip
        size = len(taxonomy)
        self.table = class_view(manifest.taxonomy, taxonomy)
        self.manifest, self.distribution, self.cap_m, self.align = manifest, distribution, cap_m, align
        self.scores = Scores(taxonomy, np.zeros((size, size), np.int64))

    def add(self, sample: Sample, maps: Maps) -> Seen:
        """The next picture; ValueError where it has no labels."""
        scores = self.scores
        if sample.labels is None:
            raise ValueError(f"{sample.name}: scoring needs labels, this picture has none")
        labels = self.table[maps.labels]
        counts = confusion(labels, sample.labels, len(scores.taxonomy))
        scores.confusion += counts
        depth = density_error = None
        if maps.depth_m is not None and sample.depth_m is not None:
            depth = self._depth(maps.depth_m, sample)
        if maps.density is not None and self.distribution is not None:
            density_error = self._density(maps.density, sample, self.distribution)
        return Seen(labels, counts, depth, density_error)

    def _depth(self, canonical_m: NDArray[np.float32], sample: Sample) -> dict[str, float] | None:
        truth = np.asarray(sample.depth_m)
        known = (truth > 0) & (truth < FARTHEST_M)
        if self.cap_m is not None:
            known &= truth <= self.cap_m
        if not known.any():
            return None
        prediction = in_picture_metres(canonical_m, sample, self.manifest)
        errors = depth_metrics(prediction[known], truth[known], self.cap_m, self.align)
        self.scores.depth += [errors[key] for key in DEPTH_METRICS]
        self.scores.depth_pictures += 1
        self.scores.depth_rows.add(truth, known)
        return errors

    def _density(
        self, density: NDArray[np.float32], sample: Sample, distribution: DepthDistribution
    ) -> float | None:
        truth = true_density(sample, distribution, self.manifest)
        if truth is None:
            return None
        known = (sample.labels != IGNORE) & (np.asarray(sample.depth_m) > 0)
        if not known.any():
            return None
        error = float(np.abs(density - truth)[known].mean())
        self.scores.density += error
        self.scores.density_pictures += 1
        self.scores.density_rows.add(truth, known)
        return error


def in_picture_metres(
    canonical_m: NDArray[np.float32], sample: Sample, manifest: Manifest
) -> NDArray[np.float32]:
    """(H, W) metres of the canonical camera as metres of the picture's, where both focal lengths are known."""
    if manifest.canonical_focal_px is None or sample.focal_px is None:
        return canonical_m
    geometry = plan((canonical_m.shape[1], canonical_m.shape[0]), manifest.resize)
    focal_px = sample.focal_px * geometry.content[0] / geometry.frame[0]
    return canonical_m * np.float32(focal_px / manifest.canonical_focal_px)


def true_density(
    sample: Sample, distribution: DepthDistribution, manifest: Manifest
) -> NDArray[np.float32] | None:
    """The density map, 0..1 at the picture's size, of its true labels and depth; None without either."""
    if sample.labels is None or sample.depth_m is None:
        return None
    geometry = plan((sample.image.shape[1], sample.image.shape[0]), manifest.resize)
    (wide, high), content = geometry.input, geometry.content
    scale = content[0] / geometry.frame[0]
    focal_px = None if sample.focal_px is None else sample.focal_px * scale
    scaled = Sample(sample.name, sample.image, sample.labels, sample.depth_m, focal_px)
    z = inverse_depth(canonical_depth(scaled, manifest.canonical_focal_px))
    labels = np.full((high, wide), IGNORE, np.uint8)
    depths = np.zeros((high, wide), np.float32)
    labels[: content[1], : content[0]] = cv2.resize(sample.labels, content, interpolation=cv2.INTER_NEAREST)
    depths[: content[1], : content[0]] = cv2.resize(z, content, interpolation=cv2.INTER_NEAREST)
    density = distribution.density(torch.from_numpy(labels)[None].long(), torch.from_numpy(depths)[None])
    return np.asarray(to_frame(density[0].numpy() / np.float32(255), geometry, smooth=False), np.float32)


def score(
    model: Model, dataset: Dataset, manifest: Manifest, *, distribution: DepthDistribution | None = None,
    pictures: int | None = None, cap_m: float | None = None, align: str = "none", what: str = "",
    quiet: bool = True,
) -> Scores:  # fmt: skip
    """A model's scores over (the first `pictures` of) a data set, as `Scorer` takes them."""
    scorer = Scorer(dataset.taxonomy, manifest, distribution=distribution, cap_m=cap_m, align=align)
    count = len(dataset) if pictures is None else min(pictures, len(dataset))
    progress = Progress(what, count, unit="pictures", quiet=quiet)
    for index in range(count):
        sample = dataset[index]
        scorer.add(sample, model(sample.image))
        progress.advance()
    progress.close()
    return scorer.scores
