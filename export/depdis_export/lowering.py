"""The graph in the precision asked for, with the layers in float that it needs, and the proof of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.progress import say

from . import precision as precisions
from . import quantize, sensitivity
from .bounds import BOUNDS
from .layers import folded, layer_names, matching, precisions_in_onnxruntime
from .precision import PrecisionError, assert_precision
from .streets import street_frames

if TYPE_CHECKING:
    import onnx

_SEARCH_PICTURES = 3


@dataclass(frozen=True)
class Lowered:
    """A graph, and what is known of its layers.

    counts: convolutions by precision, read from the graph; found: the search's figures, None for fp32.
    """

    model: onnx.ModelProto
    precision: str
    counts: Mapping[str, int]
    found: sensitivity.Found | None = None
    calibration_pictures: int = 0

    @property
    def table(self) -> str:
        """The search's table; empty for fp32."""
        return self.found.table() if self.found else ""

    def advice(self) -> str:
        """What to do where the gate refuses the graph."""
        if self.found is None:
            return ""
        worst = self.found.worst()
        if not worst:
            mend = ": calibrate on pictures of yours" if self.precision == "int8" else ""
            return f"; the search found nothing to keep in float on its pictures{mend}"
        return "; keep more layers in float: " + " ".join(f"--keep-float {name}" for name in worst)

    def as_record(self) -> dict[str, Any]:
        """For the manifest."""
        record: dict[str, Any] = {"in_graph": dict(self.counts)}
        if self.found is not None:
            record["search"] = self.found.as_record()
        if self.precision == "int8":
            record["calibration_pictures"] = self.calibration_pictures
        return record


def lowered(
    model: onnx.ModelProto, precision: str, target: str, batch: int, frames: Sequence[NDArray[np.uint8]],
    sizes: Sequence[tuple[int, int]], keep_float: Sequence[str] = (),
) -> Lowered:  # fmt: skip
    """`model` in `precision`, with the layers in float that the search or `keep_float` wants there.

    frames: (h, w, 3) inputs to take INT8's ranges from. sizes: (width, height) of the search's streets, one
    unless `batch` is 1. batch: what a static graph takes at a time. Raises PrecisionError where the graph does
    not come out as wanted.
    """
    if precision == "fp32":
        return Lowered(model, precision, Counter({"fp32": _convolutions(model)}))
    say(f"folding the graph for {precision}")
    base = folded(model)
    names = layer_names(base)
    forced = matching(names, keep_float)
    if precision == "int8":
        found_ranges = quantize.ranges(base, _batches(frames, batch))

    def make(float_nodes: set[str]) -> onnx.ModelProto:
        if precision == "fp16":
            return precisions.to_fp16(base, float_nodes)
        return quantize.to_int8(base, found_ranges, target, float_nodes)

    count = -(-_SEARCH_PICTURES // batch) * batch
    streets = [frame for size in sizes for frame in street_frames(count, *size, purpose="search")]
    found = sensitivity.search(base, make, names, _batches(streets, batch), BOUNDS[precision], forced)
    result = make(found.float_layers)
    counts = assert_precision(result, precision, target, found.float_layers)
    if not counts[precision]:
        raise PrecisionError(f"no layer is left in {precision}: export in fp32, or keep fewer in float")
    return Lowered(result, precision, counts, found, len(frames))


def in_engine(
    path: Path, result: Lowered, target: str, in_openvino: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """The layers' record with what the file's own engine really runs: OpenVINO, or onnxruntime for an `.onnx`.

    PrecisionError where it runs fewer convolutions in INT8 than the graph has, as it silently may. Of the form
    for TensorRT, which onnxruntime is not built for, the count is recorded alone.
    """
    record = result.as_record()
    if in_openvino is not None:
        return {**record, "in_openvino_cpu": dict(in_openvino)}
    counts = precisions_in_onnxruntime(path)
    if result.precision == "int8" and target == "onnxruntime" and counts["int8"] != result.counts["int8"]:
        raise PrecisionError(
            f"the graph has {result.counts['int8']} convolutions in int8, onnxruntime runs {counts['int8']}: "
            "its version does not take this graph whole; install the one of constraints.txt"
        )
    return {**record, "in_onnxruntime_cpu": dict(counts)}


def _batches(frames: Sequence[NDArray[np.uint8]], batch: int) -> list[NDArray[np.uint8]]:
    """Frames in full batches, the last filled up; frames of one size, unless `batch` is 1."""
    filled = [*frames, *[frames[-1]] * (-len(frames) % batch)]
    return [np.stack(filled[at : at + batch]) for at in range(0, len(filled), batch)]


def _convolutions(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "Conv" for node in model.graph.node)
