"""By how much an exported model may differ from the network in fp32, by the precision it is promised in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What is allowed.

    mean: whether the errors of depth, density and confidence are means over the pixels, or the largest.
    margin: labels are compared on the pixels whose two best logits differ by more than this; labels_equal: the
    share of those that has to be equal; inverse_depth: relative error; density: error of 255; confidence:
    error, None for any; miou_lost: points of mIoU on street pictures with truth, None where it is not measured.
    """

    mean: bool
    margin: float
    labels_equal: float
    inverse_depth: float
    density: float
    confidence: float | None
    miou_lost: float | None


# fp32 differs by rounding alone, which may decide between labels that are nearly as likely.
BOUNDS = {
    "fp32": Bounds(
        mean=False, margin=1e-3, labels_equal=0.999, inverse_depth=1e-3, density=0.5, confidence=1e-3,
        miou_lost=None,
    ),
    "fp16": Bounds(
        mean=True, margin=0.0, labels_equal=0.995, inverse_depth=0.005, density=0.5, confidence=0.005,
        miou_lost=None,
    ),
    "bf16": Bounds(
        mean=True, margin=0.0, labels_equal=0.98, inverse_depth=0.02, density=2.0, confidence=None,
        miou_lost=1.0,
    ),
    "int8": Bounds(
        mean=True, margin=0.0, labels_equal=0.98, inverse_depth=0.05, density=5.0, confidence=None,
        miou_lost=1.0,
    ),
}  # fmt: skip
