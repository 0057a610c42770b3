"""Operators that a model may use, and the size of every tensor that they make, before an engine runs them.

Each allowed operator has a function that gives the shapes of its outputs for concrete input shapes, as ONNX
defines them. Values are followed only where shapes depend on them: constants, and what `Shape` leads to.
A shape that depends on the values of pixels is therefore unknown, and rejected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .onnx_file import SMALL, Graph, Node, RejectedGraphError, Tensor, shown

Shape = tuple[int, ...]

# Limits: a fixed part, and a part per pixel of the input (N H W). At their usual sizes exported models make at
# most 40 elements per pixel in one tensor and 7 000 in all, with 960 000 multiply-adds.
_MOST_NODES = 4096  # exported models have 900
_MOST_ENDS = 256  # inputs or outputs of a node
_MOST_ATTRIBUTE_VALUES = 1024
_MOST_DIMENSIONS = 8
_MOST_TENSOR = (2**24, 2**9)
_MOST_ELEMENTS = (2**26, 2**14)
_MOST_WORK = (2**34, 2**23)
_OLDEST_OPSET = 11  # older versions of Resize, Clip and Pad take their parameters in other places


def largest_tensor(frames: Shape, constants: int) -> int:
    """How many elements a tensor may have for `frames`, in a model of that many weights."""
    return _limit(_MOST_TENSOR, frames, constants)


def _limit(kind: tuple[int, int], frames: Shape, constants: int) -> int:
    fixed, per_pixel = kind
    # Weights that are stored in a smaller type become tensors of their own.
    return fixed + per_pixel * math.prod(frames[:3]) + 4 * constants


@dataclass
class _Call:
    """A node with what is known of its inputs; absent optional inputs are None."""

    node: Node
    shapes: list[Shape | None]
    values: list[NDArray[Any] | None]

    def shape(self, index: int = 0) -> Shape:
        found = self.shapes[index] if index < len(self.shapes) else None
        if found is None:
            raise RejectedGraphError("lacks an input")
        return found

    def value(self, index: int) -> NDArray[Any]:
        """The value of an input on which shapes depend."""
        self.shape(index)
        found = self.values[index]
        if found is None:
            raise RejectedGraphError("makes a tensor whose size is not a function of the input's size")
        return found

    def given(self, index: int) -> bool:
        return index < len(self.shapes) and self.shapes[index] is not None

    def integers(self, name: str, index: int | None = None) -> list[int] | None:
        """A list of integers that is an attribute, or in newer operator sets an input; None: not given."""
        if name in self.node.attributes:
            return [int(value) for value in self.node.attributes[name]]
        if index is not None and self.given(index):
            return [int(value) for value in self.value(index).ravel()]
        return None

    def integer(self, name: str, default: int) -> int:
        return int(self.node.attributes.get(name, default))

    def text(self, name: str, default: str) -> str:
        return bytes(self.node.attributes.get(name, default.encode())).decode("ascii", "replace")


@dataclass
class _Made:
    """Output shapes; `value` of the first output if known; `work`: multiply-adds, at least one per element."""

    shapes: list[Shape]
    value: NDArray[Any] | None = None
    work: int = 0


class SizeCheck:
    """The sizes of a graph's tensors for a given input, held against limits."""

    def __init__(self, graph: Graph) -> None:
        """Check what does not depend on the input.

        Raises:
            RejectedGraphError: The graph has other inputs than `frames`, an operator that `OPERATORS` lacks, or
                names that are defined twice or not at all.
        """
        self._graph = graph
        if graph.opset < _OLDEST_OPSET:
            raise RejectedGraphError(
                f"it uses version {graph.opset} of the ONNX operators; {_OLDEST_OPSET} is the oldest supported"
            )
        if len(graph.nodes) > _MOST_NODES:
            raise RejectedGraphError(f"it has {len(graph.nodes)} nodes; at most {_MOST_NODES} are supported")
        inputs = [value.name for value in graph.inputs]
        if inputs != ["frames"]:
            found = ", ".join(map(shown, inputs[:4])) or "none"
            raise RejectedGraphError(f"it should have one input, frames; it has {found}")
        for node in graph.nodes:
            _check_node(node)
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
            made = _made(_Call(node, given, [values.get(name) for name in node.inputs]))
            largest = max(made.shapes, key=math.prod)
            if math.prod(largest) > most_tensor:
                raise _at(
                    node,
                    f"makes a tensor of {_size(largest)} from an input of {_size(frames)}, where at most "
                    f"{most_tensor} elements are supported",
                )
            elements += sum(map(math.prod, made.shapes))
            work += max(made.work, *(math.prod(shape) for shape in (*made.shapes, *given) if shape is not None))
            if elements > most_elements or work > most_work:
                raise RejectedGraphError(
                    "it needs more memory or computation than any exported model does for an input of "
                    f"{_size(frames)}"
                )
            shapes.update(zip(node.outputs, made.shapes, strict=False))
            if made.value is not None and made.value.size <= SMALL:
                values[node.outputs[0]] = made.value
            shapes.pop("", None)  # an output that is left out, and the name of an input that is left out too
        return shapes


def _check_node(node: Node) -> None:
    if node.domain not in ("", "ai.onnx") or node.operator not in OPERATORS:
        domain = f" of the domain {shown(node.domain)}" if node.domain else ""
        name = f" (node {shown(node.name)})" if node.name else ""
        raise RejectedGraphError(
            f"it uses the operator {shown(node.operator)}{domain}{name}, which exported models never have"
        )
    if max(len(node.inputs), len(node.outputs)) > _MOST_ENDS or not node.outputs:
        raise _at(node, f"has {len(node.inputs)} inputs and {len(node.outputs)} outputs")
    for value in node.attributes.values():
        if isinstance(value, list) and len(value) > _MOST_ATTRIBUTE_VALUES:
            raise _at(node, f"has an attribute of more than {_MOST_ATTRIBUTE_VALUES} values")


def _in_order(graph: Graph) -> list[Node]:
    """The nodes so that each comes after those whose outputs it takes."""
    maker: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        for name in filter(None, node.outputs):
            if name in maker or name in graph.initializers or name == "frames":
                raise _at(node, f"computes {shown(name)}, which is defined already")
            maker[name] = index
    lacking = [0] * len(graph.nodes)  # how many inputs of each node are still to be computed
    takers: dict[int, list[int]] = {}
    for index, node in enumerate(graph.nodes):
        for name in node.inputs:
            if name in maker:
                lacking[index] += 1
                takers.setdefault(maker[name], []).append(index)
            elif name and name not in graph.initializers and name != "frames":
                raise _at(node, f"takes {shown(name)}, which no node computes")
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


def _made(call: _Call) -> _Made:
    try:
        with np.errstate(all="ignore"):
            made = OPERATORS[call.node.operator](call)
    except RejectedGraphError as error:
        raise _at(call.node, str(error)) from None
    except (ArithmeticError, IndexError, KeyError, TypeError, ValueError):
        raise _at(call.node, "has attributes or inputs that make no sense") from None
    if any(size < 0 for shape in made.shapes for size in shape):
        raise _at(call.node, "makes a tensor of negative size")
    if max(map(len, made.shapes)) > _MOST_DIMENSIONS:
        raise _at(call.node, f"makes a tensor of more than {_MOST_DIMENSIONS} dimensions")
    return made


def _at(node: Node, what: str) -> RejectedGraphError:
    name = node.name or next(filter(None, node.outputs), "")
    return RejectedGraphError(f"its node {shown(name)} ({node.operator}) {what}")


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "1"


# The operators: what each makes of its inputs.


def _same(call: _Call) -> _Made:
    """Element by element of the first input; further outputs, as of a pooling's indices, are as large."""
    return _Made([call.shape()] * len(call.node.outputs))


def _unary(function: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[_Call], _Made]:
    def made(call: _Call) -> _Made:
        value = call.values[0]
        return _Made([call.shape()], None if value is None else function(value))

    return made


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape of an element-wise result. Where sizes do not match, which an engine rejects, the largest."""
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(0 if 0 in sizes else max(sizes) for sizes in zip(*padded, strict=True))


def _elementwise(function: Callable[..., NDArray[Any]] | None = None) -> Callable[[_Call], _Made]:
    def made(call: _Call) -> _Made:
        shape = _broadcast([found for found in call.shapes if found is not None])
        known = [value for value in call.values if value is not None]
        if function is None or len(known) < len(call.shapes) or math.prod(shape) > SMALL:
            return _Made([shape])
        value = known[0]
        for other in known[1:]:
            value = function(value, other)
        return _Made([shape], np.asarray(value))

    return made


def _divided(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    if np.issubdtype(first.dtype, np.integer):
        if not np.all(second):
            raise ZeroDivisionError
        return np.asarray(np.trunc(first / second).astype(first.dtype))
    return np.asarray(first / second)


def _where(call: _Call) -> _Made:
    shape = _broadcast([call.shape(index) for index in range(3)])
    known = [value for value in call.values if value is not None]
    if len(known) < 3 or math.prod(shape) > SMALL:
        return _Made([shape])
    return _Made([shape], np.where(*known))


def _cast(call: _Call) -> _Made:
    to = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64}.get(call.integer("to", 0))
    value = call.values[0]
    return _Made([call.shape()], None if value is None or to is None else value.astype(to))


def _constant(call: _Call) -> _Made:
    ((name, given),) = call.node.attributes.items()
    if isinstance(given, Tensor):
        return _Made([given.shape], given.values)
    if name not in ("value_float", "value_floats", "value_int", "value_ints"):
        raise RejectedGraphError("is a constant of a kind that exported models never have")
    value = np.array(given, np.float32 if "float" in name else np.int64)
    return _Made([value.shape], value)


def _axes(axes: Sequence[int], rank: int) -> list[int]:
    if any(not -rank <= axis < rank for axis in axes):
        raise IndexError
    return [axis % rank for axis in axes]


def _shape_of(call: _Call) -> _Made:
    shape = call.shape()
    part = shape[call.integer("start", 0) : call.node.attributes.get("end")]
    return _Made([(len(part),)], np.array(part, np.int64))


def _reshape(call: _Call) -> _Made:
    old, wanted = call.shape(), [int(size) for size in call.value(1).ravel()]
    if not call.integer("allowzero", 0):
        wanted = [old[index] if size == 0 else size for index, size in enumerate(wanted)]
    if -1 in wanted:
        rest = math.prod(size for size in wanted if size != -1)
        wanted[wanted.index(-1)] = math.prod(old) // rest if rest else 0
    if math.prod(wanted) != math.prod(old):
        raise ValueError
    return _reformed(call, tuple(wanted))


def _reformed(call: _Call, shape: Shape) -> _Made:
    """The same elements in another shape."""
    value = call.values[0]
    return _Made([shape], None if value is None else value.reshape(shape))


def _flatten(call: _Call) -> _Made:
    shape, axis = call.shape(), call.integer("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    return _Made([(math.prod(shape[:axis]), math.prod(shape[axis:]))])


def _squeeze(call: _Call) -> _Made:
    shape, axes = call.shape(), call.integers("axes", 1)
    gone = (
        {axis for axis, size in enumerate(shape) if size == 1} if axes is None else set(_axes(axes, len(shape)))
    )
    if any(shape[axis] != 1 for axis in gone):
        raise ValueError
    return _reformed(call, tuple(size for axis, size in enumerate(shape) if axis not in gone))


def _unsqueeze(call: _Call) -> _Made:
    shape, axes = list(call.shape()), call.integers("axes", 1) or []
    for axis in sorted(_axes(axes, len(shape) + len(axes))):
        shape.insert(axis, 1)
    return _reformed(call, tuple(shape))


def _transpose(call: _Call) -> _Made:
    shape = call.shape()
    order = call.integers("perm") or list(range(len(shape)))[::-1]
    if sorted(order) != list(range(len(shape))):
        raise ValueError
    value = call.values[0]
    return _Made([tuple(shape[axis] for axis in order)], None if value is None else value.transpose(order))


def _concat(call: _Call) -> _Made:
    shapes = [call.shape(index) for index in range(len(call.shapes))]
    (axis,) = _axes([call.integer("axis", 0)], len(shapes[0]))
    joined = sum(shape[axis] for shape in shapes)
    shape = tuple(
        joined if index == axis else max(sizes) for index, sizes in enumerate(zip(*shapes, strict=True))
    )
    known = [value for value in call.values if value is not None]
    whole = len(known) == len(shapes) and joined <= SMALL
    return _Made([shape], np.concatenate(known, axis) if whole else None)


def _split(call: _Call) -> _Made:
    shape, count = call.shape(), len(call.node.outputs)
    (axis,) = _axes([call.integer("axis", 0)], len(shape))
    sizes = call.integers("split", 1)
    if sizes is None:
        each = -(-shape[axis] // count)
        sizes = [min(each, max(0, shape[axis] - each * index)) for index in range(count)]
    if len(sizes) != count or sum(sizes) != shape[axis]:
        raise ValueError
    return _Made([(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes])


def _slice(call: _Call) -> _Made:
    shape = list(call.shape())
    starts, ends = call.integers("starts", 1) or [], call.integers("ends", 2) or []
    axes = _axes(call.integers("axes", 3) or list(range(len(starts))), len(shape))
    steps = call.integers("steps", 4) or [1] * len(starts)
    cuts = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # An end below the first element is how a backward slice says that it takes it.
        stop = None if step < 0 and end < -shape[axis] else end
        cuts[axis] = slice(start, stop, step)
        shape[axis] = len(range(*cuts[axis].indices(shape[axis])))
    value = call.values[0]
    return _Made([tuple(shape)], None if value is None else value[tuple(cuts)])


def _gather(call: _Call) -> _Made:
    shape, indices = call.shape(), call.shape(1)
    (axis,) = _axes([call.integer("axis", 0)], len(shape))
    value, chosen = call.values[0], call.values[1]
    found = None if value is None or chosen is None else np.take(value, chosen.astype(np.int64), axis)
    return _Made([(*shape[:axis], *indices, *shape[axis + 1 :])], found)


def _expand(call: _Call) -> _Made:
    shape = _broadcast([call.shape(), tuple(int(size) for size in call.value(1).ravel())])
    value = call.values[0]
    small = value is not None and math.prod(shape) <= SMALL
    return _Made([shape], np.broadcast_to(value, shape) if small and value is not None else None)


def _range(call: _Call) -> _Made:
    start, limit, delta = (call.value(index).item() for index in range(3))
    count = max(0, math.ceil((limit - start) / delta))
    value = start + delta * np.arange(count) if count <= SMALL else None
    return _Made([(count,)], None if value is None else value.astype(call.value(0).dtype))


def _reduce(call: _Call) -> _Made:
    shape, axes = call.shape(), call.integers("axes", 1)
    if not axes:
        axes = [] if call.integer("noop_with_empty_axes", 0) else list(range(len(shape)))
    return _Made([_reduced(shape, _axes(axes, len(shape)), keep=call.integer("keepdims", 1))])


def _arg_max(call: _Call) -> _Made:
    shape = call.shape()
    axes = _axes([call.integer("axis", 0)], len(shape))
    return _Made([_reduced(shape, axes, keep=call.integer("keepdims", 1))])


def _reduced(shape: Shape, axes: Sequence[int], *, keep: int) -> Shape:
    sizes = ((1 if axis in axes else size) for axis, size in enumerate(shape) if keep or axis not in axes)
    return tuple(sizes)


def _windows(call: _Call, kernel: Sequence[int]) -> Shape:
    """Sizes of what a convolution or pooling with that kernel makes of the spatial dimensions."""
    spatial = call.shape()[2:]
    strides = call.integers("strides") or [1] * len(spatial)
    dilations = call.integers("dilations") or [1] * len(spatial)
    pads = call.integers("pads") or [0] * 2 * len(spatial)
    auto = call.text("auto_pad", "NOTSET")
    if min((*kernel, *strides, *dilations), default=1) < 1 or len(pads) != 2 * len(spatial):
        raise ValueError
    sizes = []
    for axis, (size, window, stride, dilation) in enumerate(
        zip(spatial, kernel, strides, dilations, strict=True)
    ):
        if auto.startswith("SAME"):
            sizes.append(-(-size // stride))
            continue
        padded = size + (0 if auto == "VALID" else pads[axis] + pads[axis + len(spatial)])
        room = padded - dilation * (window - 1) - 1
        sizes.append((-(-room // stride) if call.integer("ceil_mode", 0) else room // stride) + 1)
    return tuple(max(0, size) for size in sizes)


def _conv(call: _Call) -> _Made:
    weights = call.shape(1)
    shape = (call.shape()[0], weights[0], *_windows(call, weights[2:]))
    return _Made([shape], work=math.prod(shape) * math.prod(weights[1:]))


def _conv_transpose(call: _Call) -> _Made:
    shape, weights = call.shape(), call.shape(1)
    spatial = shape[2:]
    fixed = call.integers("output_shape")
    strides = call.integers("strides") or [1] * len(spatial)
    extra = call.integers("output_padding") or [0] * len(spatial)
    dilations = call.integers("dilations") or [1] * len(spatial)
    pads = call.integers("pads") or [0] * 2 * len(spatial)
    sizes = fixed or [
        stride * (size - 1) + more + dilation * (window - 1) + 1 - pads[axis] - pads[axis + len(spatial)]
        for axis, (size, stride, more, dilation, window) in enumerate(
            zip(spatial, strides, extra, dilations, weights[2:], strict=True)
        )
    ]
    channels = weights[1] * call.integer("group", 1)
    return _Made([(shape[0], channels, *sizes)], work=math.prod(shape) * math.prod(weights[1:]))


def _pool(call: _Call) -> _Made:
    kernel = call.integers("kernel_shape") or []
    shape = (*call.shape()[:2], *_windows(call, kernel))
    return _Made([shape] * len(call.node.outputs), work=math.prod(shape) * math.prod(kernel))


def _global_pool(call: _Call) -> _Made:
    shape = call.shape()
    return _Made([(*shape[:2], *(1 for _ in shape[2:]))])


def _matmul(call: _Call) -> _Made:
    first, second = call.shape(), call.shape(1)
    if min(len(first), len(second)) < 2:
        raise RejectedGraphError("multiplies vectors, which exported models never do")
    shape = (*_broadcast([first[:-2], second[:-2]]), first[-2], second[-1])
    return _Made([shape], work=math.prod(shape) * first[-1])


def _gemm(call: _Call) -> _Made:
    first, second = call.shape(), call.shape(1)
    rows, inner = first[::-1] if call.integer("transA", 0) else first
    columns = second[0] if call.integer("transB", 0) else second[1]
    return _Made([(rows, columns)], work=rows * inner * columns)


def _resize(call: _Call) -> _Made:
    shape = list(call.shape())
    axes = _axes(call.integers("axes") or list(range(len(shape))), len(shape))
    if call.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise RejectedGraphError("keeps an aspect ratio, which exported models never do")
    if call.given(3):
        sizes = [int(size) for size in call.value(3).ravel()]
    else:
        scales = call.value(2).ravel().astype(np.float32)
        sizes = [int(np.float32(shape[axis]) * scale) for axis, scale in zip(axes, scales, strict=True)]
    for axis, size in zip(axes, sizes, strict=True):
        shape[axis] = size
    return _Made([tuple(shape)], work=16 * math.prod(shape))  # a cubic one reads 16 neighbours


def _pad(call: _Call) -> _Made:
    shape = list(call.shape())
    pads = call.integers("pads", 1) or []
    axes = _axes(call.integers("axes", 3) or list(range(len(shape))), len(shape))
    if len(pads) != 2 * len(axes):
        raise ValueError
    for place, axis in enumerate(axes):
        shape[axis] += pads[place] + pads[place + len(axes)]
    return _Made([tuple(shape)])


def _depth_to_space(call: _Call) -> _Made:
    batch, channels, height, width = call.shape()
    block = call.integer("blocksize", 1)
    return _Made([(batch, channels // (block * block), height * block, width * block)])


OPERATORS: dict[str, Callable[[_Call], _Made]] = {
    # What depdis-export writes, for every network, precision and target.
    "Add": _elementwise(np.add),
    "ArgMax": _arg_max,
    "BatchNormalization": _same,
    "Cast": _cast,
    "Clip": _same,
    "Concat": _concat,
    "Conv": _conv,
    "DequantizeLinear": _same,
    "Div": _elementwise(_divided),
    "Exp": _same,
    "Expand": _expand,
    "Gather": _gather,
    "MaxPool": _pool,
    "Mul": _elementwise(np.multiply),
    "QuantizeLinear": _same,
    "Range": _range,
    "Reciprocal": _same,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "ReduceSum": _reduce,
    "Relu": _same,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape_of,
    "Slice": _slice,
    "Softmax": _same,
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _elementwise(np.subtract),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    # Plain operators of other dense networks.
    **dict.fromkeys(
        (
            "Abs", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "InstanceNormalization", "LeakyRelu",
            "Log", "LogSoftmax", "Mish", "Neg", "Not", "Round", "Selu", "Sigmoid", "Sign", "Softplus",
            "Softsign", "Sqrt", "Tanh",
        ),
        _same,
    ),
    **dict.fromkeys(
        (
            "And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Mean", "Or", "PRelu", "Pow",
            "Sum",
        ),
        _elementwise(),
    ),
    "ArgMin": _arg_max,
    "AveragePool": _pool,
    "Ceil": _unary(np.ceil),
    "Constant": _constant,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Flatten": _flatten,
    "Floor": _unary(np.floor),
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "Identity": _unary(np.asarray),
    "LayerNormalization": _same,
    "MatMul": _matmul,
    "Max": _elementwise(np.maximum),
    "Min": _elementwise(np.minimum),
    "Pad": _pad,
    "ReduceMin": _reduce,
    "Where": _where,
}  # fmt: skip
