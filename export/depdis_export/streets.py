"""Generated streets for calibrating and checking: each purpose has its own, and no training drew any."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.manifest import Manifest
from depdis_deploy.preprocess import plan, resize_picture, to_input
from depdis_deploy.sources import find_sources, frames_of
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_7, CITYSCAPES_16, Taxonomy, view_7, view_camvid

# Purpose -> seed of its pictures.
_SEEDS = {"check": 20_000_000, "search": 20_000_001, "calibration": 20_000_002}
_SIZE = (640, 320)
# Of a user's video, frames are taken this far apart, so that they differ.
_STRIDE = 10


@cache
def _street(purpose: str, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    from depdis_training.street import picture

    drawn = picture("random", _SEEDS[purpose], index, _SIZE)
    return drawn.image, drawn.labels


def street_frames(
    count: int, width: int, height: int, *, purpose: str = "check", start: int = 0
) -> NDArray[np.uint8]:
    """(count, height, width, 3) uint8 RGB frames of generated streets."""
    size = (width, height)
    return np.stack([
        resize_picture(_street(purpose, index)[0], size, "linear") for index in range(start, start + count)
    ])  # fmt: skip


def street_truth(count: int, width: int, height: int, taxonomy: Taxonomy) -> NDArray[np.uint8] | None:
    """(count, height, width) labels of the first `check` frames; None where `taxonomy` is not of streets."""
    views = {CITYSCAPES_16: None, CITYSCAPES_7: view_7, CAMVID_11: view_camvid}
    if taxonomy not in views:
        return None
    labels = np.stack([
        cv2.resize(_street("check", index)[1], (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        for index in range(count)
    ])  # fmt: skip
    view = views[taxonomy]
    return np.asarray(labels if view is None else view()[labels], np.uint8)


def own_frames(path: Path, count: int, manifest: Manifest) -> Iterator[NDArray[np.uint8]]:
    """At most `count` (h, w, 3) inputs of the network from a folder, picture or video of the user."""
    sources = find_sources([str(path)])
    if any(source.live for source in sources):
        raise InputError(f"{path}: calibration takes a folder, a picture or a video, not a live source")
    # Evenly over the sources, so that a folder of videos is not its first video alone.
    chosen = sources[:: max(1, len(sources) // count)][:count]
    each = -(-count // len(chosen))
    found = 0
    for source in chosen:
        for frame in islice(frames_of(source, stride=_STRIDE), min(each, count - found)):
            geometry = plan((frame.image.shape[1], frame.image.shape[0]), manifest.resize, frame.aspect)
            yield to_input(frame.image, geometry, manifest.resize)
            found += 1
