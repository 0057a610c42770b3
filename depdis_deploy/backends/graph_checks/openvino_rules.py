"""What each OpenVINO operator makes of its inputs. `openvino_operators` names the rule of each operator."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from . import arranging, windows
from .calls import Call, Made
from .elementwise import converted, require_fits, same
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


def broadcasting(rule: Rule) -> Rule:
    """Reject rules of other frameworks."""

    def made(call: Call) -> Made:
        if call.node.attributes.get("auto_broadcast", "numpy") not in ("numpy", "none"):
            raise RejectedGraphError("broadcasts by the rules of another framework")
        return rule(call)

    return made


def with_scalars(call: Call) -> Made:
    """A function with parameters of one element."""
    if any(math.prod(call.shape(index)) != 1 for index in range(1, len(call.shapes))):
        raise ValueError
    return same(call)


def p_relu(call: Call) -> Made:
    if math.prod(call.shape(1)) > math.prod(call.shape()):
        raise ValueError
    return same(call)


def batch_norm(call: Call) -> Made:
    if any(call.shape(index) != call.shape()[1:2] for index in range(1, 5)):
        raise ValueError
    return same(call)


def fake_quantize(call: Call) -> Made:
    for index in range(1, 5):
        require_fits(call.shape(index), call.shape())
    return same(call)


def convert(call: Call) -> Made:
    to = _DTYPES.get(call.node.attributes.get("destination_type", ""))
    return Made([call.shape()], [converted(call.known(), to)])


def shape_of(call: Call) -> Made:
    shape = call.shape()
    return Made([(len(shape),)], [np.array(shape, _DTYPES[call.node.attributes.get("output_type", "i64")])])


def reshape(call: Call) -> Made:
    return arranging.reshape(call, call.integers(1), copies_zeros=_flag(call, "special_zero"))


def transpose(call: Call) -> Made:
    return arranging.transpose(call, call.integers(1))


def unsqueeze(call: Call) -> Made:
    return arranging.unsqueeze(call, call.integers(1))


def squeeze(call: Call) -> Made:
    return arranging.squeeze(call, call.integers(1) if call.given(1) else None)


def split(call: Call) -> Made:
    (axis,) = call.integers(1)
    (length,) = (call.shape()[place] for place in arranging.axes_of([axis], len(call.shape())))
    (parts,) = _numbers(call, "num_splits")
    if length % parts:
        raise ValueError
    return arranging.split(call, axis, [length // parts] * parts)


def variadic_split(call: Call) -> Made:
    (axis,), sizes = call.integers(1), call.integers(2)
    if -1 in sizes:
        (place,) = arranging.axes_of([axis], len(call.shape()))
        sizes[sizes.index(-1)] = call.shape()[place] - sum(size for size in sizes if size != -1)
    return arranging.split(call, axis, sizes)


def slice_of(call: Call) -> Made:
    axes = call.integers(4) if call.given(4) else None
    return arranging.cut(call, call.integers(1), call.integers(2), axes, call.integers(3))


def gather(call: Call) -> Made:
    if _numbers(call, "batch_dims", [0]) != [0]:
        raise RejectedGraphError("gathers by batch, which exported models never do")
    (axis,) = call.integers(2)
    return arranging.gather(call, axis)


def broadcast(call: Call) -> Made:
    target, mode = call.integers(1), call.node.attributes.get("mode")
    if mode == "numpy":
        require_fits(call.shape(), tuple(target))
    elif mode != "bidirectional":
        raise RejectedGraphError("broadcasts along chosen axes, which exported models never do")
    return arranging.expand(call, target)


def range_of(call: Call) -> Made:
    kinds = {call.value(index).dtype.kind in "iu" for index in range(3)}
    whole = call.node.attributes.get("output_type", "")[:1] in ("i", "u")
    if whole and kinds != {True}:
        raise RejectedGraphError("makes integers of fractions, which exported models never do")
    made = arranging.counted(call)
    return made if whole else Made(made.shapes)


def reduce(call: Call) -> Made:
    return arranging.reduce(call, call.integers(1), keep=_flag(call, "keep_dims"))


def top_k(call: Call) -> Made:
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


def conv(call: Call) -> Made:
    image, weights = call.shape(), call.shape(1)
    return windows.convolution(image, weights, 1, _window(call, len(image) - 2))


def group_conv(call: Call) -> Made:
    image, (groups, filters, *rest) = call.shape(), call.shape(1)
    return windows.convolution(image, (groups * filters, *rest), groups, _window(call, len(image) - 2))


def transposed_conv(*, grouped: bool) -> Rule:
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


def pool(call: Call) -> Made:
    image = call.shape()
    window = _window(call, len(image) - 2)
    return windows.pooling(image, _numbers(call, "kernel"), window, len(call.node.outputs))


def mat_mul(call: Call) -> Made:
    first, second = (
        (*shape[:-2], *shape[:-3:-1]) if _flag(call, name) else shape
        for shape, name in ((call.shape(), "transpose_a"), (call.shape(1), "transpose_b"))
    )
    return windows.product(first, second)


def interpolate(call: Call) -> Made:
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


def pad(call: Call) -> Made:
    return arranging.pad(call, call.integers(1), call.integers(2))


def depth_to_space(call: Call) -> Made:
    (block,) = _numbers(call, "block_size", [1])
    return arranging.depth_to_space(call, block)


def concat(call: Call) -> Made:
    (axis,) = _numbers(call, "axis")
    return arranging.concat(call, axis)
