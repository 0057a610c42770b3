"""Shapes and values of operators that rearrange, join, cut or repeat tensors, in ONNX and in OpenVINO."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .calls import Call, Made
from .elementwise import broadcast
from .graph import RejectedGraphError, Shape, is_small

_MOST_EXACT = 2**53  # larger integers are rounded in a quotient of doubles


def axes_of(axes: Sequence[int], rank: int) -> list[int]:
    """Return the axes counted from the front.

    Raises:
        IndexError: One of them is outside the tensor, or given twice.
    """
    found = [axis + rank if axis < 0 else axis for axis in axes]
    if any(not 0 <= axis < rank for axis in found) or len(set(found)) < len(found):
        raise IndexError
    return found


def reformed(call: Call, shape: Shape) -> Made:
    """The elements of the first input in another shape."""
    value = call.known()
    return Made([shape], [None if value is None else value.reshape(shape)])


def reshape(call: Call, wanted: list[int], *, copies_zeros: bool) -> Made:
    """copies_zeros: whether 0 stands for the size in the input."""
    old = call.shape()
    if copies_zeros:
        wanted = [old[index] if size == 0 else size for index, size in enumerate(wanted)]
    if -1 in wanted:
        rest = math.prod(size for size in wanted if size != -1)
        wanted[wanted.index(-1)] = math.prod(old) // rest
    if math.prod(wanted) != math.prod(old):
        raise ValueError
    return reformed(call, tuple(wanted))


def squeeze(call: Call, axes: list[int] | None) -> Made:
    """axes: None for all of size 1."""
    shape = call.shape()
    if axes == []:
        raise RejectedGraphError("has an empty list of axes, which engines read in different ways")
    found = axes_of(axes, len(shape)) if axes else [axis for axis, size in enumerate(shape) if size == 1]
    if any(shape[axis] != 1 for axis in found):
        raise ValueError
    return reformed(call, tuple(size for axis, size in enumerate(shape) if axis not in found))


def unsqueeze(call: Call, axes: list[int]) -> Made:
    """axes: in the output."""
    shape = list(call.shape())
    for axis in sorted(axes_of(axes, len(shape) + len(axes))):
        shape.insert(axis, 1)
    return reformed(call, tuple(shape))


def transpose(call: Call, order: list[int] | None) -> Made:
    """order: of the input's axes; None for the reverse."""
    shape = call.shape()
    order = order or list(range(len(shape)))[::-1]
    if sorted(order) != list(range(len(shape))):
        raise ValueError
    value = call.known()
    return Made([tuple(shape[axis] for axis in order)], [None if value is None else value.transpose(order)])


def concat(call: Call, axis: int) -> Made:
    """All inputs along an axis."""
    shapes = [call.shape(index) for index in range(len(call.shapes))]
    (axis,) = axes_of([axis], len(shapes[0]))
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise ValueError
    shape = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
    known = [value for index in range(len(shapes)) if (value := call.known(index)) is not None]
    whole = len(known) == len(shapes) and is_small(shape)
    return Made([shape], [np.concatenate(known, axis) if whole else None])


def split(call: Call, axis: int, sizes: Sequence[int]) -> Made:
    """The first input cut along an axis, one size per output."""
    shape = call.shape()
    (axis,) = axes_of([axis], len(shape))
    if len(sizes) != len(call.node.outputs) or sum(sizes) != shape[axis]:
        raise ValueError
    if min(sizes) < 0:
        raise ValueError
    shapes = [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    value = call.known()
    return Made(shapes, [] if value is None else np.split(value, np.cumsum(sizes)[:-1], axis))


def cut(
    call: Call, starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None
) -> Made:
    """ONNX's Slice and OpenVINO's: limits outside the tensor stand for its edge."""
    shape, value = list(call.shape()), call.known()
    places = axes_of(list(range(len(starts))) if axes is None else axes, len(shape))
    for start, end, axis, step in zip(starts, ends, places, steps or [1] * len(starts), strict=True):
        taken = _steps(start, end, step, shape[axis])
        shape[axis] = len(taken)
        if value is not None:
            value = value.take(list(taken), axis)
    return Made([tuple(shape)], [value])


def _steps(start: int, end: int, step: int, length: int) -> range:
    """Return the indices of a slice. Python's own rule differs for a backward slice that starts too early."""
    start, end = (place + length if place < 0 else place for place in (start, end))
    if step < 0:
        return range(min(max(start, 0), length - 1), min(max(end, -1), length - 1), step)
    return range(min(max(start, 0), length), min(max(end, 0), length), step)


def gather(call: Call, axis: int) -> Made:
    """Elements of the first input along an axis, by the indices of the second."""
    shape, indices = call.shape(), call.shape(1)
    (axis,) = axes_of([axis], len(shape))
    result = (*shape[:axis], *indices, *shape[axis + 1 :])
    value, chosen = call.known(), call.known(1)
    if value is None or chosen is None or not is_small(result):
        return Made([result])
    return Made([result], [np.take(value, chosen.astype(np.int64), axis)])


def expand(call: Call, target: list[int]) -> Made:
    """The first input repeated so that it fits `target`, and the other way round."""
    shape = broadcast([call.shape(), tuple(target)])
    value = call.known()
    small = value is not None and is_small(shape)
    return Made([shape], [np.broadcast_to(value, shape) if small and value is not None else None])


def counted(call: Call) -> Made:
    """Range: the numbers from the first input to the second in steps of the third."""
    start, limit, delta = (call.value(index) for index in range(3))
    if {start.size, limit.size, delta.size} != {1} or start.dtype == np.float16:
        raise ValueError
    if start.dtype.kind not in "iu":
        rounded = float(limit.ravel()[0] - start.ravel()[0]) / delta.item()  # as onnxruntime does
        exact = (limit.item() - start.item()) / delta.item()  # as OpenVINO does
        if math.ceil(rounded) != math.ceil(exact):
            raise RejectedGraphError("makes a tensor whose size depends on rounding")
        return Made([(max(0, math.ceil(exact)),)])
    first, last, step = start.item(), limit.item(), delta.item()
    count = max(0, -((first - last) // step))
    if max(abs(first), abs(last), abs(step), abs(last - first)) > _MOST_EXACT and count:
        if count <= _MOST_EXACT:
            raise RejectedGraphError("counts with integers that engines round")
        return Made([(count,)])
    value = first + step * np.arange(count) if is_small((count,)) else None
    return Made([(count,)], [None if value is None else value.astype(start.dtype)])


def reduce(call: Call, axes: Sequence[int], *, keep: bool) -> Made:
    """The first input without `axes`, or with size 1 there."""
    shape = call.shape()
    found = axes_of(axes, len(shape))
    sizes = (1 if axis in found else size for axis, size in enumerate(shape) if keep or axis not in found)
    return Made([tuple(sizes)])


def pad(call: Call, before: Sequence[int], after: Sequence[int], axes: list[int] | None = None) -> Made:
    """The first input with more, or fewer, elements at each edge."""
    shape = list(call.shape())
    places = axes_of(list(range(len(shape))) if axes is None else axes, len(shape))
    for axis, first, last in zip(places, before, after, strict=True):
        shape[axis] += first + last
    return Made([tuple(shape)])


def depth_to_space(call: Call, block: int) -> Made:
    """Channels moved into rows and columns."""
    batch, channels, height, width = call.shape()
    if block < 1 or channels % (block * block):
        raise ValueError
    return Made([(batch, channels // (block * block), height * block, width * block)])
