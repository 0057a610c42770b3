"""An ONNX graph in a lower precision: fp16 types here, INT8 in `quantize`; and the proof of either."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from depdis_deploy.backends.onnx_precision import precisions

from .layers import around_layers

if TYPE_CHECKING:
    import onnx

PRECISIONS = ("fp32", "fp16", "int8")
TARGETS = ("onnxruntime", "tensorrt")


class PrecisionError(ValueError):
    """The graph is not in the precision that was asked for."""


def to_fp16(base: onnx.ModelProto, float_layers: Iterable[str] = ()) -> onnx.ModelProto:
    """A folded graph with fp16 weights and values; inputs and outputs stay as they are.

    float_layers: nodes of convolutions that stay fp32, as does all before the first and behind the last
    convolution: inverse depth up to 65536 overflows fp16.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(
        copy.deepcopy(base),
        keep_io_types=True,
        node_block_list=sorted({*around_layers(base), *float_layers}),
    )
    drop_repeated(model.graph)
    _drop_detours(model)
    return model  # type: ignore[no-any-return]


def drop_repeated(graph: onnx.GraphProto) -> None:
    """Keep the first of the nodes that make the same value.

    The converter before onnxruntime 1.32 casts a value back to fp32 once for each node that stays so, always
    under one name, which is no valid graph.
    """
    made: set[str] = set()
    kept = []
    for node in graph.node:
        if not made.intersection(node.output):
            kept.append(node)
        made.update(name for name in node.output if name)
    del graph.node[:]
    graph.node.extend(kept)


def _drop_detours(model: onnx.ModelProto) -> None:
    """Let fp32 pass as fp32 between nodes that stay so, where the converter casts to fp16 and back.

    onnxruntime leaves such pairs of casts out by itself, TensorRT computes them.
    """
    there = {
        node.output[0]: node.input[0]
        for node in model.graph.node
        # Its own casts: one of the graph may be of whole numbers.
        if node.op_type == "Cast" and node.input[0] == f"{node.output[0]}_cast_to_fp16"
    }
    back = {
        node.output[0]: there[node.input[0]]
        for node in model.graph.node
        if node.op_type == "Cast"
        and node.input[0] in there
        and node.output[0] == f"{node.input[0]}_cast_to_fp32"
    }
    outputs = {entry.name for entry in model.graph.output}
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = back.get(name, name)
        # An output is cast back to fp32 under its own name.
        if node.op_type == "Cast" and node.output[0] in outputs and node.input[0] in there:
            node.input[0] = there[node.input[0]]
    _drop_unused(model.graph, outputs)


def _drop_unused(graph: onnx.GraphProto, outputs: set[str]) -> None:
    """Drop nodes that nothing takes from, until there is none."""
    while True:
        used = {name for node in graph.node for name in node.input} | outputs
        kept = [node for node in graph.node if used.intersection(node.output)]
        if len(kept) == len(graph.node):
            return
        del graph.node[:]
        graph.node.extend(kept)


def assert_precision(
    model: onnx.ModelProto, precision: str, target: str, float_layers: Iterable[str] = ()
) -> Counter[str]:
    """How many convolutions are in which precision, read from the graph.

    PrecisionError where one that is not among `float_layers` is not in the wanted one, or the other way round.
    """
    wanted = {"int8": "int8 signed" if target == "tensorrt" else "int8 unsigned"}.get(precision, precision)
    kept = set(float_layers)
    found = precisions(model)
    wrong = [
        f"{node} is {got}, not {want}"
        for node, got in found.items()
        if got != (want := "fp32" if node in kept else wanted)
    ]
    if wrong or not found:
        raise PrecisionError(f"the graph is not {precision}: {'; '.join(wrong[:5]) or 'it has no convolution'}")
    return Counter(name.split()[0] for name in found.values())
