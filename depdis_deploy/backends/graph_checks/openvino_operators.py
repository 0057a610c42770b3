"""OpenVINO operators that a model may use, and the rule of each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from . import arranging, windows
from .calls import Call, Made
from .elementwise import converted, divided, elementwise, require_fits, same, select, unary
from .graph import RejectedGraphError
from .sizes import Rule
from .windows import Window

_DTYPES = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64, "boolean": np.bool_}
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_AUTO_PADS = {"explicit": "NOTSET", "valid": "VALID", "same_upper": "SAME_UPPER", "same_lower": "SAME_LOWER"}


def _numbers(call: Call, name: str, default: Sequence[int] | None = None) -> list[int]:
    """Return an attribute's numbers. default: None for an attribute that has to be there."""
    text = call.node.attributes.get(name)
    if text is None:
        if default is None:
            raise KeyError(name)
        return list(default)
    words = [word.strip() for word in text.split(",")] if text else []
    # OpenVINO would read other forms in its own way.
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise ValueError(text)
    return [int(word) for word in words]


def _flag(call: Call, name: str) -> bool:
    return {"true": True, "false": False}[call.node.attributes[name]]


def _broadcasting(rule: Rule) -> Rule:
    """Reject rules of other frameworks."""

    def made(call: Call) -> Made:
        if call.node.attributes.get("auto_broadcast", "numpy") not in ("numpy", "none"):
            raise RejectedGraphError("broadcasts by the rules of another framework")
        return rule(call)

    return made


def _with_scalars(call: Call) -> Made:
    """A function with parameters of one element."""
    if any(math.prod(call.shape(index)) != 1 for index in range(1, len(call.shapes))):
        raise ValueError
    return same(call)


def _p_relu(call: Call) -> Made:
    if math.prod(call.shape(1)) > math.prod(call.shape()):
        raise ValueError
    return same(call)


def _batch_norm(call: Call) -> Made:
    if any(call.shape(index) != call.shape()[1:2] for index in range(1, 5)):
        raise ValueError
    return same(call)


def _fake_quantize(call: Call) -> Made:
    for index in range(1, 5):
        require_fits(call.shape(index), call.shape())
    return same(call)


def _convert(call: Call) -> Made:
    to = _DTYPES.get(call.node.attributes.get("destination_type", ""))
    return Made([call.shape()], [converted(call.known(), to)])


def _shape_of(call: Call) -> Made:
    shape = call.shape()
    return Made([(len(shape),)], [np.array(shape, _DTYPES[call.node.attributes.get("output_type", "i64")])])


def _reshape(call: Call) -> Made:
    return arranging.reshape(call, call.integers(1), copies_zeros=_flag(call, "special_zero"))


def _squeeze(call: Call) -> Made:
    return arranging.squeeze(call, call.integers(1) if call.given(1) else None)


def _split(call: Call) -> Made:
    (axis,) = call.integers(1)
    (length,) = (call.shape()[place] for place in arranging.axes_of([axis], len(call.shape())))
    (parts,) = _numbers(call, "num_splits")
    if length % parts:
        raise ValueError
    return arranging.split(call, axis, [length // parts] * parts)


def _variadic_split(call: Call) -> Made:
    (axis,), sizes = call.integers(1), call.integers(2)
    if -1 in sizes:
        (place,) = arranging.axes_of([axis], len(call.shape()))
        sizes[sizes.index(-1)] = call.shape()[place] - sum(size for size in sizes if size != -1)
    return arranging.split(call, axis, sizes)


def _slice(call: Call) -> Made:
    axes = call.integers(4) if call.given(4) else None
    return arranging.cut(call, call.integers(1), call.integers(2), axes, call.integers(3))


def _gather(call: Call) -> Made:
    if _numbers(call, "batch_dims", [0]) != [0]:
        raise RejectedGraphError("gathers by batch, which exported models never do")
    (axis,) = call.integers(2)
    return arranging.gather(call, axis)


def _broadcast(call: Call) -> Made:
    target, mode = call.integers(1), call.node.attributes.get("mode")
    if mode == "numpy":
        require_fits(call.shape(), tuple(target))
    elif mode != "bidirectional":
        raise RejectedGraphError("broadcasts along chosen axes, which exported models never do")
    return arranging.expand(call, target)


def _range(call: Call) -> Made:
    kinds = {call.value(index).dtype.kind in "iu" for index in range(3)}
    whole = call.node.attributes.get("output_type", "")[:1] in ("i", "u")
    if whole and kinds != {True}:
        raise RejectedGraphError("makes integers of fractions, which exported models never do")
    made = arranging.counted(call)
    return made if whole else Made(made.shapes)


def _reduce(call: Call) -> Made:
    return arranging.reduce(call, call.integers(1), keep=_flag(call, "keep_dims"))


def _top_k(call: Call) -> Made:
    shape, (count,) = list(call.shape()), call.integers(1)
    (axis,) = arranging.axes_of(_numbers(call, "axis"), len(shape))
    if not 0 <= count <= shape[axis]:
        raise ValueError
    shape[axis] = count
    return Made([tuple(shape)] * len(call.node.outputs))


def _window(call: Call, spatial: int) -> Window:
    attributes = call.node.attributes
    rounding = attributes.get("rounding_type", "floor")
    if rounding not in ("floor", "ceil", "ceil_torch"):
        raise ValueError
    return Window(
        strides=_numbers(call, "strides", [1] * spatial),
        dilations=_numbers(call, "dilations", [1] * spatial),
        before=_numbers(call, "pads_begin", [0] * spatial),
        after=_numbers(call, "pads_end", [0] * spatial),
        auto=_AUTO_PADS[attributes.get("auto_pad", "explicit")],
        ceil=rounding != "floor",
    )


def _conv(call: Call) -> Made:
    image, weights = call.shape(), call.shape(1)
    return windows.convolution(image, weights, 1, _window(call, len(image) - 2))


def _group_conv(call: Call) -> Made:
    image, (groups, filters, *rest) = call.shape(), call.shape(1)
    return windows.convolution(image, (groups * filters, *rest), groups, _window(call, len(image) - 2))


def _transposed_conv(*, grouped: bool) -> Rule:
    def made(call: Call) -> Made:
        image, weights = call.shape(), call.shape(1)
        groups = weights[0] if grouped else 1
        if grouped:
            weights = (groups * weights[1], *weights[2:])
        extra = _numbers(call, "output_padding", [0] * (len(image) - 2))
        if call.given(2):
            raise RejectedGraphError(
                "chooses the size of a transposed convolution, which exported models never do"
            )
        return windows.transposed_convolution(image, weights, groups, _window(call, len(image) - 2), extra)

    return made


def _pool(call: Call) -> Made:
    image = call.shape()
    window = _window(call, len(image) - 2)
    return windows.pooling(image, _numbers(call, "kernel"), window, len(call.node.outputs))


def _mat_mul(call: Call) -> Made:
    first, second = (
        (*shape[:-2], *shape[:-3:-1]) if _flag(call, name) else shape
        for shape, name in ((call.shape(), "transpose_a"), (call.shape(1), "transpose_b"))
    )
    return windows.product(first, second)


def _interpolate(call: Call) -> Made:
    shape = call.shape()
    if any(_numbers(call, "pads_begin", [])) or any(_numbers(call, "pads_end", [])):
        raise RejectedGraphError("pads an image before it resizes it, which exported models never do")
    given = call.integers(2) if call.given(2) else list(range(len(shape)))
    axes = arranging.axes_of(given, len(shape))
    mode = call.node.attributes.get("shape_calculation_mode")
    if mode == "sizes":
        sizes = call.integers(1)
    elif mode == "scales":
        scales = call.value(1).ravel()
        sizes = [windows.scaled(shape[axis], scale) for axis, scale in zip(axes, scales, strict=True)]
    else:
        raise ValueError
    return windows.resized(shape, axes, sizes)


def _pad(call: Call) -> Made:
    return arranging.pad(call, call.integers(1), call.integers(2))


def _depth_to_space(call: Call) -> Made:
    (block,) = _numbers(call, "block_size", [1])
    return arranging.depth_to_space(call, block)


def _concat(call: Call) -> Made:
    (axis,) = _numbers(call, "axis")
    return arranging.concat(call, axis)


# Operator -> the versions whose semantics the rule has, and the rule.
OPERATORS: dict[str, tuple[tuple[int, ...], Callable[[Call], Made]]] = {
    # What depdis-export writes, for every network, precision and target.
    "Add": ((1,), _broadcasting(elementwise(np.add))),
    "BatchNormInference": ((5,), _batch_norm),
    "Broadcast": ((3,), _broadcast),
    "Concat": ((1,), _concat),
    "Convert": ((1,), _convert),
    "Convolution": ((1,), _conv),
    "Divide": ((1,), _broadcasting(elementwise(divided))),
    "Exp": ((1,), same),
    "FakeQuantize": ((1,), _broadcasting(_fake_quantize)),
    "Gather": ((8,), _gather),
    "GroupConvolution": ((1,), _group_conv),
    "Interpolate": ((11,), _interpolate),
    "MaxPool": ((8, 14), _pool),
    "Maximum": ((1,), _broadcasting(elementwise(np.maximum))),
    "Minimum": ((1,), _broadcasting(elementwise(np.minimum))),
    "Multiply": ((1,), _broadcasting(elementwise(np.multiply))),
    "Range": ((4,), _range),
    "ReLU": ((1,), same),
    "Reshape": ((1,), _reshape),
    "ShapeOf": ((3,), _shape_of),
    "Slice": ((8,), _slice),
    "SoftMax": ((1, 8), same),
    "Squeeze": ((1,), _squeeze),
    "Subtract": ((1,), _broadcasting(elementwise(np.subtract))),
    "TopK": ((3, 11), _top_k),
    "Transpose": ((1,), lambda call: arranging.transpose(call, call.integers(1))),
    "Unsqueeze": ((1,), lambda call: arranging.unsqueeze(call, call.integers(1))),
    "VariadicSplit": ((1,), _variadic_split),
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), ((1,), _reduce)),
    # Plain operators of other dense networks.
    **dict.fromkeys(
        (
            "Abs", "Clamp", "Elu", "Erf", "Log", "LogicalNot", "Negative", "Sigmoid", "Sign", "Sqrt", "Tanh",
        ),
        ((1,), same),
    ),
    **dict.fromkeys(
        (
            "Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr", "Power",
        ),
        ((1,), _broadcasting(elementwise())),
    ),
    "AvgPool": ((1, 14, 16), _pool),
    "Ceiling": ((1,), unary(np.ceil)),
    "ConvolutionBackpropData": ((1,), _transposed_conv(grouped=False)),
    "DepthToSpace": ((1,), _depth_to_space),
    "Floor": ((1,), unary(np.floor)),
    "Gelu": ((7,), same),
    "GroupConvolutionBackpropData": ((1,), _transposed_conv(grouped=True)),
    "HSwish": ((4,), same),
    "HardSigmoid": ((1,), _with_scalars),
    "LogSoftmax": ((5,), same),
    "MVN": ((6,), same),
    "MatMul": ((1,), _mat_mul),
    "Mish": ((4,), same),
    "PReLU": ((1,), _p_relu),
    "Pad": ((1, 12), _pad),
    "Round": ((5,), same),
    "Select": ((1,), _broadcasting(select)),
    "Selu": ((1,), _with_scalars),
    "SoftPlus": ((4,), same),
    "SoftSign": ((9,), same),
    "Split": ((1,), _split),
    "Swish": ((4,), _with_scalars),
}  # fmt: skip
RULES = {name: rule for name, (_, rule) in OPERATORS.items()}
