"""ONNX graphs that are whole as messages and wrong in what they say."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

_SIZES = (0, 1, 2, 3, 7, 64, 1000, 2**31 - 1, 2**40, -1, -(2**31))
_OPERATORS = (
    "Relu", "Conv", "Resize", "Reshape", "Concat", "Loop", "If", "Expand", "Tile", "TopK", "ConstantOfShape",
    "Gather", "Pad", "NonMaxSuppression", "Einsum", "NoSuchOperator", "",
)  # fmt: skip


def twisted(data: bytes, chance: random.Random) -> bytes:
    """A model's bytes with one to four changes of its nodes, attributes, constants, names or shapes."""
    import onnx

    model = onnx.load_from_string(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        chance.choice(_CHANGES)(model.graph, chance)
    return bytes(model.SerializeToString())


def _operator(graph: Any, chance: random.Random) -> None:
    chance.choice(graph.node).op_type = chance.choice(_OPERATORS)


def _attribute(graph: Any, chance: random.Random) -> None:
    from onnx import helper

    node = chance.choice(graph.node)
    given = [attribute.name for attribute in node.attribute]
    name = chance.choice([*given, "axis", "kernel_shape", "strides", "pads", "to", "mode"])
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    value = chance.choice((
        chance.choice(_SIZES), [chance.choice(_SIZES) for _ in range(chance.randrange(1, 5))], "x", 0.5,
    ))  # fmt: skip
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def _wire(graph: Any, chance: random.Random) -> None:
    names = [name for node in graph.node for name in [*node.input, *node.output]]
    node = chance.choice(graph.node)
    ends = chance.choice((node.input, node.output))
    if ends:
        ends[chance.randrange(len(ends))] = chance.choice([*names, "", "nowhere"])


def _constant(graph: Any, chance: random.Random) -> None:
    tensor = chance.choice(graph.initializer)
    match chance.randrange(4):
        case 0:
            del tensor.dims[:]
            tensor.dims.extend(chance.choice(_SIZES) for _ in range(chance.randrange(4)))
        case 1:
            tensor.data_type = chance.randrange(30)
        case 2:
            tensor.raw_data = chance.randbytes(chance.randrange(20))
        case _:
            tensor.data_location = 1
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", chance.choice(("/etc/passwd", "../x.bin", ""))


def _shape(graph: Any, chance: random.Random) -> None:
    value = chance.choice([*graph.input, *graph.output]).type.tensor_type
    if chance.random() < 0.3:
        value.elem_type = chance.randrange(30)
    elif value.shape.dim:
        chance.choice(value.shape.dim).dim_value = chance.choice(_SIZES)


def _lost(graph: Any, chance: random.Random) -> None:
    part = chance.choice((graph.node, graph.initializer, graph.input, graph.output))
    if part:
        del part[chance.randrange(len(part))]


def _doubled(graph: Any, chance: random.Random) -> None:
    part = chance.choice((graph.node, graph.initializer, graph.input, graph.output))
    if part:
        part.add().CopyFrom(chance.choice(part))


_CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    _operator, _attribute, _attribute, _wire, _constant, _constant, _shape, _lost, _doubled,
)  # fmt: skip
