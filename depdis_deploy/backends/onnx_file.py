"""What an ONNX file says of itself, read from its bytes before any engine loads it.

The file is a protobuf message; this walks over it without its schema's package, so that the runtime needs no
`onnx`. Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from depdis_deploy.command import InputError
from depdis_deploy.manifest import Manifest, ManifestError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_IR_VERSION, _GRAPH, _METADATA = 1, 7, 14
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_DEEPEST = 64

# Of each message: the fields that may hold a tensor, and the message each of them is.
_INTO: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}


# What other files start with, for a message that says what was given.
_STARTS = {
    b"PK\x03\x04": "a zip archive, such as a PyTorch checkpoint; export it by depdis-export",
    b"\x80\x02": "a Python pickle; export the checkpoint by depdis-export",
    b"\x80\x03": "a Python pickle; export the checkpoint by depdis-export",
    b"\x80\x04": "a Python pickle; export the checkpoint by depdis-export",
    b"\x80\x05": "a Python pickle; export the checkpoint by depdis-export",
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself by git lfs pull",
}


class NotOnnxError(ValueError):
    """The bytes are no ONNX model."""


@dataclass(frozen=True)
class OnnxFile:
    """metadata: the file's `metadata_props`; external_data: whether some tensor lies in another file."""

    metadata: dict[str, str]
    external_data: bool


def read_onnx(data: bytes) -> OnnxFile:
    """Metadata and the whereabouts of the tensors of a serialized model; NotOnnxError if it is none."""
    view = memoryview(data)
    metadata: dict[str, str] = {}
    seen = set()
    for number, value in _fields(view):
        seen.add(number)
        if number == _METADATA and isinstance(value, memoryview):
            entry = {key: bytes(text) for key, text in _fields(value) if isinstance(text, memoryview)}
            metadata[_text(entry.get(1, b""))] = _text(entry.get(2, b""))
    if not {_IR_VERSION, _GRAPH} <= seen:
        raise NotOnnxError("it has no ONNX version or no graph")
    return OnnxFile(metadata, _has_external(view, "Model", 0))


def _has_external(view: memoryview, message: str, depth: int) -> bool:
    if depth > _DEEPEST:
        raise NotOnnxError("its graphs are nested too deep")
    into = _INTO.get(message, {})
    for number, value in _fields(view):
        if message == "Tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                return True
        elif number in into and isinstance(value, memoryview) and _has_external(value, into[number], depth + 1):
            return True
    return False


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a message: an integer, or the bytes of anything longer."""
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
        if number == 0 or at > end:
            raise NotOnnxError("its bytes are no protobuf message, or it is cut short")
        yield number, value


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


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def checked_metadata(path: Path, data: bytes) -> dict[str, str]:
    """The metadata of an exported model's bytes; InputError for any other file, and for data outside it."""
    if not data:
        raise InputError(f"{path}: the file is empty; expected an exported model")
    for start, what in _STARTS.items():
        if data.startswith(start):
            raise InputError(f"{path}: expected an ONNX model, got {what}")
    try:
        file = read_onnx(data)
    except NotOnnxError as error:
        raise InputError(f"{path}: expected an ONNX model, but {error}; export it again") from None
    if file.external_data:
        raise InputError(
            f"{path}: it keeps data in other files (external data), which is refused; "
            "export it as one file by depdis-export"
        )
    try:
        Manifest.from_metadata(file.metadata)
    except ManifestError as error:
        raise InputError(f"{path}: an ONNX model, but not one made by depdis-export: {error}") from None
    return file.metadata
