"""One picture of a generated street, with its labels and depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.palette import Domain
from depdis_training.street.renderer import render
from depdis_training.street.scene import make_scene


@dataclass(frozen=True)
class StreetPicture:
    """A picture with its truth.

    image (H, W, 3) uint8 RGB; labels (H, W) uint8, indices into the 16 classes; depth_m (H, W) float32 metres
    along the optical axis, sky 655.35; focal_px in pixels of this picture.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    focal_px: float


def picture(
    domain: Domain, seed: int, index: int, size: tuple[int, int], supersample: int = 2
) -> StreetPicture:  # fmt: skip
    """Picture `index` of a domain's set: the same bytes in any order and any process.

    size: (width, height). Raises ValueError for an unknown domain.
    """
    scene = make_scene(domain, seed, index, size)
    render_seed = (seed * 1_000_003 + index) & 0x7FFFFFFF
    drawn = render(scene.mesh, scene.camera, scene.appearance, render_seed, supersample=supersample)
    return StreetPicture(drawn.image, drawn.labels, drawn.depth_m, scene.camera.focal_px)
