"""Checks of an OpenVINO model's XML before OpenVINO loads it."""

from __future__ import annotations

import math
from typing import Any, NoReturn
from xml.parsers import expat

from .onnx_file import RejectedGraphError, shown

MOST_XML_BYTES = 64 * 2**20
_MOST_LAYERS = 50_000
_DEEPEST = 16
_BITS = {
    "boolean": 8, "i8": 8, "u8": 8, "i16": 16, "u16": 16, "f16": 16, "bf16": 16, "i32": 32, "u32": 32,
    "f32": 32, "i64": 64, "u64": 64, "f64": 64,
}  # fmt: skip

LAYERS = frozenset({
    # What depdis-export writes, for every network, precision and target.
    "Add", "BatchNormInference", "Broadcast", "Concat", "Const", "Convert", "Convolution", "Divide", "Exp",
    "FakeQuantize", "Gather", "GroupConvolution", "Interpolate", "MaxPool", "Maximum", "Minimum", "Multiply",
    "Parameter", "Range", "ReLU", "ReduceMax", "ReduceMean", "ReduceSum", "Reshape", "Result", "ShapeOf",
    "Slice", "SoftMax", "Squeeze", "Subtract", "TopK", "Transpose", "Unsqueeze", "VariadicSplit",
    # Plain operators of other dense networks.
    "Abs", "AvgPool", "Ceiling", "Clamp", "ConvertLike", "ConvolutionBackpropData", "DepthToSpace", "Elu",
    "Equal", "Erf", "Floor", "Gelu", "Greater", "GreaterEqual", "GroupConvolutionBackpropData", "HSwish",
    "HardSigmoid", "Less", "LessEqual", "Log", "LogSoftmax", "LogicalAnd", "LogicalNot", "LogicalOr", "MVN",
    "MatMul", "Mish", "Negative", "PReLU", "Pad", "Power", "ReduceMin", "Round", "Select", "Selu", "Sigmoid",
    "Sign", "SoftPlus", "SoftSign", "Softmax", "Split", "Sqrt", "StridedSlice", "Swish", "Tanh",
})  # fmt: skip


def check_ir(xml: bytes, weights_bytes: int) -> tuple[int | None, ...]:
    """Check the layers of an OpenVINO model and return the shape of its input, None per free dimension.

    Args:
        xml: The contents of the `.xml` file.
        weights_bytes: The size of the `.bin` file.

    Raises:
        RejectedGraphError: The XML is malformed, has entities, subgraphs or a layer that exported
            models never have, or a constant that lies outside the weights.
    """
    reader = _Reader(weights_bytes)
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = _doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise RejectedGraphError(f"its XML is malformed ({error})") from None
    if len(reader.inputs) != 1:
        raise RejectedGraphError(f"it should have one input, frames; it has {len(reader.inputs)}")
    return reader.inputs[0]


def _doctype(*_: Any) -> NoReturn:
    raise RejectedGraphError("its XML has a document type declaration, which exported models never have")


class _Reader:
    """Handlers for the parser: the path of open elements, and the checks of each layer."""

    def __init__(self, weights_bytes: int) -> None:
        self.inputs: list[tuple[int | None, ...]] = []
        self._weights_bytes = weights_bytes
        self._open: list[str] = []
        self._layer: dict[str, str] = {}
        self._layers = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._open.append(tag)
        if len(self._open) > _DEEPEST:
            raise RejectedGraphError(f"its XML is nested more than {_DEEPEST} levels deep")
        if self._open == ["net", "layers", "layer"]:
            self._start_layer(attributes)
        elif tag in ("layers", "body", "then_body", "else_body") and len(self._open) > 2:
            raise RejectedGraphError("it contains a nested graph")
        elif self._open == ["net", "layers", "layer", "data"]:
            self._check_data(attributes)

    def end(self, tag: str) -> None:
        self._open.pop()

    def _start_layer(self, attributes: dict[str, str]) -> None:
        self._layer = attributes
        self._layers += 1
        if self._layers > _MOST_LAYERS:
            raise RejectedGraphError(f"it has more than {_MOST_LAYERS} layers")
        kind, version = attributes.get("type", ""), attributes.get("version", "")
        if kind not in LAYERS or not (version.startswith("opset") and version[5:].isdigit()):
            raise RejectedGraphError(
                f"it uses the operator {shown(kind)} of {shown(version)} (layer "
                f"{shown(attributes.get('name', ''))}), which exported models never have"
            )

    def _check_data(self, attributes: dict[str, str]) -> None:
        kind = self._layer.get("type")
        if kind not in ("Const", "Parameter"):
            return
        where = f"its layer {shown(self._layer.get('name', ''))}"
        try:
            shape = _dimensions(attributes.get("shape", ""))
            if kind == "Parameter":
                self.inputs.append(shape)
                return
            bits = _BITS[attributes["element_type"]]
            offset, size = int(attributes["offset"]), int(attributes["size"])
            needed = math.prod(length for length in shape if length is not None) * bits // 8
        except (KeyError, ValueError):
            raise RejectedGraphError(f"{where} has attributes that make no sense") from None
        if None in shape or not (0 <= offset <= offset + size <= self._weights_bytes) or needed != size:
            raise RejectedGraphError(f"{where} does not match the weights beside it")


def _dimensions(text: str) -> tuple[int | None, ...]:
    """`2,?,?,3` -> (2, None, None, 3); a range such as `1..8` is free too."""
    words = text.split(",") if text else []
    if len(words) > 8:
        raise ValueError
    shape = tuple(None if word == "?" or ".." in word else int(word) for word in words)
    if any(length is not None and length < 0 for length in shape):
        raise ValueError
    return shape
