"""What a training set's classes are like: the mixtures of eq. 5 and pixel counts, each found only once.

What was found is kept under a cache folder by the content that it depends on: the set's names, a sample of its
labels and depth, and the settings. A set that moved is known again; one whose labels changed is counted anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.files import written_whole
from depdis_deploy.progress import tracked

from .data.samples import Dataset, Sample
from .depth_distribution import DepthDistribution
from .grids import sampled
from .loading import Batches, ahead

FOLDER = "statistics"  # below the cache folder
FINGERPRINT_PICTURES = 32
_FINGERPRINT_THREADS = 4


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
    settings = {
        "grid": grid, "classes": num_classes, "components": components, "per_class": per_class, "seed": seed,
        "scale": scale, "variance_floor": variance_floor,
    }  # fmt: skip
    path = _place(cache, "mixtures", batches, pictures, settings)
    if not path.exists():
        distribution = DepthDistribution.fit(
            _grids(batches, grid, pictures, "mixtures: reading"), num_classes, components=components,
            per_class=per_class, seed=seed, scale=scale, variance_floor=variance_floor,
        )  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        distribution.to_json(path)
    return DepthDistribution.from_json(path)


def count_classes(cache: Path, batches: Batches, *, num_classes: int, pictures: int) -> NDArray[np.int64]:
    """(C,) pixel counts of the first `pictures` training views, for weights and minimum sizes (eq. 12)."""
    path = _place(cache, "counts", batches, pictures, {"classes": num_classes})
    if not path.exists():
        counts = np.zeros(256, np.int64)
        rounds = _rounds(batches, pictures)
        for batch in tracked(ahead(batches, 0, rounds), "classes: counting", rounds):
            counts += np.bincount(batch.labels.numpy().ravel(), minlength=256)
        _write_json(path, counts[:num_classes].tolist())
    return np.asarray(json.loads(path.read_text(encoding="utf-8")), np.int64)


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
    whole = json.dumps([fingerprint(batches.dataset), views, settings], sort_keys=True)
    return cache / FOLDER / f"{what}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}.json"


def _rounds(batches: Batches, pictures: int) -> int:
    return max(1, min(pictures, len(batches.dataset)) // batches.size)


def _grids(
    batches: Batches, grid: tuple[int, int], pictures: int, what: str
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """(h, w) labels and inverse depth of the training views on the feature grid, picture by picture."""
    rounds = _rounds(batches, pictures)
    usable = False
    for batch in tracked(ahead(batches, 0, rounds), what, rounds):
        labels, z = sampled(batch.labels, grid), sampled(batch.inverse_depth, grid)
        usable = usable or bool(((labels != 255) & (z > 0)).any())
        yield from zip(labels.numpy(), z.numpy(), strict=True)
    if not usable:
        raise InputError(
            "the source has no pixel with both a class and a depth, which the mixtures are fitted to; "
            "`depdis-data check` on its root says what is missing"
        )


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
