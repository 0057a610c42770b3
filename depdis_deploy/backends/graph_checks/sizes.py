"""Limits on the size of every tensor of a graph, and on its work, before an engine runs it.

Each allowed operator has a rule that gives the shapes of its outputs for concrete input shapes. Values are
followed only where shapes depend on them: constants, and results of `Shape`. A shape that depends on the values
of pixels is therefore unknown, and rejected. So is a call that two engines would read in different ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from .calls import Call, Made
from .graph import (
    MOST_DIMENSIONS,
    MOST_ENDS,
    Graph,
    Node,
    RejectedGraphError,
    Shape,
    is_small,
    rejected_at,
    shown,
)

Rule = Callable[[Call], Made]

# Limits: a fixed part, and a part per pixel of the input (N H W). At their usual sizes exported models make at
# most 40 elements per pixel in one tensor and 7 000 in all, with 960 000 multiply-adds.
_MOST_NODES = 4096  # exported models have 1 300
_MOST_CONSTANTS = 16_384  # exported models have 1 200
_MOST_ATTRIBUTE_VALUES = 1024
_MOST_TENSOR = (2**24, 2**9)
_MOST_ELEMENTS = (2**26, 2**14)
_MOST_WORK = (2**34, 2**23)


def _limit(kind: tuple[int, int], frames: Shape, constants: int) -> int:
    fixed, per_pixel = kind
    # Weights that are stored in a smaller type become tensors of their own.
    return fixed + per_pixel * math.prod(frames[:3]) + 4 * constants


class SizeCheck:
    """Check of a graph's tensor sizes and work for a given input."""

    def __init__(self, graph: Graph, rules: Mapping[str, Rule]) -> None:
        """Check everything that does not depend on the input.

        Args:
            graph: The decoded graph.
            rules: The allowed operators.

        Raises:
            RejectedGraphError: The graph has other inputs than `frames`, an operator without a rule, or names
                that are defined twice or not at all.
        """
        self._graph, self._rules = graph, rules
        if len(graph.nodes) > _MOST_NODES:
            raise RejectedGraphError(f"it has {len(graph.nodes)} nodes; at most {_MOST_NODES} are supported")
        if len(graph.initializers) > _MOST_CONSTANTS:
            raise RejectedGraphError(
                f"it has {len(graph.initializers)} constants; at most {_MOST_CONSTANTS} are supported"
            )
        inputs = [value.name for value in graph.inputs]
        if inputs != ["frames"]:
            found = ", ".join(map(shown, inputs[:4])) or "none"
            raise RejectedGraphError(f"it should have one input, frames; it has {found}")
        for node in graph.nodes:
            _check_node(node, rules)
        self._nodes = _in_order(graph)
        self._constants = sum(math.prod(tensor.shape) for tensor in graph.initializers.values())

    def check(self, frames: Shape) -> None:
        """Check the size of every tensor for `frames` of shape (N, H, W, 3).

        Raises:
            RejectedGraphError: A tensor, all together or the computation exceed the limits for that input.
        """
        self.shapes(frames)

    def shapes(self, frames: Shape) -> dict[str, Shape]:
        """Return the shape of every tensor for `frames` of shape (N, H, W, 3); raises as `check` does."""
        most_tensor, most_elements, most_work = (
            _limit(kind, frames, self._constants) for kind in (_MOST_TENSOR, _MOST_ELEMENTS, _MOST_WORK)
        )
        shapes: dict[str, Shape] = {name: tensor.shape for name, tensor in self._graph.initializers.items()}
        values = {name: tensor.values for name, tensor in self._graph.initializers.items()}
        shapes["frames"] = frames
        elements = work = 0
        for node in self._nodes:
            given = [shapes.get(name) for name in node.inputs]
            made = self._made(Call(node, given, [values.get(name) for name in node.inputs]))
            largest = max(made.shapes, key=math.prod)
            if max(math.prod(largest), made.scratch) > most_tensor:
                what = (
                    f"a buffer of {made.scratch} elements" if made.scratch else f"a tensor of {_size(largest)}"
                )
                raise rejected_at(
                    node,
                    f"makes {what} from an input of {_size(frames)}, where at most {most_tensor} elements "
                    "are supported",
                )
            elements += sum(map(math.prod, made.shapes))
            work += max(made.work, *(math.prod(shape) for shape in (*made.shapes, *given) if shape is not None))
            if elements > most_elements or work > most_work:
                raise RejectedGraphError(
                    "it needs more memory or computation than any exported model does for an input of "
                    f"{_size(frames)}"
                )
            # The name of an output that is left out is also that of an input that is left out.
            shapes.update((name, shape) for name, shape in zip(node.outputs, made.shapes, strict=False) if name)
            values.update(
                (name, value)
                for name, value in zip(node.outputs, made.values, strict=False)
                if name and value is not None and is_small(value.shape)
            )
        return shapes

    def _made(self, call: Call) -> Made:
        try:
            with np.errstate(all="ignore"):
                made = self._rules[call.node.operator](call)
        except RejectedGraphError as error:
            raise rejected_at(call.node, str(error)) from None
        except (ArithmeticError, IndexError, KeyError, TypeError, ValueError):
            raise rejected_at(call.node, "has attributes or inputs that make no sense") from None
        if any(size < 0 for shape in made.shapes for size in shape):
            raise rejected_at(call.node, "makes a tensor of negative size")
        if max(map(len, made.shapes)) > MOST_DIMENSIONS:
            raise rejected_at(call.node, f"makes a tensor of more than {MOST_DIMENSIONS} dimensions")
        return made


def _check_node(node: Node, rules: Mapping[str, Rule]) -> None:
    if node.domain not in ("", "ai.onnx") or node.operator not in rules:
        domain = f" of the domain {shown(node.domain)}" if node.domain else ""
        name = f" (node {shown(node.name)})" if node.name else ""
        raise RejectedGraphError(
            f"it uses the operator {shown(node.operator)}{domain}{name}, which exported models never have"
        )
    if max(len(node.inputs), len(node.outputs)) > MOST_ENDS or not node.outputs:
        raise rejected_at(node, f"has {len(node.inputs)} inputs and {len(node.outputs)} outputs")
    for value in node.attributes.values():
        if isinstance(value, list | str) and len(value) > _MOST_ATTRIBUTE_VALUES:
            raise rejected_at(node, f"has an attribute of more than {_MOST_ATTRIBUTE_VALUES} values")


def _in_order(graph: Graph) -> list[Node]:
    """Return the nodes so that each comes after those whose outputs it takes."""
    maker: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        for name in filter(None, node.outputs):
            if name in maker or name in graph.initializers or name == "frames":
                raise rejected_at(node, f"computes {shown(name)}, which is defined already")
            maker[name] = index
    lacking = [0] * len(graph.nodes)  # how many inputs of each node are still to be computed
    takers: dict[int, list[int]] = {}
    for index, node in enumerate(graph.nodes):
        for name in node.inputs:
            if name in maker:
                lacking[index] += 1
                takers.setdefault(maker[name], []).append(index)
            elif name and name not in graph.initializers and name != "frames":
                raise rejected_at(node, f"takes {shown(name)}, which no node computes")
    names = [output.name for output in graph.outputs]
    if len(set(names)) < len(names):
        raise RejectedGraphError("two of its outputs have the same name")
    for output in graph.outputs:
        if output.name not in maker:
            raise RejectedGraphError(f"no node computes its output {shown(output.name)}")
    ready = [index for index, count in enumerate(lacking) if not count]
    for index in ready:  # grows while it is walked over
        for taker in takers.get(index, ()):
            lacking[taker] -= 1
            if not lacking[taker]:
                ready.append(taker)
    if len(ready) < len(graph.nodes):
        raise RejectedGraphError("its nodes take each other's outputs in a circle")
    return [graph.nodes[index] for index in ready]


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "1"
