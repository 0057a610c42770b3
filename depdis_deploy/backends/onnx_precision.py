"""In what precision the convolutions of an ONNX graph are, as the graph says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


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


def _dequantizes(node: onnx.NodeProto | None) -> bool:
    return node is not None and node.op_type == "DequantizeLinear"
