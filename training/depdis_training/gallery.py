"""Pictures for a report: best, median and worst of a model; the same frames by several models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.colours import density_colours, depth_colours, label_colours
from depdis_deploy.taxonomy import IGNORE, Taxonomy

from .data.samples import Dataset, Sample
from .depth_distribution import DepthDistribution
from .evaluated import Row, as_input
from .models import Maps
from .scoring import in_picture_metres, true_density

WIDTH = 560
COMPARED_FRAMES, BOXES = 4, 2
_WRONG, _BOX = (232, 56, 44), (255, 214, 10)


@dataclass(frozen=True)
class Tile:
    """One map as a picture (H, W, 3) uint8 RGB; kind: photo, labels, error, depth or density."""

    title: str
    kind: str
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class Example:
    """One picture of the set in several maps. key: a word for file names; note: what its figures are."""

    key: str
    title: str
    note: str
    tiles: tuple[Tile, ...]


class Box(NamedTuple):
    """A part of a picture, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def examples(row: Row, dataset: Dataset) -> list[Example]:
    """The best, the median and the worst picture of a row by the picture's own mIoU."""
    order = [index for index in np.argsort(row.mious, kind="stable") if not np.isnan(row.mious[index])]
    if not order:
        return []
    places = (("best", order[-1]), ("median", order[len(order) // 2]), ("worst", order[0]))
    found, shown = [], set()
    for key, index in places:
        if index in shown:  # a set of one or two pictures
            continue
        shown.add(index)
        sample = seen_by(row, dataset[int(index)])
        maps = row.entry.model(sample.image)
        note = f"mIoU {row.mious[index]:.1f} % over the classes in it"
        found.append(Example(key, f"{key.capitalize()}: {sample.name}", note, tuple(_tiles(row, sample, maps))))
    return found


def seen_by(row: Row, sample: Sample) -> Sample:
    """The picture as the row is scored on it."""
    return as_input(sample, row.entry.manifest.resize) if row.entry.padded else sample


def compared(rows: Sequence[Row], dataset: Dataset) -> list[Example]:
    """The frames on which the rows' mIoU differs most, a prediction each, boxed where they differ most."""
    spread = np.ptp([row.mious for row in rows], axis=0)
    order = [int(index) for index in np.argsort(-spread, kind="stable") if spread[index] > 0]
    found = []
    for number, index in enumerate(order[:COMPARED_FRAMES], 1):
        sample = dataset[index]
        assert sample.labels is not None
        predicted = [row.scorer.table[row.entry.model(sample.image).labels] for row in rows]
        boxes = differing(predicted, sample.labels)
        tiles = [Tile("Input", "photo", _small(sample.image))]
        tiles.append(Tile("Truth", "labels", _labels(sample.labels, dataset.taxonomy)))
        tiles += [
            Tile(f"{row.entry.title}: {row.mious[index]:.1f} %", "labels", _labels(labels, dataset.taxonomy))
            for row, labels in zip(rows, predicted, strict=True)
        ]
        size = sample.labels.shape[::-1]
        boxed = tuple(Tile(tile.title, tile.kind, _boxed(tile.image, boxes, size)) for tile in tiles)
        note = f"mIoU in this picture from {min(row.mious[index] for row in rows):.1f} to "
        note += f"{max(row.mious[index] for row in rows):.1f} %"
        found.append(Example(f"compared-{number}", sample.name, note, boxed))
    return found


def differing(
    predicted: Sequence[NDArray[np.uint8]], truth: NDArray[np.uint8], boxes: int = BOXES
) -> list[Box]:
    """Up to `boxes` windows apart from each other, a quarter of the picture wide and a third high: those with
    the most labelled pixels that two predictions call differently."""
    height, width = truth.shape
    high, wide = max(1, height // 3), max(1, width // 4)
    others = np.any([labels != predicted[0] for labels in predicted[1:]], axis=0) & (truth != IGNORE)
    left = np.ascontiguousarray(others, np.uint8)
    found: list[Box] = []
    for _ in range(boxes):
        total = cv2.integral(left)  # (H + 1, W + 1)
        sums = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
        top, across = np.unravel_index(int(sums.argmax()), sums.shape)
        if sums[top, across] == 0:
            break
        box = Box(int(across), int(top), int(across) + wide, int(top) + high)
        found.append(box)
        # no window that touches this one comes again
        left[max(0, box.top - high) : box.bottom + high, max(0, box.left - wide) : box.right + wide] = 0
    return found


def _tiles(row: Row, sample: Sample, maps: Maps) -> list[Tile]:
    manifest, truth = row.entry.manifest, sample.labels
    assert truth is not None
    labels = row.scorer.table[maps.labels]
    tiles = [
        Tile("Input", "photo", _small(sample.image)),
        Tile("Truth", "labels", _labels(truth, row.taxonomy)),
        Tile("Prediction", "labels", _labels(labels, row.taxonomy)),
        Tile("Error", "error", error_picture(sample.image, labels, truth)),
    ]
    if maps.depth_m is not None:
        metres = in_picture_metres(maps.depth_m, sample, manifest)
        tiles.append(Tile("Depth, predicted", "depth", depth_colours(_small(metres))))
        if sample.depth_m is not None:
            picture = _where(depth_colours, sample.depth_m, sample.depth_m > 0)
            tiles.append(Tile("Depth, true", "depth", picture))
    if maps.density is not None:
        tiles.append(Tile("Density, predicted", "density", density_colours(_small(maps.density))))
        density = None
        if manifest.density is not None:
            density = true_density(sample, DepthDistribution.from_dict(manifest.density), manifest)
        if density is not None:
            known = (truth != IGNORE) & (np.asarray(sample.depth_m) > 0)
            tiles.append(Tile("Density of the truth", "density", _where(density_colours, density, known)))
    return tiles


def _where(
    colours: Callable[[NDArray[np.float32]], NDArray[np.uint8]],
    values: NDArray[np.float32],
    known: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """A map in its colours, black where it is not known."""
    picture = colours(_nearest(values))
    picture[_nearest(known.astype(np.uint8)) == 0] = 0
    return picture


def error_picture(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], truth: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The picture in grey, wrong pixels in red, unlabelled ones dark."""
    grey = np.repeat(_small(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[..., None], 3, axis=2)
    shown = np.asarray(grey * 0.55 + 60, np.uint8)
    known = _nearest(truth)
    shown[(_nearest(labels) != known) & (known != IGNORE)] = _WRONG
    shown[known == IGNORE] //= 4
    return shown


def _labels(labels: NDArray[np.uint8], taxonomy: Taxonomy) -> NDArray[np.uint8]:
    return label_colours(_nearest(labels), taxonomy.palette)


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    width = min(WIDTH, shape[1])
    return width, max(1, round(width * shape[0] / shape[1]))


def _small(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(cv2.resize(values, _size(values.shape), interpolation=cv2.INTER_AREA))


def _nearest(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(cv2.resize(values, _size(values.shape), interpolation=cv2.INTER_NEAREST_EXACT))


def _boxed(image: NDArray[np.uint8], boxes: Sequence[Box], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The boxes of a picture of `size` (width, height) on its smaller copy."""
    shown = image.copy()
    across, down = image.shape[1] / size[0], image.shape[0] / size[1]
    for box in boxes:
        corner = (round(box.left * across), round(box.top * down))
        opposite = (round(box.right * across) - 1, round(box.bottom * down) - 1)
        for colour, thick in (((0, 0, 0), 4), (_BOX, 2)):
            cv2.rectangle(shown, corner, opposite, colour, thick)
    return shown
