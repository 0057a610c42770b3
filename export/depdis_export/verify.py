"""The gate: an exported file is kept only when it gives what torch gives, for every shape that it promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from depdis_deploy.backends import open_session
from depdis_deploy.manifest import OUTPUTS, Manifest
from depdis_deploy.preprocess import resize_picture

from .deployable import Deployable

# Where the two best logits are closer than this, rounding may decide the label.
LOGIT_MARGIN = 1e-3
MIN_LABELS_EQUAL = 0.999
MAX_INVERSE_DEPTH_RELATIVE = 1e-3
MAX_DENSITY_255 = 0.5
MAX_CONFIDENCE = 1e-3
# Streets that no training has drawn.
_STREET_SEED = 20_000_000


class ParityError(ValueError):
    """The exported file does not give what the network gives."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Agreement of one (batch, width, height) with torch; a figure is None where there is no such output.

    labels_equal: share of the pixels whose two best logits differ by more than `LOGIT_MARGIN`;
    inverse_depth: largest relative difference; density: largest difference on the 0..255 scale;
    confidence: largest difference.
    """

    batch: int
    width: int
    height: int
    labels_equal: float
    inverse_depth: float | None
    density: float | None
    confidence: float

    def breaches(self) -> list[str]:
        """What is out of bounds, with its bound."""
        found = []
        # Written so that NaN is a breach.
        if not self.labels_equal >= MIN_LABELS_EQUAL:
            found.append(f"labels equal on {self.labels_equal:.4%}, at least {MIN_LABELS_EQUAL:.1%} needed")
        for name, value, bound in (
            ("relative inverse depth", self.inverse_depth, MAX_INVERSE_DEPTH_RELATIVE),
            ("density (of 255)", self.density, MAX_DENSITY_255),
            ("confidence", self.confidence, MAX_CONFIDENCE),
        ):
            if value is not None and not value <= bound:
                found.append(f"{name} off by {value:.3g}, at most {bound:g} allowed")
        return found


@cache
def _street(index: int) -> NDArray[np.uint8]:
    from depdis_training.street import picture

    return picture("random", _STREET_SEED, index, (640, 320)).image


def street_frames(count: int, width: int, height: int) -> NDArray[np.uint8]:
    """(count, height, width, 3) uint8 RGB frames of generated streets."""
    return np.stack([resize_picture(_street(index), (width, height), "linear") for index in range(count)])


def compare(deployable: Deployable, outputs: dict[str, NDArray[Any]], frames: NDArray[np.uint8]) -> Parity:
    """The figures of one shape; ParityError where an output has another shape or type."""
    with torch.no_grad():
        expected = deployable.full(torch.from_numpy(frames))
    batch, height, width = frames.shape[:3]
    for name, value in zip(OUTPUTS, expected[: len(OUTPUTS)], strict=True):
        if value is not None:
            wanted = (tuple(value.shape), str(value.dtype).removeprefix("torch."))
            got = (outputs[name].shape, str(outputs[name].dtype))
            if wanted != got:
                raise ParityError(f"output {name} should be {wanted[1]} {wanted[0]}, is {got[1]} {got[0]}")
    best = expected.logits.topk(2, dim=1).values  # (N, 2, H', W')
    margin = (best[:, :1] - best[:, 1:] > LOGIT_MARGIN).to(torch.uint8)  # (N, 1, H', W')
    clear = torch.nn.functional.interpolate(margin, size=(height, width), mode="nearest")[:, 0].bool().numpy()
    equal = outputs["labels"] == expected.labels.numpy()
    inverse_depth = density = None
    if expected.depth is not None:
        # 1/z differs by the same share as z; depth is 0.01 m below 655.36 / z.
        true, got_depth = expected.depth.numpy() + 0.01, outputs["depth"] + 0.01
        inverse_depth = float(np.max(np.abs(true / got_depth - 1.0)))
    if expected.density is not None:
        density = 255.0 * float(np.max(np.abs(expected.density.numpy() - outputs["density"])))
    return Parity(
        batch=batch,
        width=width,
        height=height,
        labels_equal=float(equal[clear].mean()) if clear.any() else float("nan"),
        inverse_depth=inverse_depth,
        density=density,
        confidence=float(np.max(np.abs(expected.confidence.numpy() - outputs["confidence"]))),
    )


def verify(
    path: Path, deployable: Deployable, manifest: Manifest, shapes: Sequence[tuple[int, int, int]]
) -> list[Parity]:
    """Run the file in onnxruntime beside torch for each (batch, width, height).

    Raises ParityError where names, shapes, types or values disagree; returns the figures otherwise.
    """
    session = open_session(path, device="cpu")
    names = session.output_names
    if tuple(names) != tuple(manifest.outputs):
        raise ParityError(f"outputs should be {', '.join(manifest.outputs)}, are {', '.join(names)}")
    figures = []
    for batch, width, height in shapes:
        frames = street_frames(batch, width, height)
        figures.append(compare(deployable, session.run(frames), frames))
    return figures


def table(figures: Sequence[Parity]) -> str:
    """The figures as a text table."""
    lines = [
        f"{'batch':>5} {'size':>10} {'labels equal':>13} {'inverse depth':>14} {'density/255':>12} {'conf':>8}"
    ]
    for row in figures:
        inverse = "absent" if row.inverse_depth is None else f"{row.inverse_depth:.1e}"
        density = "absent" if row.density is None else f"{row.density:.4f}"
        lines.append(
            f"{row.batch:>5} {f'{row.width}x{row.height}':>10} {row.labels_equal:>13.4%} {inverse:>14} "
            f"{density:>12} {row.confidence:>8.1e}"
        )
    return "\n".join(lines)


def check(figures: Sequence[Parity]) -> None:
    """ParityError naming every breach."""
    breaches = [
        f"{row.batch}x{row.width}x{row.height}: {breach}" for row in figures for breach in row.breaches()
    ]
    if breaches:
        raise ParityError("the export does not give what the network gives: " + "; ".join(breaches))


def as_record(figures: Sequence[Parity]) -> dict[str, Any]:
    """The figures for the manifest."""
    return {"against": f"torch {torch.__version__}", "shapes": [asdict(row) for row in figures]}
