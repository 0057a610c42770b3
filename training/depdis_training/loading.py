"""Batches for training: batch k is a pure function of the seed and k, so that resuming needs only the step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depdis_deploy.command import InputError
from depdis_deploy.manifest import IMAGENET_MEAN_BGR, ResizeRule
from depdis_deploy.preprocess import plan, to_input
from depdis_deploy.taxonomy import IGNORE

from .augment import draw_view, jitter_colour, take_view
from .data.samples import FARTHEST_M, Dataset, Sample

Item = TypeVar("Item")


@dataclass(frozen=True)
class Batch:
    """images (B, 3, H, W) float32, BGR 0..255 minus the ImageNet mean; labels (B, H, W) uint8, 255 ignored;
    inverse_depth (B, H, W) float32, 65536/(cm + 1) of the canonical depth, 0 where unknown."""

    images: Tensor
    labels: Tensor
    inverse_depth: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; from pinned memory the copy is awaited on the device alone."""
        parts = (self.images, self.labels, self.inverse_depth)
        return Batch(*(part.to(device, non_blocking=True) for part in parts))

    def pinned(self) -> Batch:
        """The same batch in memory that a GPU copies from without halting the host."""
        return Batch(self.images.pin_memory(), self.labels.pin_memory(), self.inverse_depth.pin_memory())


def network_images(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) uint8 RGB -> (B, 3, H, W) float32 BGR minus the mean, channels-last in memory."""
    values = pictures[..., ::-1].astype(np.float32) - np.array(IMAGENET_MEAN_BGR, np.float32)
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def canonical_depth(sample: Sample, canonical_focal_px: float | None) -> NDArray[np.float32]:
    """The sample's depth in metres as the canonical camera would see it; 0 where unknown, sky unchanged.

    A pixel of a camera with focal length f at depth d looks like one at d * f_canonical / f.
    """
    if sample.depth_m is None:
        return np.zeros(sample.image.shape[:2], np.float32)
    if canonical_focal_px is None:
        return sample.depth_m
    if sample.focal_px is None:
        raise ValueError(
            f"{sample.name}: its focal length is not known, which canonical depth needs; "
            "set input.canonical_focal_px to null to learn the depth of this one camera"
        )
    depth_m = sample.depth_m * np.float32(canonical_focal_px / sample.focal_px)
    return np.where(sample.depth_m >= FARTHEST_M, np.float32(FARTHEST_M), np.minimum(depth_m, FARTHEST_M))


def inverse_depth(depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Metres to z = 65536/(cm + 1); 0 (unknown) stays 0."""
    return np.where(depth_m > 0, np.float32(65536) / (depth_m * np.float32(100) + 1), np.float32(0))


@dataclass(frozen=True)
class RandomViews:
    """Random views of `crop` (width, height) pixels (see `augment`)."""

    crop: tuple[int, int]
    scale: tuple[float, float]
    flip: float
    colour: float

    def __call__(self, rng: np.random.Generator, sample: Sample) -> Sample:
        height, width = sample.image.shape[:2]
        view = draw_view(rng, (width, height), self.crop, self.scale, self.flip)
        sample = take_view(sample, view, self.crop)
        return replace(sample, image=jitter_colour(rng, sample.image, self.colour))


@dataclass(frozen=True)
class WholePictures:
    """Whole pictures at the input's one size, as the paper has them.

    Labels and depth by the nearest pixel; what a rule pads is unlabelled and of unknown depth.
    """

    rule: ResizeRule

    def __call__(self, rng: np.random.Generator, sample: Sample) -> Sample:
        height, width = sample.image.shape[:2]
        geometry = plan((width, height), self.rule)

        def whole(values: NDArray[Any], padding: float) -> NDArray[Any]:
            if values.shape[1::-1] != geometry.content:
                values = cv2.resize(values, geometry.content, interpolation=cv2.INTER_NEAREST_EXACT)
            right, below = (geometry.input[side] - geometry.content[side] for side in (0, 1))
            return np.pad(values, ((0, below), (0, right)), constant_values=padding)

        return replace(
            sample,
            image=to_input(sample.image, geometry, self.rule),
            labels=None if sample.labels is None else whole(sample.labels, IGNORE),
            depth_m=None if sample.depth_m is None else whole(sample.depth_m, 0),
            focal_px=None if sample.focal_px is None else sample.focal_px * geometry.content[0] / width,
        )


Take = RandomViews | WholePictures


class Batches:
    """The training batches of a data set: random pictures without repetition, taken as `take` says.

    Picture p of the whole training (p = k * size + its place in batch k) is entry p mod n of the
    permutation of epoch p div n; its view is drawn from (seed, p). labelled False: whatever truth the set
    has is not given away; every pixel is unlabelled.
    """

    def __init__(
        self, dataset: Dataset, *, size: int, seed: int, take: Take, canonical_focal_px: float | None,
        labelled: bool = True,
    ) -> None:  # fmt: skip
        self.dataset, self.size, self.seed, self.take, self.labelled = dataset, size, seed, take, labelled
        self.canonical_focal_px = canonical_focal_px

    def __call__(self, step: int) -> Batch:
        """Batch number `step`, counted from 0."""
        samples = [self._sample(step * self.size + place) for place in range(self.size)]
        labels = np.stack([self._labels(sample) for sample in samples])
        depths_m = np.stack([canonical_depth(sample, self.canonical_focal_px) for sample in samples])
        return Batch(
            network_images(np.stack([sample.image for sample in samples])),
            torch.from_numpy(labels),
            torch.from_numpy(inverse_depth(depths_m)),
        )

    def _sample(self, place: int) -> Sample:
        epoch, entry = divmod(place, len(self.dataset))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.dataset))
        sample = self.dataset[int(order[entry])]
        if not self.labelled:
            sample = replace(sample, labels=None, depth_m=None)
        return self.take(np.random.default_rng([self.seed, 1, place]), sample)

    def _labels(self, sample: Sample) -> NDArray[np.uint8]:
        if sample.labels is not None:
            return sample.labels
        if self.labelled:
            raise InputError(f"{sample.name}: training needs labels, this picture has none")
        return np.full(sample.image.shape[:2], IGNORE, np.uint8)


def ahead(
    make: Callable[[int], Item], first: int, end: int, *, threads: int = 1, depth: int = 3
) -> Generator[Item]:
    """make(first), ..., make(end - 1) in order, up to `depth` of them made ahead in background threads."""
    with ThreadPoolExecutor(threads, thread_name_prefix="batches") as pool:
        waiting: deque[Future[Item]] = deque()
        following = first
        try:
            for _ in range(first, end):
                while following < end and len(waiting) < depth:
                    waiting.append(pool.submit(make, following))
                    following += 1
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
