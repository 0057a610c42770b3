"""What a training set's classes are like: the mixtures of eq. 5 and pixel counts, each found only once.

What was found is kept under a cache folder by the content that it depends on: the set's names, a sample of its
labels and depth, and the settings. A set that moved is known again; one whose labels changed is counted anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.files import written_whole
from depdis_deploy.json_files import read_json
from depdis_deploy.progress import tracked
from depdis_deploy.taxonomy import IGNORE

from .data.samples import FARTHEST_M, Dataset, Sample
from .deployed import metres
from .depth_distribution import DepthDistribution
from .grids import sampled
from .loading import Batches, ahead

FOLDER = "statistics"  # below the cache folder
FINGERPRINT_PICTURES = 32
_FINGERPRINT_THREADS = 4
_FORMAT = 2  # of the files in the cache
# 1 m to the sky's 655.35 m in steps of 3 %; what is nearer is in the first.
DEPTH_EDGES_M = np.geomspace(1, 655.36, 220)


@dataclass(frozen=True)
class ClassDepths:
    """How far away each class is, on the feature grid.

    counts: (C, bins) pixels by depth, between DEPTH_EDGES_M; total_m: (C,) sum of their depths in metres. Depth
    is that of the views: of the canonical camera where there is one. The sky counts as 655.35 m.
    """

    counts: NDArray[np.int64]
    total_m: NDArray[np.float64]

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(C,) pixels with a class and a depth."""
        return np.asarray(self.counts.sum(axis=1), np.int64)

    def mean_m(self) -> NDArray[np.float64]:
        """(C,) mean depth in metres; NaN for a class without pixels."""
        pixels = self.pixels
        means = np.divide(self.total_m, pixels, out=np.full(len(pixels), np.nan), where=pixels > 0)
        return np.asarray(means, np.float64)

    def median_m(self) -> NDArray[np.float64]:
        """(C,) median depth in metres, to within a bin's 3 %; NaN for a class without pixels."""
        middles = np.sqrt(DEPTH_EDGES_M[:-1] * DEPTH_EDGES_M[1:])
        middles[-1] = FARTHEST_M  # nothing but the sky is in the last bin
        place = (np.cumsum(self.counts, axis=1) * 2 < self.pixels[:, None]).sum(axis=1)
        median_m = middles[np.minimum(place, len(middles) - 1)]
        return np.asarray(np.where(self.pixels > 0, median_m, np.nan), np.float64)


@dataclass(frozen=True)
class Fitted:
    """What one pass over a set gives."""

    distribution: DepthDistribution
    depths: ClassDepths


def fit_source_mixtures(
    cache: Path, batches: Batches, grid: tuple[int, int], *, num_classes: int, components: int, per_class: int,
    pictures: int, seed: int, scale: float | Literal["data"], variance_floor: float,
) -> DepthDistribution:  # fmt: skip
    """The class-wise mixtures of the source on the network's own inputs, in one pass over them.

    Fitted on the views that the network will see in training, since density depends on where in the input a
    pixel stands. grid: (h, w) of the network's feature grid for those views; pictures: at most so many of
    them; per_class: points kept of each class, so that memory does not grow with the set.
    InputError where no pixel has both a label and a depth. A class without pixels is in `unseen`.
    """
    return fit_set(
        cache, batches, grid, num_classes=num_classes, components=components, per_class=per_class,
        pictures=pictures, seed=seed, scale=scale, variance_floor=variance_floor,
    ).distribution  # fmt: skip


def fit_set(
    cache: Path, batches: Batches, grid: tuple[int, int], *, num_classes: int, components: int, per_class: int,
    pictures: int, seed: int, scale: float | Literal["data"], variance_floor: float, what: str = "mixtures",
) -> Fitted:  # fmt: skip
    """As `fit_source_mixtures`, with the classes' depths from the same pass. what: of the progress line."""
    settings = {
        "grid": grid, "classes": num_classes, "components": components, "per_class": per_class, "seed": seed,
        "scale": scale, "variance_floor": variance_floor,
    }  # fmt: skip
    path = _place(cache, "mixtures", batches, pictures, settings)
    if not path.exists():
        depths = ClassDepths(
            np.zeros((num_classes, len(DEPTH_EDGES_M) - 1), np.int64), np.zeros(num_classes, np.float64)
        )
        distribution = DepthDistribution.fit(
            _grids(batches, grid, pictures, f"{what}: reading", depths), num_classes, components=components,
            per_class=per_class, seed=seed, scale=scale, variance_floor=variance_floor,
        )  # fmt: skip
        _write_json(
            path,
            {
                "mixtures": distribution.to_dict(),
                "depths": {"counts": depths.counts.tolist(), "total_m": depths.total_m.tolist()},
            },
        )
    return _read_fitted(path, num_classes)


def count_classes(cache: Path, batches: Batches, *, num_classes: int, pictures: int) -> NDArray[np.int64]:
    """(C,) pixel counts of the first `pictures` training views, for weights and minimum sizes (eq. 12)."""
    path = _place(cache, "counts", batches, pictures, {"classes": num_classes})
    if not path.exists():
        counts = np.zeros(256, np.int64)
        rounds = _rounds(batches, pictures)
        for batch in tracked(ahead(batches, 0, rounds), "classes: counting", rounds):
            counts += np.bincount(batch.labels.numpy().ravel(), minlength=256)
        _write_json(path, counts[:num_classes].tolist())
    return read_counts(path, num_classes)


def read_counts(path: Path, num_classes: int) -> NDArray[np.int64]:
    """Return the (C,) pixel counts in a JSON file; InputError where it holds anything else."""
    return _integers(read_json(path, list), (num_classes,), path)


def _read_fitted(path: Path, num_classes: int) -> Fitted:
    found = read_json(path, dict)
    depths = found.get("depths")
    if not isinstance(depths, dict) or not isinstance(found.get("mixtures"), dict):
        raise _not_statistics(path)
    try:
        distribution = DepthDistribution.from_dict(found["mixtures"])
        total_m = np.array(depths.get("total_m"), np.float64)
    except (TypeError, ValueError):
        raise _not_statistics(path) from None
    counts = _integers(depths.get("counts"), (num_classes, len(DEPTH_EDGES_M) - 1), path)
    if distribution.num_classes != num_classes or total_m.shape != (num_classes,):
        raise _not_statistics(path)
    return Fitted(distribution, ClassDepths(counts, total_m))


def _integers(values: Any, shape: tuple[int, ...], path: Path) -> NDArray[np.int64]:
    try:
        found = np.array(values)
    except ValueError:  # lists of unequal lengths
        raise _not_statistics(path) from None
    if found.shape != shape or found.dtype.kind != "i" or (found < 0).any():
        raise _not_statistics(path)
    return found.astype(np.int64)


def _not_statistics(path: Path) -> InputError:
    return InputError(
        f"{path}: not the statistics of this data set; remove the file, and they are counted again"
    )


def without_pixels(unseen: Sequence[int], names: Sequence[str]) -> str | None:
    """The line that says which classes the source does not have; None where it has all."""
    if not unseen:
        return None
    listed = ", ".join(names[index] for index in unseen)
    return f"no pixel with a depth in the source: {listed}; their density is 0 and they are never learned"


def fingerprint(dataset: Dataset) -> str:
    """Hexadecimal digits of a set's content: its classes, names, and labels and depth of an even sample."""
    digest = hashlib.sha256(repr((dataset.taxonomy.names, list(dataset.names))).encode())
    count = min(FINGERPRINT_PICTURES, len(dataset))
    chosen = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int))
    with ThreadPoolExecutor(_FINGERPRINT_THREADS, thread_name_prefix="fingerprint") as pool:
        for one in pool.map(lambda index: _sample_digest(dataset[int(index)]), chosen):
            digest.update(one)
    return digest.hexdigest()


def _sample_digest(sample: Sample) -> bytes:
    digest = hashlib.sha256(repr((sample.image.shape, sample.focal_px)).encode())
    for values in (sample.labels, sample.depth_m):
        digest.update(b"none" if values is None else np.ascontiguousarray(values).data)
    return digest.digest()


def _place(cache: Path, what: str, batches: Batches, pictures: int, settings: dict[str, Any]) -> Path:
    """The file of what these views and settings give."""
    views = {
        "views": repr(batches.take), "seed": batches.seed,
        "canonical_focal_px": batches.canonical_focal_px, "pictures": _rounds(batches, pictures) * batches.size,
    }  # fmt: skip
    whole = json.dumps([_FORMAT, fingerprint(batches.dataset), views, settings], sort_keys=True)
    return cache / FOLDER / f"{what}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}.json"


def _rounds(batches: Batches, pictures: int) -> int:
    return max(1, min(pictures, len(batches.dataset)) // batches.size)


def _grids(
    batches: Batches, grid: tuple[int, int], pictures: int, what: str, depths: ClassDepths
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """(h, w) labels and inverse depth of the training views on the feature grid; `depths` counts them."""
    rounds = _rounds(batches, pictures)
    for batch in tracked(ahead(batches, 0, rounds), what, rounds):
        labels, z = (sampled(of, grid).numpy() for of in (batch.labels, batch.inverse_depth))
        _count(depths, labels, z)
        yield from zip(labels, z, strict=True)
    if not depths.counts.any():
        raise InputError(
            f"{what.partition(':')[0]}: the set has no pixel with both a class and a depth, which they are "
            "fitted to; `depdis-data check` on its root says what is missing"
        )


def _count(depths: ClassDepths, labels: NDArray[np.uint8], z: NDArray[np.float32]) -> None:
    known = (labels != IGNORE) & (z > 0)
    classes, depth_m = labels[known].astype(np.int64), metres(z[known].astype(np.float64))
    number, bins = depths.counts.shape
    if classes.size and classes.max() >= number:
        raise ValueError(f"labels are 0..{number - 1} or {IGNORE}, got {classes.max()}")
    place = np.clip(np.searchsorted(DEPTH_EDGES_M, depth_m, "right") - 1, 0, bins - 1)
    depths.counts[:] += np.bincount(classes * bins + place, minlength=number * bins).reshape(number, bins)
    depths.total_m[:] += np.bincount(classes, depth_m, minlength=number)


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
