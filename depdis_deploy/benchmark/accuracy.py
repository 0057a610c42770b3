"""How far a model's outputs are from those of the fp32 file, on real pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.manifest import ResizeRule
from depdis_deploy.preprocess import plan, to_input
from depdis_deploy.sources import Source, find_sources, frames_of

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Beside the fp32 file: share of labels equal; mean relative error of depth; mean error of density, of 255.

    None where either lacks the output.
    """

    labels_equal: float
    depth: float | None
    density: float | None


def pictures(source: Path, count: int) -> list[NDArray[np.uint8]]:
    """At most `count` (H, W, 3) uint8 RGB pictures of a file or folder: a video's evenly over its length."""
    sources = [found for found in find_sources([str(source)]) if found.kind in ("picture", "video")]
    chosen = sources[:: max(1, len(sources) // count)][:count]
    each = -(-count // max(1, len(chosen)))
    found = [frame.image for one in chosen for frame in islice(frames_of(one, stride=_stride(one, each)), each)]
    if not found:
        raise InputError(f"{source}: no picture in it; give pictures or a video by --source")
    return found[:count]


def _stride(source: Source, count: int) -> int:
    """How far apart `count` frames of a video are to be taken."""
    if source.kind != "video":
        return 1
    from depdis_deploy.clip import count_frames

    return max(1, count_frames(source) // count)


def network_inputs(
    images: Sequence[NDArray[np.uint8]], rule: ResizeRule, size: tuple[int, int]
) -> list[NDArray[np.uint8]]:
    """The pictures as a network's (h, w, 3) inputs of exactly `size` (width, height)."""
    width, height = size
    kind = "fit" if rule.kind == "area" else rule.kind
    exact = replace(rule, kind=kind, width=width, height=height)
    return [to_input(image, plan((image.shape[1], image.shape[0]), exact), exact) for image in images]


def agreement(true: Sequence[Outputs], found: Sequence[Outputs]) -> Agreement | None:
    """The figures over all calls; None where the two have grids of different sizes."""
    pairs = list(zip(true, found, strict=True))
    if any(a[name].shape != b[name].shape for a, b in pairs for name in a.keys() & b.keys()):
        return None
    equal = np.mean([np.mean(a["labels"] == b["labels"]) for a, b in pairs])
    depth = density = None
    if all("depth" in a and "depth" in b for a, b in pairs):
        # Depth is 0.01 m below 655.36 / inverse depth, whose relative error this is.
        depth = float(
            np.mean([np.mean(np.abs((a["depth"] + 0.01) / (b["depth"] + 0.01) - 1)) for a, b in pairs])
        )
    if all("density" in a and "density" in b for a, b in pairs):
        density = 255 * float(np.mean([np.mean(np.abs(a["density"] - b["density"])) for a, b in pairs]))
    return Agreement(labels_equal=float(equal), depth=depth, density=density)
