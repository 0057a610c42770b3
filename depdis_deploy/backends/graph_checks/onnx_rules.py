"""What each ONNX operator makes of its inputs. `onnx_operators` names the rule of each operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import arranging, windows
from .calls import Call, Made
from .elementwise import converted, require_fits, same
from .graph import RejectedGraphError, Tensor
from .windows import Window

_DTYPES = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64}  # TensorProto.DataType


def _attribute(call: Call, name: str, since: int = 0) -> Any:
    """Return an attribute, None if absent. since: the operator set that added it; some engines ignore that."""
    found = call.node.attributes.get(name)
    if found is not None and call.node.version < since:
        raise RejectedGraphError(f"has the attribute {name}, which its version of the operator lacks")
    return found


def _integer(call: Call, name: str, default: int, since: int = 0) -> int:
    found = _attribute(call, name, since)
    return default if found is None else int(found)


def _integers(call: Call, name: str, since: int = 0) -> list[int] | None:
    found = _attribute(call, name, since)
    return None if found is None else [int(value) for value in found]


def _moved(call: Call, name: str, index: int, since: int) -> list[int] | None:
    """Return integers that are an input from the operator set `since` on, and an attribute before."""
    newer = call.node.version >= since
    if call.given(index) if not newer else name in call.node.attributes:
        raise RejectedGraphError(f"gives {name} in the way of another version of the operator")
    if newer:
        return call.integers(index) if call.given(index) else None
    return _integers(call, name)


def _text(call: Call, name: str, default: str) -> str:
    found = call.node.attributes.get(name, default.encode())
    if not isinstance(found, bytes):
        raise TypeError
    return found.decode("ascii", "replace")


def scale(call: Call) -> Made:
    """QuantizeLinear and DequantizeLinear: one scale and zero point for all, or one per channel."""
    shape = call.shape()
    (axis,) = arranging.axes_of([_integer(call, "axis", 1)], len(shape)) if len(shape) > 1 else (0,)
    for index in range(1, len(call.shapes)):
        if call.given(index) and math.prod(call.shape(index)) != 1 and call.shape(index) != (shape[axis],):
            raise RejectedGraphError("has a scale per block, which exported models never have")
    return same(call)


def clip(call: Call) -> Made:
    """Some engines would broadcast limits that are no scalars."""
    if any(call.given(index) and math.prod(call.shape(index)) != 1 for index in (1, 2)):
        raise ValueError
    return same(call)


def per_channel(call: Call) -> Made:
    """BatchNormalization and InstanceNormalization: one parameter of each kind per channel."""
    if any(call.shape(index) != call.shape()[1:2] for index in range(1, len(call.shapes))):
        raise ValueError
    return same(call)


def layer_norm(call: Call) -> Made:
    for index in range(1, len(call.shapes)):
        if call.given(index):
            require_fits(call.shape(index), call.shape())
    return same(call)


def cast(call: Call) -> Made:
    return Made([call.shape()], [converted(call.known(), _DTYPES.get(_integer(call, "to", 0)))])


def constant(call: Call) -> Made:
    ((name, given),) = call.node.attributes.items()
    if isinstance(given, Tensor):
        return Made([given.shape], [given.values])
    if name not in ("value_float", "value_floats", "value_int", "value_ints"):
        raise RejectedGraphError("is a constant of a kind that exported models never have")
    value = np.array(given, np.float32 if "float" in name else np.int64)
    return Made([value.shape], [value])


def shape_of(call: Call) -> Made:
    part = call.shape()[_integer(call, "start", 0, 15) : _attribute(call, "end", 15)]
    return Made([(len(part),)], [np.array(part, np.int64)])


def reshape(call: Call) -> Made:
    return arranging.reshape(call, call.integers(1), copies_zeros=not _integer(call, "allowzero", 0, 14))


def squeeze(call: Call) -> Made:
    return arranging.squeeze(call, _moved(call, "axes", 1, 13))


def unsqueeze(call: Call) -> Made:
    return arranging.unsqueeze(call, _moved(call, "axes", 1, 13) or [])


def transpose(call: Call) -> Made:
    return arranging.transpose(call, _integers(call, "perm"))


def concat(call: Call) -> Made:
    return arranging.concat(call, _integer(call, "axis", 0))


def expand(call: Call) -> Made:
    return arranging.expand(call, call.integers(1))


def gather(call: Call) -> Made:
    return arranging.gather(call, _integer(call, "axis", 0))


def flatten(call: Call) -> Made:
    shape, axis = call.shape(), _integer(call, "axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    if not 0 <= axis <= len(shape):
        raise IndexError
    return Made([(math.prod(shape[:axis]), math.prod(shape[axis:]))])


def split(call: Call) -> Made:
    axis, count = _integer(call, "axis", 0), len(call.node.outputs)
    if _integer(call, "num_outputs", count, 18) != count:
        raise ValueError
    sizes = _moved(call, "split", 1, 13)
    if sizes is None:
        (place,) = arranging.axes_of([axis], len(call.shape()))
        length = call.shape()[place]
        each = -(-length // count)
        sizes = [min(each, max(0, length - each * index)) for index in range(count)]
    return arranging.split(call, axis, sizes)


def slice_of(call: Call) -> Made:
    axes, steps = (call.integers(index) if call.given(index) else None for index in (3, 4))
    return arranging.cut(call, call.integers(1), call.integers(2), axes, steps)


def reduce(since: int) -> Callable[[Call], Made]:
    """since: the operator set in which `axes` became an input."""

    def made(call: Call) -> Made:
        axes = _moved(call, "axes", 1, since)
        if not axes and not _integer(call, "noop_with_empty_axes", 0, since):
            axes = list(range(len(call.shape())))
        return arranging.reduce(call, axes or [], keep=bool(_integer(call, "keepdims", 1)))

    return made


def arg_max(call: Call) -> Made:
    return arranging.reduce(call, [_integer(call, "axis", 0)], keep=bool(_integer(call, "keepdims", 1)))


def _window(call: Call, spatial: int) -> Window:
    pads = _integers(call, "pads") or [0] * 2 * spatial
    return Window(
        strides=_integers(call, "strides") or [1] * spatial,
        dilations=_integers(call, "dilations") or [1] * spatial,
        before=pads[:spatial],
        after=pads[spatial:],
        auto=_text(call, "auto_pad", "NOTSET"),
        ceil=bool(_integer(call, "ceil_mode", 0)),
    )


def _weights(call: Call, filters: int) -> tuple[int, ...]:
    """Return the shape of a convolution's weights, whose kernel and bias fit."""
    weights = call.shape(1)
    kernel = _integers(call, "kernel_shape")
    if kernel is not None and tuple(kernel) != weights[2:]:
        raise ValueError
    if call.given(2) and call.shape(2) != (filters,):  # some engines would broadcast it
        raise ValueError
    return weights


def conv(call: Call) -> Made:
    image, weights = call.shape(), _weights(call, call.shape(1)[0])
    return windows.convolution(image, weights, _integer(call, "group", 1), _window(call, len(image) - 2))


def conv_transpose(call: Call) -> Made:
    image, groups = call.shape(), _integer(call, "group", 1)
    weights = _weights(call, call.shape(1)[1] * groups)
    if "output_shape" in call.node.attributes:
        raise RejectedGraphError("chooses the size of a transposed convolution, which exported models never do")
    extra = _integers(call, "output_padding") or [0] * (len(image) - 2)
    return windows.transposed_convolution(image, weights, groups, _window(call, len(image) - 2), extra)


def pool(call: Call) -> Made:
    image, kernel = call.shape(), _integers(call, "kernel_shape") or []
    return windows.pooling(image, kernel, _window(call, len(image) - 2), len(call.node.outputs))


def global_pool(call: Call) -> Made:
    shape = call.shape()
    return Made([(*shape[:2], *(1 for _ in shape[2:]))])


def mat_mul(call: Call) -> Made:
    return windows.product(call.shape(), call.shape(1))


def gemm(call: Call) -> Made:
    first, second = (
        shape[::-1] if _integer(call, name, 0) else shape
        for shape, name in ((call.shape(), "transA"), (call.shape(1), "transB"))
    )
    if len(first) != 2 or len(second) != 2:
        raise ValueError
    made = windows.product(first, second)
    if call.given(2):
        require_fits(call.shape(2), made.shapes[0])
    return made


def resize(call: Call) -> Made:
    shape = call.shape()
    axes = arranging.axes_of(_integers(call, "axes", 18) or list(range(len(shape))), len(shape))
    if _text(call, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise RejectedGraphError("keeps an aspect ratio, which exported models never do")
    if _text(call, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        raise RejectedGraphError("crops while it resizes, which exported models never do")
    if call.given(3):
        sizes = call.integers(3)
    else:
        scales = call.value(2).ravel()
        sizes = [windows.scaled(shape[axis], scale) for axis, scale in zip(axes, scales, strict=True)]
    return windows.resized(shape, axes, sizes)


def pad(call: Call) -> Made:
    axes = call.integers(3) if call.given(3) else None
    pads = call.integers(1)
    half = len(pads) // 2
    return arranging.pad(call, pads[:half], pads[half:], axes)


def depth_to_space(call: Call) -> Made:
    return arranging.depth_to_space(call, _integer(call, "blocksize", 1))


def p_relu(call: Call) -> Made:
    require_fits(call.shape(1), call.shape())
    return same(call)
