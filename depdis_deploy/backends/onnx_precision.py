"""In what precision the convolutions of an ONNX graph are, as the graph says, and how that is reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

_LOWER = ("int8", "fp16", "bf16")


def precisions(model: onnx.ModelProto) -> dict[str, str]:
    """Node name -> `int8 unsigned` or `int8 signed` (the activations), `fp16` or `fp32`, as the graph says."""
    from onnx import TensorProto

    producers = {output: node for node in model.graph.node for output in node.output}
    types = {entry.name: entry.data_type for entry in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        frames, weights = producers.get(node.input[0]), producers.get(node.input[1])
        if _dequantizes(frames) and _dequantizes(weights):
            assert frames is not None
            unsigned = types.get(frames.input[2]) == TensorProto.UINT8
            found[node.name] = "int8 unsigned" if unsigned else "int8 signed"
        else:
            half = types.get(node.input[1]) == TensorProto.FLOAT16
            found[node.name] = "fp16" if half else "fp32"
    return found


def shares(counts: Mapping[str, int]) -> str:
    """Return counts of convolutions by precision as text, the lower ones first: `22 int8, 92 fp32`."""
    ordered = sorted(counts.items(), key=lambda entry: (entry[0] not in _LOWER, entry[0]))
    return ", ".join(f"{number} {kind}" for kind, number in ordered if number)


def low_share_warning(counts: Mapping[str, int], precision: str) -> str | None:
    """Return a warning where fewer than half of the convolutions are in the precision asked for, else None."""
    found, total = counts.get(precision, 0), sum(counts.values())
    if precision not in _LOWER or 2 * found >= total:
        return None
    return (
        f"warning: only {found} of {total} convolutions ({found / max(total, 1):.0%}) are {precision} "
        f"({shares(counts)}), so the file is little faster than fp32: the sensitivity analysis or --keep-float "
        "left the others in fp32; calibrate on your own images (--calibrate) or choose another --precision"
    )


def _dequantizes(node: onnx.NodeProto | None) -> bool:
    return node is not None and node.op_type == "DequantizeLinear"
