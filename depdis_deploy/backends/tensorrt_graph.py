"""An exported ONNX file -> the graph that TensorRT takes: the same arithmetic, bytes at its border alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from depdis_deploy.command import InputError
from depdis_deploy.install_hint import install

from .onnx_precision import precisions

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Convolution:
    """precision: fp32, fp16 or int8, as the graph says; weights: how many it has."""

    precision: str
    weights: int


@dataclass(frozen=True)
class Graph:
    """data: the serialized model; shape: of `frames` (N, H, W, 3), None where free; convolutions: by node."""

    data: bytes
    shape: tuple[int | None, ...]
    convolutions: dict[str, Convolution]


def read_graph(data: bytes, fixed: tuple[int, ...] | None = None) -> Graph:
    """The graph of a checked file's bytes, for TensorRT. fixed: (N, H, W, 3) to close free sizes with.

    InputError where `onnx` is missing, and for INT8 in another engine's form.
    """
    model = _onnx().load_model_from_string(data)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if fixed is not None:
        for dimension, size in zip(dims, fixed, strict=True):
            dimension.Clear()
            dimension.dim_value = size
    _name_nodes(model)
    kinds = precisions(model)
    if "int8 unsigned" in kinds.values():
        raise InputError(
            "its INT8 is of the form for onnxruntime (unsigned activations), which TensorRT does not take: "
            "export the checkpoint again with --precision int8 --trt"
        )
    bytes_at_the_border(model)
    shape = tuple(dimension.dim_value or None for dimension in dims)
    return Graph(model.SerializeToString(), shape, _convolutions(model, kinds))


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise InputError(f"onnx cannot be imported ({error}): {install('tensorrt')}") from None
    return onnx


def bytes_at_the_border(model: onnx.ModelProto) -> None:
    """Let uint8 be at the graph's inputs and outputs alone, where TensorRT takes it; float32 takes its place.

    Whole numbers up to 255 are exact in both, so that the outputs stay the same.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    borders = {TensorProto.UINT8: TensorProto.FLOAT}
    inputs = [entry.name for entry in graph.input if entry.type.tensor_type.elem_type in borders]
    outputs = [entry.name for entry in graph.output if entry.type.tensor_type.elem_type in borders]
    renamed = {name: f"{name}.inside" for name in (*inputs, *outputs)}
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = renamed.get(name, name)
        for attribute in node.attribute:
            if (node.op_type, attribute.name, attribute.i) == ("Cast", "to", TensorProto.UINT8):
                attribute.i = TensorProto.FLOAT
    # The types of what is between were inferred before.
    del graph.value_info[:]
    for name in inputs:
        cast = helper.make_node("Cast", [name], [renamed[name]], name=renamed[name], to=TensorProto.FLOAT)
        graph.node.insert(0, cast)
    for name in outputs:
        cast = helper.make_node("Cast", [renamed[name]], [name], name=name, to=TensorProto.UINT8)
        graph.node.append(cast)


def _convolutions(model: onnx.ModelProto, kinds: Mapping[str, str]) -> dict[str, Convolution]:
    sizes = {entry.name: math.prod(entry.dims) for entry in model.graph.initializer}
    producers = {output: node for node in model.graph.node for output in node.output}
    found = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            weights = node.input[1]
            while weights not in sizes:  # behind a cast or a dequantization
                weights = producers[weights].input[0]
            found[node.name] = Convolution(kinds[node.name].split()[0], sizes[weights])
    return found


def _name_nodes(model: onnx.ModelProto) -> None:
    """TensorRT tells layers by the nodes' names."""
    seen: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.name or node.op_type}_{index}"
        seen.add(node.name)
