"""What every data set gives: one shape contract for pictures, labels and depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.taxonomy import Taxonomy

FARTHEST_M = 655.35  # the most that 16-bit centimetres hold; also the sky's depth


@dataclass(frozen=True)
class Sample:
    """One picture of a data set with what is known of it.

    image: (H, W, 3) uint8, RGB.
    labels: (H, W) uint8, indices into the data set's taxonomy, 255 unlabelled; None where there are none.
    depth_m: (H, W) float32 metres along the optical axis, 0 unknown, sky 655.35; None where there is none.
    focal_px: the camera's focal length in pixels of this image; None where it is not known.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None = None
    depth_m: NDArray[np.float32] | None = None
    focal_px: float | None = None


class Dataset(Protocol):
    """Samples by index, safe to read from several threads. `names` is known without reading a picture."""

    @property
    def taxonomy(self) -> Taxonomy: ...

    @property
    def names(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class FileDataset(Dataset, Protocol):
    """A data set that says what each sample is read from: picture, and where given labels, depth, camera."""

    def files(self, index: int) -> dict[str, Path]: ...
