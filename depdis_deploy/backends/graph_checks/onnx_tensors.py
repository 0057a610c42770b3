"""Constants of ONNX files, whose dimensions have to match their data."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .graph import MOST_DIMENSIONS, NotOnnxError, RejectedGraphError, Tensor, is_small, shown
from .protobuf import signed, varints

# TensorProto.DataType -> element type; the runtime's models have no strings, complex or sub-byte numbers.
_TYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32), 2: np.dtype(np.uint8), 3: np.dtype(np.int8), 4: np.dtype(np.uint16),
    5: np.dtype(np.int16), 6: np.dtype(np.int32), 7: np.dtype(np.int64), 9: np.dtype(np.bool_),
    10: np.dtype(np.float16), 11: np.dtype(np.float64), 12: np.dtype(np.uint32), 13: np.dtype(np.uint64),
}  # fmt: skip
_BFLOAT16 = 16


def tensor_of(fields: Mapping[str, Any]) -> Tensor:
    """Return a constant from the fields of its message.

    Raises:
        RejectedGraphError: Its dimensions do not match its data, or its data lies in another file.
    """
    name = shown(fields.get("name", ""))
    if fields.get("data_location", 0) != 0:
        raise RejectedGraphError("it keeps data in other files (external data)")
    shape = tuple(fields.get("dims", []))
    if len(shape) > MOST_DIMENSIONS or min(shape, default=0) < 0:
        raise RejectedGraphError(f"the constant {name} has impossible dimensions")
    number = fields.get("data_type", 0)
    if number not in _TYPES and number != _BFLOAT16:
        raise RejectedGraphError(f"the constant {name} has an element type that exported models never have")
    dtype = _TYPES.get(number)
    elements = math.prod(shape)
    if "raw_data" in fields:
        raw = fields["raw_data"]
        found = len(raw) / (2 if dtype is None else dtype.itemsize)
    else:
        raw, found = None, sum(_count(key, fields.get(key, [])) for key in _TYPED)
    if found != elements:
        raise RejectedGraphError(f"the constant {name} states {elements} elements and holds {found:g}")
    if dtype is None or not is_small(shape):
        return Tensor(shape, None)
    if raw is not None:
        return Tensor(shape, np.frombuffer(bytes(raw), dtype).reshape(shape))
    values = [number for key in _TYPED for number in _numbers(key, fields.get(key, []))]
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            if dtype == np.float16:  # stored as the bits
                return Tensor(shape, np.array(values, np.uint16).view(np.float16).reshape(shape))
            return Tensor(shape, np.array(values).astype(dtype).reshape(shape))
    except (OverflowError, ValueError, TypeError):
        raise RejectedGraphError(f"the constant {name} holds values outside its element type") from None


# Typed data field -> struct format of a fixed-size number; None for variable-length integers.
_TYPED: dict[str, str | None] = {
    "float_data": "<f", "double_data": "<d", "int32_data": None, "int64_data": None, "uint64_data": None,
}  # fmt: skip


def _count(key: str, parts: list[int | memoryview]) -> int:
    """How many numbers the parts of a typed data field hold."""
    form = _TYPED[key]
    total = 0
    for part in parts:
        if isinstance(part, int):
            total += 1
        elif form is None:
            total += int((np.frombuffer(part, np.uint8) < 0x80).sum())
        else:
            total += len(part) // struct.calcsize(form)
    return total


def _numbers(key: str, parts: list[int | memoryview]) -> Iterator[float]:
    form = _TYPED[key]
    for part in parts:
        if isinstance(part, int):
            yield part if key == "uint64_data" else signed(part)
        elif form is None:
            yield from (value if key == "uint64_data" else signed(value) for value in varints(part))
        else:
            if len(part) % struct.calcsize(form):
                raise NotOnnxError("its bytes are not a protobuf message")
            yield from (value for (value,) in struct.iter_unpack(form, part))
