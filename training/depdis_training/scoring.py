"""A model over a data set: predictions at the pictures' size, compared with the truth there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from depdis_deploy.manifest import Manifest
from depdis_deploy.preprocess import Geometry, plan, to_frame, to_input
from depdis_deploy.progress import Progress
from depdis_deploy.taxonomy import (
    CAMVID_11,
    CITYSCAPES_7,
    CITYSCAPES_16,
    CLASSES_13,
    IGNORE,
    VIEW_7,
    VIEW_CAMVID,
    Taxonomy,
)

from .data.samples import FARTHEST_M, Dataset, Sample
from .depth_distribution import DepthDistribution
from .evaluation import DEPTH_METRICS, RowConstants, class_iou, confusion, depth_metrics, mean_iou, viewed
from .loading import canonical_depth, inverse_depth, network_images
from .network import Network

VIEWS = {
    (CITYSCAPES_16, CITYSCAPES_7): VIEW_7,
    (CITYSCAPES_16, CAMVID_11): VIEW_CAMVID,
}


@dataclass(frozen=True)
class Maps:
    """What a model says of a picture, at its (H, W): labels uint8, depth in metres of the canonical camera
    (of the picture's where the manifest names none), density 0..1; None without that branch."""

    labels: NDArray[np.uint8]
    depth_m: NDArray[np.float32] | None
    density: NDArray[np.float32] | None


Model = Callable[[NDArray[np.uint8]], Maps]


@dataclass
class Scores:
    """Sums over a data set; `summary` makes the figures of them."""

    taxonomy: Taxonomy
    confusion: NDArray[np.int64]
    depth: list[dict[str, float]] = field(default_factory=list)
    density_errors: list[float] = field(default_factory=list)
    depth_rows: RowConstants = field(default_factory=RowConstants)
    density_rows: RowConstants = field(default_factory=RowConstants)

    @property
    def miou(self) -> float:
        """Mean IoU over the truth's classes, 0..1."""
        return mean_iou(self.confusion)

    def summary(self) -> dict[str, float]:
        """Names to figures: IoU in %, depth errors (means over pictures), density error 0..1."""
        scores = 100 * class_iou(self.confusion)
        figures = {f"mIoU {len(self.taxonomy)} (%)": 100 * self.miou}
        if self.taxonomy == CITYSCAPES_16:
            kept = [self.taxonomy.index(name) for name in CLASSES_13]
            figures["mIoU 13 (%)"] = float(np.nanmean(scores[kept]))
            table = self.taxonomy.lookup(VIEW_7, CITYSCAPES_7)
            figures["mIoU 7 (%)"] = 100 * mean_iou(viewed(self.confusion, table, len(CITYSCAPES_7)))
        figures |= {f"  {name}": float(score) for name, score in zip(self.taxonomy.names, scores, strict=True)}
        if self.depth:
            figures |= {
                f"depth {key}": float(np.mean([row[key] for row in self.depth])) for key in DEPTH_METRICS
            }
            figures["depth abs_rel, best constant per row"] = self.depth_rows.error(relative=True)
        if self.density_errors:
            figures["density MAE"] = float(np.mean(self.density_errors))
            figures["density MAE, best constant per row"] = self.density_rows.error(relative=False)
        return figures


def class_view(model: Taxonomy, truth: Taxonomy) -> NDArray[np.uint8]:
    """The (256,) table from a model's labels to the truth's taxonomy; ValueError where there is none."""
    if model == truth:
        return np.arange(256, dtype=np.uint8)
    if (model, truth) not in VIEWS:
        raise ValueError(
            f"a model of {len(model)} classes ({', '.join(model.names[:3])}, ...) cannot be scored on "
            f"{len(truth)} classes ({', '.join(truth.names[:3])}, ...)"
        )
    return model.lookup(VIEWS[model, truth], truth)


def torch_model(network: Network, manifest: Manifest, device: torch.device | None = None) -> Model:
    """A network in evaluation mode as a Model: logits up-sampled (align_corners) to the picture, arg-max."""

    @torch.inference_mode()
    def predict(picture: NDArray[np.uint8]) -> Maps:
        geometry = plan((picture.shape[1], picture.shape[0]), manifest.resize)
        images = network_images(to_input(picture, geometry, manifest.resize)[None])
        training = network.training
        network.eval()
        output = network(images if device is None else images.to(device))
        network.train(training)
        depth_m = density = None
        if output.depth is not None:
            # between a thing and the sky behind it, metres on the way from one to the other are nobody's
            z = _framed(output.depth[0, 0].float().clamp(1, 65536).cpu().numpy(), geometry)
            depth_m = np.asarray((65536 / z - 1) / 100, np.float32)
        if output.density is not None:
            density = _framed((output.density[0, 0].float().clamp(0, 255) / 255).cpu().numpy(), geometry)
        return Maps(_labels(output.segmentation.float(), geometry), depth_m, density)

    return predict


def exported_model(path: Path) -> tuple[Model, Manifest]:
    """An exported model (.onnx, ...) as a Model, run by the runtime as users run it, with its manifest.

    A file is computed in its own precision; `auto` might take bf16, and scores would depend on the machine.
    """
    from depdis_deploy import Predictor

    predictor = Predictor(path, "auto" if path.suffix.lower() == ".engine" else "cpu")
    outputs = predictor.manifest.outputs

    def predict(picture: NDArray[np.uint8]) -> Maps:
        prediction = predictor(picture)
        return Maps(
            prediction.labels,
            prediction.depth if "depth" in outputs else None,
            prediction.density if "density" in outputs else None,
        )

    return predict, predictor.manifest


def _labels(logits: torch.Tensor, geometry: Geometry) -> NDArray[np.uint8]:
    (wide, high), (width, height) = geometry.input, geometry.content
    if geometry.content != geometry.input:
        # padding can only be cut off at the input's size
        logits = functional.interpolate(logits, (high, wide), mode="bilinear", align_corners=True)
        logits = logits[:, :, :height, :width]
    size = geometry.frame[::-1]
    logits = functional.interpolate(logits, size, mode="bilinear", align_corners=True)
    return logits[0].argmax(0).to(torch.uint8).cpu().numpy()


def _framed(values: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    return np.asarray(to_frame(values, geometry, smooth=True), np.float32)


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
    """A model's scores over (the first `pictures` of) a data set.

    Depth is compared without sky, in metres of the picture's camera where its focal length is known, up to
    `cap_m`; density against what `distribution` gives for the true labels and depth, where both are known.
    """
    table = class_view(manifest.taxonomy, dataset.taxonomy)
    size = len(dataset.taxonomy)
    scores = Scores(dataset.taxonomy, np.zeros((size, size), np.int64))
    count = len(dataset) if pictures is None else min(pictures, len(dataset))
    progress = Progress(what, count, unit="pictures", quiet=quiet)
    for index in range(count):
        sample = dataset[index]
        maps = model(sample.image)
        if sample.labels is None:
            raise ValueError(f"{sample.name}: scoring needs labels, this picture has none")
        scores.confusion += confusion(table[maps.labels], sample.labels, size)
        if maps.depth_m is not None and sample.depth_m is not None:
            _score_depth(scores, maps.depth_m, sample, manifest, cap_m, align)
        if maps.density is not None and distribution is not None:
            truth = true_density(sample, distribution, manifest)
            if truth is not None:
                known = (sample.labels != IGNORE) & (np.asarray(sample.depth_m) > 0)
                if known.any():
                    scores.density_errors.append(float(np.abs(maps.density - truth)[known].mean()))
                    scores.density_rows.add(truth, known)
        progress.advance()
    progress.close()
    return scores


def _score_depth(
    scores: Scores,
    canonical_m: NDArray[np.float32],
    sample: Sample,
    manifest: Manifest,
    cap_m: float | None,
    align: str,
) -> None:
    truth = np.asarray(sample.depth_m)
    known = (truth > 0) & (truth < FARTHEST_M)
    if cap_m is not None:
        known &= truth <= cap_m
    if not known.any():
        return
    prediction = canonical_m
    if manifest.canonical_focal_px is not None and sample.focal_px is not None:
        geometry = plan((truth.shape[1], truth.shape[0]), manifest.resize)
        focal_px = sample.focal_px * geometry.content[0] / geometry.frame[0]
        prediction = canonical_m * np.float32(focal_px / manifest.canonical_focal_px)
    scores.depth.append(depth_metrics(prediction[known], truth[known], cap_m, align))
    scores.depth_rows.add(truth, known)


def figures(scores: Scores) -> dict[str, Any]:
    """Everything of `scores` as plain JSON values, the confusion matrix included."""
    return {
        "classes": list(scores.taxonomy.names),
        "confusion": scores.confusion.tolist(),
        "figures": {key: None if np.isnan(value) else value for key, value in scores.summary().items()},
    }
