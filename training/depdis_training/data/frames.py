"""The user's own camera, without labels: a folder of pictures, or videos that are sampled in time."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.outputs import Names
from depdis_deploy.sources import Frame, Source, find_sources, frames_of
from depdis_deploy.taxonomy import Taxonomy
from depdis_training.speech import say

from . import reading
from .samples import Sample

SPLITS = ("train", "val", "all")
INTERVAL_S = 0.5  # at 50 km/h the view moves on by 7 m
SAME_BELOW = 2.0  # mean difference of grey levels on a thumbnail: a standing car sees the same again


class Frames:
    """All pictures of a folder (or glob, list, single file) under each of the split names; of each video one
    frame every half second, left out where it hardly differs from the last one kept. The second of two equal
    names gets `-2`, since labels that are made of them are files of these names.

    Frames of videos are decoded once, into a temporary folder that goes away with the object.
    """

    def __init__(self, root: Path, split: str, taxonomy: Taxonomy, whole: bool = True) -> None:
        if split not in SPLITS:
            raise InputError(f"a set of frames has no split {split!r}; {', '.join(SPLITS)} all mean the whole")
        self.taxonomy = taxonomy
        self._entries: list[tuple[str, Source | Path]] = []
        self._cache: Path | None = None
        stems = Names()
        stems.claim("sheet")  # a file next to the labels that are made of the images
        for source in find_sources([str(root)], say):
            if source.kind == "picture":
                self._entries.append((stems.claim(source.stem), source))
            elif source.kind == "video":
                self._entries += self._sampled(source, stems.claim(source.stem))
            else:
                raise InputError(f"{source.label}: training frames come from files, not from a {source.kind}")
        if not self._entries:
            raise InputError(f"{root}: holds no frame")

    @property
    def names(self) -> Sequence[str]:
        return [name for name, _ in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample:
        name, place = self._entries[index]
        if isinstance(place, Path):
            return Sample(name, reading.read_rgb(place))
        return Sample(name, next(frames_of(place)).image)

    def files(self, index: int) -> dict[str, Path]:
        """What sample `index` is read from: a video's frames from the temporary folder."""
        place = self._entries[index][1]
        return {"picture": place if isinstance(place, Path) else Path(place.location)}

    def _sampled(self, source: Source, stem: str) -> Iterator[tuple[str, Path]]:
        if self._cache is None:
            self._cache = Path(tempfile.mkdtemp(prefix="depdis-frames-"))
            weakref.finalize(self, shutil.rmtree, self._cache, ignore_errors=True)
        last: NDArray[np.float32] | None = None
        due_s = 0.0
        for frame in frames_of(source, note=say):
            if frame.time_s is None or frame.time_s < due_s:
                continue
            due_s = frame.time_s + INTERVAL_S
            small = cv2.resize(frame.image, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
            if last is not None and float(np.abs(small - last).mean()) < SAME_BELOW:
                continue
            last = small
            name = f"{stem}_{frame.index:06d}"
            path = self._cache / f"{len(self._entries)}_{name}.png"
            path.write_bytes(cv2.imencode(".png", _with_square_pixels(frame)[..., ::-1])[1].tobytes())
            yield name, path


def _with_square_pixels(frame: Frame) -> NDArray[np.uint8]:
    """The frame's image, resized along its shorter-sampled axis where its pixels are not square."""
    if frame.aspect == 1:
        return frame.image
    height, width = frame.image.shape[:2]
    size = (round(width * max(1.0, frame.aspect)), round(height * max(1.0, 1 / frame.aspect)))
    return np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
