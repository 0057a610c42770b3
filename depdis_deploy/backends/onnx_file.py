"""Reader for ONNX files that checks their structure before any engine loads them.

An ONNX file is a protobuf message. This module decodes it without the `onnx` package, which the runtime does
not require. Field numbers are those of onnx.proto. The decoder follows a table of messages that has no cycles,
so its recursion is at most five levels deep and its time is linear in the size of the file.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LARGEST_TAG = 2**32 - 1  # protobuf cuts larger ones to 32 bits, which would hide a field from this reader
_METADATA = 14

# Largest number of elements whose values are kept: shapes, axes and scales have fewer.
SMALL = 1024
_MOST_DIMENSIONS = 8

# TensorProto.DataType -> element type; the runtime's models have no strings, complex or sub-byte numbers.
_TYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32), 2: np.dtype(np.uint8), 3: np.dtype(np.int8), 4: np.dtype(np.uint16),
    5: np.dtype(np.int16), 6: np.dtype(np.int32), 7: np.dtype(np.int64), 9: np.dtype(np.bool_),
    10: np.dtype(np.float16), 11: np.dtype(np.float64), 12: np.dtype(np.uint32), 13: np.dtype(np.uint64),
}  # fmt: skip
_BFLOAT16 = 16

# message -> field number -> (name, type, repeated). A type is int, float, bytes, data, text or a message. Where
# the name is empty, the type is the reason why a file with this field is rejected. A `refused` field of an
# attribute is rejected together with the name of the operator.
_MESSAGES: dict[str, dict[int, tuple[str, str, bool]]] = {
    "Model": {
        1: ("ir_version", "int", False),
        7: ("graph", "Graph", False),
        8: ("opsets", "Opset", True),
        20: ("", "it contains training graphs", False),
        25: ("", "it contains local functions", False),
    },
    "Opset": {1: ("domain", "text", False), 2: ("version", "int", False)},
    "Graph": {
        1: ("nodes", "Node", True),
        5: ("initializers", "Tensor", True),
        11: ("inputs", "Value", True),
        12: ("outputs", "Value", True),
        15: ("", "it contains sparse tensors", False),
    },
    "Node": {
        1: ("inputs", "text", True),
        2: ("outputs", "text", True),
        3: ("name", "text", False),
        4: ("operator", "text", False),
        5: ("attributes", "Attribute", True),
        7: ("domain", "text", False),
    },
    "Attribute": {
        1: ("name", "text", False),
        2: ("f", "float", False),
        3: ("i", "int", False),
        4: ("s", "bytes", False),
        5: ("t", "Tensor", False),
        6: ("refused", "a nested graph", False),
        7: ("floats", "float", True),
        8: ("ints", "int", True),
        9: ("refused", "a list of texts", False),
        10: ("refused", "a list of tensors", False),
        11: ("refused", "nested graphs", False),
        14: ("refused", "a type", False),
        15: ("refused", "a list of types", False),
        20: ("type", "int", False),
        21: ("refused", "a reference to a function", False),
        22: ("refused", "a sparse tensor", False),
        23: ("refused", "a sparse tensor", False),
    },
    "Tensor": {
        1: ("dims", "int", True),
        2: ("data_type", "int", False),
        3: ("", "a tensor is stored in segments", False),
        4: ("float_data", "data", True),
        5: ("int32_data", "data", True),
        6: ("", "it contains text tensors", False),
        7: ("int64_data", "data", True),
        8: ("name", "text", False),
        9: ("raw_data", "bytes", False),
        10: ("double_data", "data", True),
        11: ("uint64_data", "data", True),
        13: ("", "it keeps data in other files (external data)", False),
        14: ("data_location", "int", False),
    },
    "Value": {1: ("name", "text", False), 2: ("type", "Type", False)},
    "Type": {1: ("tensor", "TensorType", False)},
    "TensorType": {1: ("element", "int", False), 2: ("shape", "Shape", False)},
    "Shape": {1: ("dims", "Dimension", True)},
    "Dimension": {1: ("value", "int", False)},
}  # fmt: skip
_WIRE = {"int": _VARINT, "float": _FIXED32}
_ATTRIBUTE_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints"}


class NotOnnxError(ValueError):
    """The bytes are not an ONNX model."""


class RejectedGraphError(ValueError):
    """The bytes are an ONNX model with a part that exported models never have."""


@dataclass(frozen=True)
class Tensor:
    """A constant. `values` is None for tensors of more than `SMALL` elements."""

    shape: tuple[int, ...]
    values: NDArray[Any] | None


@dataclass(frozen=True)
class Node:
    """One operator call. Attribute values are int, float, bytes, `Tensor`, or lists of numbers."""

    operator: str
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
    """The decoded graph, without the weights' values. opset: version of the default operator set."""

    nodes: tuple[Node, ...]
    initializers: Mapping[str, Tensor]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    opset: int


def read_metadata(data: bytes) -> dict[str, str]:
    """Return the `metadata_props` of a serialized model.

    Raises:
        NotOnnxError: The bytes are not an ONNX model.
    """
    metadata: dict[str, str] = {}
    seen = set()
    for number, _, value in _fields(memoryview(data)):
        seen.add(number)
        if number == _METADATA and isinstance(value, memoryview):
            entry = {key: bytes(text) for key, _, text in _fields(value) if isinstance(text, memoryview)}
            metadata[_lossy(entry.get(1, b""))] = _lossy(entry.get(2, b""))
    if not {1, 7} <= seen:
        raise NotOnnxError("it has no ONNX version or no graph")
    return metadata


def read_graph(data: bytes) -> Graph:
    """Decode the graph of a serialized model.

    Raises:
        NotOnnxError: The bytes are not an ONNX model.
        RejectedGraphError: The model has subgraphs, functions, external data or other parts that exports never
            have, or a constant whose dimensions do not match its data.
    """
    model = _decode(memoryview(data), "Model")
    graph = model.get("graph")
    if graph is None:
        raise NotOnnxError("it has no graph")
    opsets = [opset for opset in model.get("opsets", []) if opset.get("domain", "") in ("", "ai.onnx")]
    if len(opsets) != 1:
        raise NotOnnxError("it does not state one version of the ONNX operators")
    initializers: dict[str, Tensor] = {}
    for fields in graph.get("initializers", []):
        name = fields.get("name", "")
        if not name:
            raise NotOnnxError("a constant has no name")
        if name in initializers:
            raise NotOnnxError(f"two constants are named {shown(name)}")
        initializers[name] = _tensor(fields)
    return Graph(
        nodes=tuple(_node(fields) for fields in graph.get("nodes", [])),
        initializers=initializers,
        inputs=tuple(_value(fields) for fields in graph.get("inputs", [])),
        outputs=tuple(_value(fields) for fields in graph.get("outputs", [])),
        opset=opsets[0].get("version", 0),
    )


def shown(text: str) -> str:
    """A name from a file, quoted, escaped and cut so that it fits in a message."""
    quoted = ascii(text[:60])
    return quoted if len(text) <= 60 else f"{quoted[:57]}...'"


def _node(fields: Mapping[str, Any]) -> Node:
    attributes = {}
    for attribute in fields.get("attributes", []):
        if "refused" in attribute:
            operator = shown(fields.get("operator", ""))
            raise RejectedGraphError(
                f"its operator {operator} has {attribute['refused']}, which exported models never have"
            )
        kind = _ATTRIBUTE_FIELDS.get(attribute.get("type", 0))
        if kind is None:
            raise NotOnnxError("an attribute has no type")
        value = attribute.get(kind, _EMPTY[kind])
        attributes[attribute.get("name", "")] = (
            _tensor(value) if kind == "t" else bytes(value) if kind == "s" else value
        )
    return Node(
        operator=fields.get("operator", ""),
        name=fields.get("name", ""),
        domain=fields.get("domain", ""),
        inputs=tuple(fields.get("inputs", [])),
        outputs=tuple(fields.get("outputs", [])),
        attributes=attributes,
    )


_EMPTY: dict[str, Any] = {"f": 0.0, "i": 0, "s": b"", "t": {}, "floats": [], "ints": []}


def _value(fields: Mapping[str, Any]) -> Value:
    tensor = fields.get("type", {}).get("tensor", {})
    shape = tensor.get("shape")
    dims = None if shape is None else tuple(dim.get("value") for dim in shape.get("dims", []))
    return Value(fields.get("name", ""), dims)


def _tensor(fields: Mapping[str, Any]) -> Tensor:
    """A constant whose dimensions match its data."""
    name = shown(fields.get("name", ""))
    if fields.get("data_location", 0) != 0:
        raise RejectedGraphError("it keeps data in other files (external data)")
    shape = tuple(fields.get("dims", []))
    if len(shape) > _MOST_DIMENSIONS or min(shape, default=0) < 0:
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
    if dtype is None or elements > SMALL:
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
            yield part if key == "uint64_data" else _signed(part)
        elif form is None:
            yield from (value if key == "uint64_data" else _signed(value) for value in _varints(part))
        else:
            if len(part) % struct.calcsize(form):
                raise NotOnnxError("its bytes are not a protobuf message")
            yield from (value for (value,) in struct.iter_unpack(form, part))


def _decode(view: memoryview, message: str) -> dict[str, Any]:
    """A message's known fields by name."""
    known = _MESSAGES[message]
    found: dict[str, Any] = {}
    for number, wire, value in _fields(view):
        if number not in known:
            continue
        name, kind, repeated = known[number]
        if not name:
            raise RejectedGraphError(kind)
        if name == "refused":
            found[name] = kind
            continue
        for item in _items(wire, value, kind, repeated=repeated):
            if repeated:
                found.setdefault(name, []).append(item)
            elif name in found and kind in _MESSAGES:
                # Protobuf would merge the two, and an engine run what was not checked.
                raise NotOnnxError(f"its {name} is stated twice")
            else:
                found[name] = item
    return found


def _items(wire: int, value: int | memoryview, kind: str, *, repeated: bool) -> Iterator[Any]:
    """A field's value decoded; several values for a packed list of numbers."""
    packed = wire == _BYTES and repeated
    if kind == "data":
        yield value
    elif wire != _WIRE.get(kind, _BYTES) and not packed:
        # Protobuf would pass over a field of another wire type, and an engine run what was not checked.
        raise NotOnnxError("its bytes are not an ONNX model")
    elif isinstance(value, int):
        yield _signed(value)
    elif kind == "int":
        yield from map(_signed, _varints(value))
    elif kind == "float":
        if len(value) % 4:
            raise NotOnnxError("its bytes are not an ONNX model")
        yield from (number for (number,) in struct.iter_unpack("<f", value))
    elif kind == "bytes":
        yield value
    elif kind == "text":
        try:
            yield bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            raise NotOnnxError("a name in it is not UTF-8") from None
    else:
        yield _decode(value, kind)


def _fields(view: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """(number, wire type, value) of each field: an integer, or the bytes of anything longer."""
    at, end = 0, len(view)
    while at < end:
        tag, at = _varint(view, at)
        number, kind = tag >> 3, tag & 7
        value: int | memoryview
        if kind == _VARINT:
            value, at = _varint(view, at)
        else:
            if kind == _BYTES:
                length, at = _varint(view, at)
            elif kind in (_FIXED64, _FIXED32):
                length = 8 if kind == _FIXED64 else 4
            else:
                raise NotOnnxError("its bytes are no protobuf message")
            value = view[at : at + length]
            at += length
        if number == 0 or tag > _LARGEST_TAG or at > end:
            raise NotOnnxError("its bytes are no protobuf message, or it is cut short")
        yield number, kind, value


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise NotOnnxError("its bytes are no protobuf message, or it is cut short")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _varints(view: memoryview) -> Iterator[int]:
    at = 0
    while at < len(view):
        value, at = _varint(view, at)
        yield value


def _signed(value: int) -> int:
    """A variable-length integer as protobuf's int64."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _lossy(data: bytes) -> str:
    return data.decode("utf-8", "replace")
