"""Graph of a model file, as the checks need it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Shape = tuple[int, ...]

# Largest number of elements whose values are kept: shapes, axes and scales have fewer.
_SMALL = 1024
MOST_DIMENSIONS = 8
MOST_ENDS = 256  # inputs or outputs of a node


class NotOnnxError(ValueError):
    """The bytes are not an ONNX model."""


class RejectedGraphError(ValueError):
    """The model has a part that exported models never have."""


@dataclass(frozen=True)
class Tensor:
    """A constant. `values` is None for tensors of more than 1024 elements, and for bfloat16."""

    shape: Shape
    values: NDArray[Any] | None


@dataclass(frozen=True)
class Node:
    """One operator call.

    Attributes:
        version: Of the operator's definition; in ONNX, of the operator set of the whole file.
        attributes: In ONNX int, float, bytes, `Tensor`, or lists of numbers; in OpenVINO text.
    """

    operator: str
    version: int
    name: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """A graph input or output. shape: None per free dimension; None if the file does not state it."""

    name: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Graph:
    """The decoded graph, without the values of large weights."""

    nodes: tuple[Node, ...]
    initializers: Mapping[str, Tensor]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def is_small(shape: Shape) -> bool:
    """Return whether the values of a tensor of that shape are followed. Empty tensors may have large sides."""
    return math.prod(size or 1 for size in shape) <= _SMALL


def shown(text: str) -> str:
    """Quote, escape and shorten a name from a file so that it fits in a message."""
    quoted = ascii(text[:60])
    return quoted if len(text) <= 60 else f"{quoted[:57]}...'"


def rejected_at(node: Node, what: str) -> RejectedGraphError:
    """Return the error that names the node."""
    name = node.name or next(filter(None, node.outputs), "")
    return RejectedGraphError(f"its node {shown(name)} ({node.operator}) {what}")
