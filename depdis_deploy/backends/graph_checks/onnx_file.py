"""Reader for ONNX files that checks their structure before any engine loads them.

The runtime does not require the `onnx` package. Field numbers are those of onnx.proto. The table of messages
has no cycles, so that decoding is at most five levels deep and its time is linear in the size of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .graph import Graph, Node, NotOnnxError, RejectedGraphError, Tensor, Value, shown
from .onnx_tensors import tensor_of
from .protobuf import Decoder, Messages

_METADATA = 14
_OLDEST_OPSET = 11  # older versions of Resize, Clip and Pad take their parameters in other places

_MESSAGES: Messages = {
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
_ATTRIBUTE_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints"}


def read_metadata(data: bytes) -> dict[str, str]:
    """Return the `metadata_props` of a serialized model.

    Raises:
        NotOnnxError: The bytes are not an ONNX model.
        RejectedGraphError: They have too many fields.
    """
    metadata: dict[str, str] = {}
    seen = set()
    decoder = Decoder(_MESSAGES)
    for number, _, value in decoder.fields(memoryview(data)):
        seen.add(number)
        if number == _METADATA and isinstance(value, memoryview):
            entry = {key: bytes(text) for key, _, text in decoder.fields(value) if isinstance(text, memoryview)}
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
    model = Decoder(_MESSAGES).decode(memoryview(data), "Model")
    graph = model.get("graph")
    if graph is None:
        raise NotOnnxError("it has no graph")
    opsets = [opset for opset in model.get("opsets", []) if opset.get("domain", "") in ("", "ai.onnx")]
    if len(opsets) != 1:
        raise NotOnnxError("it does not state one version of the ONNX operators")
    version = opsets[0].get("version", 0)
    if version < _OLDEST_OPSET:
        raise RejectedGraphError(
            f"it uses version {version} of the ONNX operators; {_OLDEST_OPSET} is the oldest supported"
        )
    initializers: dict[str, Tensor] = {}
    for found in graph.get("initializers", []):
        name = found.get("name", "")
        if not name:
            raise NotOnnxError("a constant has no name")
        if name in initializers:
            raise NotOnnxError(f"two constants are named {shown(name)}")
        initializers[name] = tensor_of(found)
    return Graph(
        nodes=tuple(_node(found, version) for found in graph.get("nodes", [])),
        initializers=initializers,
        inputs=tuple(_value(found) for found in graph.get("inputs", [])),
        outputs=tuple(_value(found) for found in graph.get("outputs", [])),
    )


def _node(found: Mapping[str, Any], version: int) -> Node:
    attributes: dict[str, Any] = {}
    for attribute in found.get("attributes", []):
        if "refused" in attribute:
            operator = shown(found.get("operator", ""))
            raise RejectedGraphError(
                f"its operator {operator} has {attribute['refused']}, which exported models never have"
            )
        kind = _ATTRIBUTE_FIELDS.get(attribute.get("type", 0))
        if kind is None:
            raise NotOnnxError("an attribute has no type")
        name, value = attribute.get("name", ""), attribute.get(kind, _EMPTY[kind])
        if name in attributes:
            raise NotOnnxError(f"an attribute {shown(name)} is given twice")
        attributes[name] = tensor_of(value) if kind == "t" else bytes(value) if kind == "s" else value
    return Node(
        operator=found.get("operator", ""),
        version=version,
        name=found.get("name", ""),
        domain=found.get("domain", ""),
        inputs=tuple(found.get("inputs", [])),
        outputs=tuple(found.get("outputs", [])),
        attributes=attributes,
    )


_EMPTY: dict[str, Any] = {"f": 0.0, "i": 0, "s": b"", "t": {}, "floats": [], "ints": []}


def _value(found: Mapping[str, Any]) -> Value:
    tensor = found.get("type", {}).get("tensor", {})
    shape = tensor.get("shape")
    dims = None if shape is None else tuple(dim.get("value") for dim in shape.get("dims", []))
    return Value(found.get("name", ""), dims)


def _lossy(data: bytes) -> str:
    return data.decode("utf-8", "replace")
