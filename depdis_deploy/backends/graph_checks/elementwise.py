"""Operators that work element by element, in ONNX and in OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .calls import Call, Made
from .graph import Shape, is_small


def same(call: Call) -> Made:
    """The output has the shape of the first input. Further outputs, as for training, stay unknown."""
    return Made([call.shape()])


def unary(function: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Call], Made]:
    """Return the rule of a function whose values are followed."""

    def made(call: Call) -> Made:
        value = call.known()
        return Made([call.shape()], [None if value is None else np.asarray(function(value))])

    return made


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """Return the shape of an element-wise result.

    Raises:
        ValueError: The shapes do not fit.
    """
    return np.broadcast_shapes(*shapes)


def require_fits(shape: Shape, target: Shape) -> None:
    """Check that a tensor can be broadcast to `target` without making it larger.

    Raises:
        ValueError: It cannot. Some engines would broadcast both.
    """
    if broadcast([shape, target]) != target:
        raise ValueError


def elementwise(function: Callable[..., Any] | None = None) -> Callable[[Call], Made]:
    """Return the rule of an operator that broadcasts its inputs; `function` combines two values."""

    def made(call: Call) -> Made:
        shape = broadcast([found for found in call.shapes if found is not None])
        known = [call.known(index) for index in range(len(call.shapes))]
        if function is None or not known or any(value is None for value in known) or not is_small(shape):
            return Made([shape])
        value = known[0]
        for other in known[1:]:
            # Engines compute half-precision values in different precisions.
            value = None if value is None or value.dtype == np.float16 else function(value, other)
        return Made([shape], [None if value is None else np.asarray(value)])

    return made


def select(call: Call) -> Made:
    """Where and Select: condition, value if true, value if false."""
    shape = broadcast([call.shape(index) for index in range(3)])
    condition, first, second = (call.known(index) for index in range(3))
    if condition is None or first is None or second is None or not is_small(shape):
        return Made([shape])
    return Made([shape], [np.asarray(np.where(condition, first, second))])


def divided(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any] | None:
    """Return the quotient; None for integers where engines round in different directions."""
    if first.dtype.kind not in "iu":
        return np.asarray(first / second)
    if not np.all(second):
        raise ZeroDivisionError
    if np.any(first < 0) or np.any(second < 0):  # the lowest integer over -1 ends a process
        exact = np.all(first != np.iinfo(first.dtype).min) and not np.any(first % second)
        if not exact:
            return None
    return np.asarray(first // second)


def converted(value: NDArray[Any] | None, dtype: DTypeLike | None) -> NDArray[Any] | None:
    """Return the value as another type; None where engines give different results."""
    if value is None or dtype is None:
        return None
    target = np.dtype(dtype)
    if value.dtype.kind == "f" and target.kind in "iu":
        limits = np.iinfo(target)
        # Written so that NaN is outside. The highest integers have no exact float.
        if not np.all((value >= limits.min) & (value < limits.max)):
            return None
    return value.astype(target)
