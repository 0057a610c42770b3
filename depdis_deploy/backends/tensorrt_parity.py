"""An engine beside its ONNX file in onnxruntime: the last check before an engine is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.install_hint import installed
from depdis_deploy.preprocess import resize_picture

from .engine_key import Key, Shape
from .tensorrt_layers import EngineError

if TYPE_CHECKING:
    from . import Session

# Frames of the bundled clip this far apart, so that they differ.
_STRIDE = 7


def agreement(engine: Session, onnx: Path, key: Key) -> list[dict[str, Any]] | None:
    """Figures for each corner of the engine's inputs; None where onnxruntime, the reference, is missing.

    EngineError where one is out of `key.bounds`.
    """
    if not installed("onnxruntime"):
        return None
    from . import open_session

    reference = open_session(onnx, "cpu", engine="onnxruntime")
    corners = dict.fromkeys((key.profile.min, key.profile.opt, key.profile.max))
    return [measured(engine, reference, street_frames(shape), key.bounds) for shape in corners]


def measured(
    engine: Session, reference: Session, frames: NDArray[np.uint8], bounds: Mapping[str, Any]
) -> dict[str, Any]:
    """How far the engine is from the reference on (N, H, W, 3) frames, over all pixels of all frames."""
    expected, got = reference.run(frames), engine.run(frames)
    over = np.mean if bounds["mean"] else np.max
    batch, height, width = frames.shape[:3]
    row: dict[str, Any] = {"shape": f"{batch}x{width}x{height}"}
    for name, values in expected.items():
        if got[name].shape != values.shape or got[name].dtype != values.dtype:
            raise EngineError(
                f"the engine gives {name} as {got[name].dtype} {got[name].shape}, its ONNX file as "
                f"{values.dtype} {values.shape}; nothing was kept"
            )
    row["labels_equal"] = float((got["labels"] == expected["labels"]).mean())
    if "depth" in expected:
        # As the export's own check: depth is 0.01 m below 655.36 over the inverse depth.
        row["inverse_depth"] = float(over(np.abs((expected["depth"] + 0.01) / (got["depth"] + 0.01) - 1.0)))
    if "density" in expected:
        row["density"] = 255.0 * float(over(np.abs(expected["density"] - got["density"])))
    breaches = _breaches(row, bounds)
    if breaches:
        raise EngineError(
            f"the engine does not give what its ONNX file gives at {row['shape']}: {'; '.join(breaches)}; "
            "nothing was kept"
        )
    return row


def _breaches(row: Mapping[str, Any], bounds: Mapping[str, Any]) -> list[str]:
    # Written so that NaN is a breach.
    found = []
    if not row["labels_equal"] >= bounds["labels_equal"]:
        found.append(f"labels equal on {row['labels_equal']:.3%}, at least {bounds['labels_equal']:.1%} needed")
    for name, words in (("inverse_depth", "relative inverse depth"), ("density", "density (of 255)")):
        if name in row and not row[name] <= bounds[name]:
            found.append(f"{words} off by {row[name]:.3g}, at most {bounds[name]:g} allowed")
    return found


def street_frames(shape: Shape | Sequence[int]) -> NDArray[np.uint8]:
    """(N, H, W, 3) frames of the bundled clip."""
    from depdis_deploy.sources import BUNDLED_CLIP, find_sources, frames_of

    batch, height, width = shape[:3]
    (source,) = find_sources([str(BUNDLED_CLIP)])
    pictures = [frame.image for frame in islice(frames_of(source, stride=_STRIDE), batch)]
    filled = [pictures[index % len(pictures)] for index in range(batch)]
    return np.stack([resize_picture(picture, (width, height), "linear") for picture in filled])
