"""Decoder for protobuf messages, by a table of the fields that are needed.

A message that protobuf libraries would read in another way is rejected.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from .graph import NotOnnxError, RejectedGraphError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_LARGEST_TAG = 2**32 - 1  # protobuf cuts larger ones to 32 bits, which would hide a field from this reader
_MOST_FIELDS = 2**17  # of a file, at all levels; exported models have 9 000
_MOST_PACKED_BYTES = 2**16  # of a list of numbers that is not a tensor's data
_WIRE = {"int": VARINT, "float": FIXED32}

# Message -> field number -> (name, type, repeated). A type is int, float, bytes, data, text or a message. Where
# the name is empty, the type is the reason why a file with this field is rejected. A `refused` field keeps its
# type as the reason, for the caller to reject it.
Messages = Mapping[str, Mapping[int, tuple[str, str, bool]]]


class Decoder:
    """Decoder of one file, which bounds the number of its fields."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._left = _MOST_FIELDS

    def decode(self, view: memoryview, message: str) -> dict[str, Any]:
        """Return a message's known fields by name.

        Raises:
            NotOnnxError: The bytes are not such a message.
            RejectedGraphError: It has a field that the table rejects, or too many.
        """
        known = self._messages[message]
        found: dict[str, Any] = {}
        for number, wire, value in self.fields(view):
            if number not in known:
                continue
            name, kind, repeated = known[number]
            if not name:
                raise RejectedGraphError(kind)
            if name == "refused":
                found[name] = kind
                continue
            for item in self._items(wire, value, kind, repeated=repeated):
                if repeated:
                    found.setdefault(name, []).append(item)
                elif name in found and kind in self._messages:
                    # Protobuf would merge the two, and an engine run what was not checked.
                    raise NotOnnxError(f"its {name} is stated twice")
                else:
                    found[name] = item
        return found

    def fields(self, view: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
        """Yield (number, wire type, value) of each field: an integer, or the bytes of anything longer."""
        at, end = 0, len(view)
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise RejectedGraphError(f"it has more than {_MOST_FIELDS} fields")
            tag, at = _varint(view, at)
            number, kind = tag >> 3, tag & 7
            value: int | memoryview
            if kind == VARINT:
                value, at = _varint(view, at)
            else:
                if kind == BYTES:
                    length, at = _varint(view, at)
                elif kind in (FIXED64, FIXED32):
                    length = 8 if kind == FIXED64 else 4
                else:
                    raise NotOnnxError("its bytes are not a protobuf message")
                value = view[at : at + length]
                at += length
            if number == 0 or tag > _LARGEST_TAG or at > end:
                raise NotOnnxError("its bytes are not a protobuf message, or it is cut short")
            yield number, kind, value

    def _items(self, wire: int, value: int | memoryview, kind: str, *, repeated: bool) -> Iterator[Any]:
        """Yield a field's value decoded; several values for a packed list of numbers."""
        packed = wire == BYTES and repeated
        if kind == "data":
            yield value
        elif wire != _WIRE.get(kind, BYTES) and not packed:
            # Protobuf would pass over a field of another wire type, and an engine run what was not checked.
            raise NotOnnxError("its bytes are not an ONNX model")
        elif isinstance(value, int):
            yield signed(value)
        elif kind in _WIRE and len(value) > _MOST_PACKED_BYTES:
            raise RejectedGraphError(f"it has a list of numbers of more than {_MOST_PACKED_BYTES} bytes")
        elif kind == "int":
            yield from map(signed, varints(value))
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
            yield self.decode(value, kind)


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise NotOnnxError("its bytes are not a protobuf message, or it is cut short")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def varints(view: memoryview) -> Iterator[int]:
    """Yield the numbers of a packed list."""
    at = 0
    while at < len(view):
        value, at = _varint(view, at)
        yield value


def signed(value: int) -> int:
    """Return a variable-length integer as protobuf's int64."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value
