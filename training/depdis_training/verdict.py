"""Start or result: which network to deliver after an adaptation to pictures without labels.

Nothing on the target itself says whether a network got better there: it may be as sure and as consistent in
what it sees wrongly, and the networks that got worse were often the more consistent ones. What can be known is
what a network still sees in generated streets that it was not trained on, as they are and given the target's
colours and noise: a stand-in for the target whose labels are known. How often the verdict is right:
docs/adapting.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.manifest import Manifest

from .data.samples import Dataset, Sample
from .evaluation import confusion, mean_iou
from .models import Model, torch_model
from .network import Network

# Points of mIoU (percent) from start to result, and an agreement, that the verdict turns on.
LEAST_GAIN, MOST_LOST, LEAST_AGREEMENT = 0.0, 3.0, 55.0


@dataclass(frozen=True)
class Figures:
    """What can be known of a network, each a mean IoU in %.

    retained: on labelled pictures of the source that were kept from the training.
    in_look: on the same with the target's colours and noise.
    consistency: between its labels of target pictures and of their mirror images; for information, the
        verdict does not turn on it.
    """

    retained: float
    in_look: float
    consistency: float


@dataclass(frozen=True)
class Verdict:
    """keep: whether the result is delivered, and not the start; reason: in a line."""

    keep: bool
    reason: str
    start: Figures
    result: Figures
    agreement: float

    def plain(self) -> dict[str, Any]:
        """As `verdict.json` holds it."""
        return {"delivered": "result" if self.keep else "start", **asdict(self)}


def judge(start: Figures, result: Figures, agreement: float) -> Verdict:
    """The verdict on two networks' figures and the mean IoU in % between their labels of target pictures.

    A figure that is no number is a reason to keep the start.
    """
    in_look, retained = result.in_look - start.in_look, result.retained - start.retained
    gain = (in_look + retained) / 2
    gained = (
        f"labelled streets: {gain:+.1f} mIoU, in the target's look {in_look:+.1f}, as they are {retained:+.1f}"
    )
    for fine, reason in (
        # the target is somewhere between both
        (gain > LEAST_GAIN, gained),
        (min(in_look, retained) >= -MOST_LOST, gained),
        (agreement >= LEAST_AGREEMENT, f"too unlike the start on the target to trust: {agreement:.0f} mIoU"),
    ):
        if not fine:
            return Verdict(False, reason, start, result, agreement)
    return Verdict(True, gained, start, result, agreement)


def judged(
    start: Network, result: Network, source: Dataset, target: Dataset, manifest: Manifest, *, pictures: int
) -> Verdict:
    """The verdict on two networks by at most `pictures` of each set, evenly spread.

    source: with labels; target: need have none; neither was trained on. ValueError for a picture of the source
    without labels.
    """
    before, after = (
        figures(network, source, target, manifest, pictures=pictures) for network in (start, result)
    )
    images = [sample.image for sample in _spread(target, pictures)]
    one, other = (_model(network, manifest) for network in (start, result))
    seen = [other(image).labels for image in images]
    return judge(before, after, _miou(one, images, seen, len(manifest.taxonomy)))


def figures(
    network: Network, source: Dataset, target: Dataset, manifest: Manifest, *, pictures: int
) -> Figures:
    """A network's figures on at most `pictures` of each set, evenly spread."""
    model, classes = _model(network, manifest), len(manifest.taxonomy)
    labelled, seen = _spread(source, pictures), [sample.image for sample in _spread(target, pictures)]
    truth = []
    for sample in labelled:
        if sample.labels is None:
            raise ValueError(f"{sample.name}: the verdict needs the source's labels, this picture has none")
        truth.append(sample.labels)
    look = Look(seen)
    images = [sample.image for sample in labelled]
    return Figures(
        retained=_miou(model, images, truth, classes),
        in_look=_miou(model, [look(image) for image in images], truth, classes),
        consistency=_agreement(model, seen, classes),
    )


class Look:
    """The colours and the noise of some pictures, to be given to others.

    Colours: each channel's levels are mapped so that they are as often as in all the pictures together. Noise:
    white, as much as the pictures' has more than the mapped one's own; the same for every call on one picture.
    """

    def __init__(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        self.cumulated = _cumulated(pictures)
        self.noise = float(np.median([noise_level(picture) for picture in pictures]))

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB in this look."""
        mapped = np.empty_like(picture)
        for channel, (own, theirs) in enumerate(zip(_cumulated([picture]), self.cumulated, strict=True)):
            # the first level up to which they have as many; the margin is for sums that differ by rounding
            levels = np.searchsorted(theirs, own - 1e-9).clip(max=255).astype(np.uint8)
            mapped[..., channel] = levels[picture[..., channel]]
        missing = math.sqrt(max(0.0, self.noise**2 - noise_level(mapped) ** 2))
        noisy = mapped + np.random.default_rng(0).normal(0, 1, mapped.shape) * missing
        return np.asarray(np.clip(noisy.round(), 0, 255), np.uint8)


def noise_level(picture: NDArray[np.uint8]) -> float:
    """The standard deviation of a picture's noise in grey levels.

    Of the grey picture by Immerkaer's mask, which ramps and straight edges leave alone (Fast noise variance
    estimation, 1996), with a median in place of his mean, for texture.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(grey, -1, mask)[1:-1, 1:-1])
    return float(np.median(response)) / 0.6745 / 6


def _cumulated(pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float64]]:
    """For each channel, (256,) the share of pixels up to each level."""
    shares = []
    for channel in range(3):
        counts = sum(np.bincount(picture[..., channel].ravel(), minlength=256) for picture in pictures)
        shares.append(np.cumsum(counts) / np.sum(counts))
    return shares


def _model(network: Network, manifest: Manifest) -> Model:
    return torch_model(network, manifest, next(network.parameters()).device)


def _spread(dataset: Dataset, most: int) -> list[Sample]:
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(most, len(dataset))).round().astype(int))
    return [dataset[int(index)] for index in chosen]


def _miou(
    model: Model, images: Sequence[NDArray[np.uint8]], truth: Sequence[NDArray[np.uint8]], classes: int
) -> float:
    counts = [
        confusion(model(image).labels, labels, classes) for image, labels in zip(images, truth, strict=True)
    ]
    return 100 * mean_iou(np.sum(counts, axis=0))


def _agreement(model: Model, images: Sequence[NDArray[np.uint8]], classes: int) -> float:
    def mirrored(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(values[:, ::-1])

    counts = [
        confusion(mirrored(model(mirrored(image)).labels), model(image).labels, classes) for image in images
    ]
    return 100 * mean_iou(np.sum(counts, axis=0))
