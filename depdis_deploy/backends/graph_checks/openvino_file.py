"""Reader for OpenVINO models (XML and weights) that checks their structure before OpenVINO loads them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NoReturn
from xml.parsers import expat

import numpy as np

from .graph import MOST_DIMENSIONS, MOST_ENDS, Graph, Node, RejectedGraphError, Tensor, Value, is_small, shown
from .openvino_operators import OPERATORS

MOST_XML_BYTES = 64 * 2**20
# Elements with their end tags, and attributes, so that OpenVINO's own tree of the XML stays small. Exported
# models have up to 100 000 of either.
_MOST_TAGS = 2**20
_DEEPEST = 16
_ENCODING = "utf-8"

# Element type -> bytes and numpy's type; None if values are not followed.
_NUMBERS = ("i8", "u8", "i16", "u16", "f16", "i32", "u32", "f32", "i64", "u64", "f64")
_TYPES: dict[str, tuple[int, np.dtype[Any] | None]] = {
    **{kind: (int(kind[1:]) // 8, np.dtype(f"{kind[0]}{int(kind[1:]) // 8}")) for kind in _NUMBERS},
    "bf16": (2, None),
    "boolean": (1, np.dtype(np.bool_)),
}
_CONSTANT = frozenset({"element_type", "shape", "offset", "size"})

# The elements that exported models have, by their path; `net/rt_info` may hold anything.
_LAYER = "net/layers/layer"
_DATA, _INPUT_PORT, _OUTPUT_PORT = f"{_LAYER}/data", f"{_LAYER}/input/port", f"{_LAYER}/output/port"
_ELEMENTS = frozenset(
    {
        "net",
        "net/layers",
        "net/edges",
        "net/edges/edge",
        "net/rt_info",
        _LAYER,
        _DATA,
        f"{_LAYER}/input",
        _INPUT_PORT,
        f"{_INPUT_PORT}/dim",
        f"{_LAYER}/output",
        _OUTPUT_PORT,
        f"{_OUTPUT_PORT}/dim",
    }
)
_ONCE = frozenset({"net/layers", "net/edges", "net/rt_info"})
_ONCE_PER_LAYER = frozenset({_DATA, f"{_LAYER}/input", f"{_LAYER}/output"})


def read_ir(xml: bytes, weights: BinaryIO) -> Graph:
    """Decode the graph of an OpenVINO model.

    Args:
        xml: The contents of the `.xml` file.
        weights: The `.bin` file.

    Raises:
        RejectedGraphError: The XML is malformed, has entities, subgraphs or a layer that exported models never
            have, or a constant that lies outside the weights.
    """
    if max(xml.count(b"<"), xml.count(b"=")) > _MOST_TAGS:
        raise RejectedGraphError(f"its XML has more than {_MOST_TAGS} tags or attributes")
    handlers = _Handlers()
    parser = expat.ParserCreate(_ENCODING)
    parser.StartDoctypeDeclHandler = _doctype
    parser.StartElementHandler = handlers.start
    parser.EndElementHandler = handlers.end
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise RejectedGraphError(f"its XML is malformed ({error})") from None
    return _Builder(handlers, weights).graph()


def _doctype(*_: Any) -> NoReturn:
    raise RejectedGraphError("its XML has a document type declaration, which exported models never have")


@dataclass
class _Layer:
    name: str
    kind: str
    version: str
    data: dict[str, str] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    elements: set[str] = field(default_factory=set)

    @property
    def where(self) -> str:
        return f"its layer {shown(self.name)}"


class _Handlers:
    """Handlers for the parser, which collect layers by their id, and edges by the input that they end in."""

    def __init__(self) -> None:
        self.layers: dict[int, _Layer] = {}
        self.edges: dict[tuple[int, int], tuple[int, int]] = {}
        self._paths: list[str] = []  # of the open elements
        self._seen: set[str] = set()
        self._layer = _Layer("", "", "")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._paths) >= _DEEPEST:
            raise RejectedGraphError(f"its XML is nested more than {_DEEPEST} levels deep")
        path = f"{self._paths[-1]}/{tag}" if self._paths else tag
        self._paths.append(path)
        if path not in _ELEMENTS:
            if path.startswith("net/rt_info/"):
                return
            raise RejectedGraphError(
                f"its XML has an element {shown(path[-60:])}, which exported models never have"
            )
        if path in _ONCE | _ONCE_PER_LAYER:
            self._once(path)
        try:
            self._take(path, attributes)
        except RejectedGraphError:
            raise
        except (KeyError, ValueError):
            raise RejectedGraphError(
                f"its XML has an element {shown(tag)} whose attributes make no sense"
            ) from None

    def end(self, tag: str) -> None:
        self._paths.pop()

    def _once(self, path: str) -> None:
        seen = self._layer.elements if path in _ONCE_PER_LAYER else self._seen
        if path in seen:
            raise RejectedGraphError(f"its XML has {shown(path)} twice")
        seen.add(path)

    def _take(self, path: str, attributes: dict[str, str]) -> None:
        if path == _LAYER:
            number = _number(attributes["id"])
            if number in self.layers:
                raise RejectedGraphError(f"two of its layers have the id {number}")
            self._layer = _Layer(attributes.get("name", ""), attributes["type"], attributes.get("version", ""))
            self.layers[number] = self._layer
        elif path == _DATA:
            self._layer.data = attributes
        elif path in (_INPUT_PORT, _OUTPUT_PORT):
            ports = self._layer.inputs if path == _INPUT_PORT else self._layer.outputs
            ports.append(_number(attributes["id"]))
            if len(ports) > MOST_ENDS:
                raise RejectedGraphError(f"{self._layer.where} has more than {MOST_ENDS} ports")
        elif path == "net/edges/edge":
            target = _number(attributes["to-layer"]), _number(attributes["to-port"])
            if target in self.edges:
                raise RejectedGraphError(f"two of its edges end in one input of the layer {target[0]}")
            self.edges[target] = _number(attributes["from-layer"]), _number(attributes["from-port"])


class _Builder:
    """The graph of the collected layers and edges."""

    def __init__(self, found: _Handlers, weights: BinaryIO) -> None:
        self._layers, self._edges, self._weights = found.layers, dict(found.edges), weights
        self._weights_bytes = weights.seek(0, 2)
        self._nodes: list[Node] = []
        self._constants: dict[str, Tensor] = {}
        self._inputs: list[Value] = []
        self._outputs: list[Value] = []

    def graph(self) -> Graph:
        for number, layer in self._layers.items():
            self._add(number, layer)
        if self._edges:
            (number, port), _ = self._edges.popitem()
            raise RejectedGraphError(
                f"an edge ends in the port {port} of the layer {number}, which is not there"
            )
        if len(self._inputs) != 1:
            raise RejectedGraphError(f"it should have one input, frames; it has {len(self._inputs)}")
        return Graph(tuple(self._nodes), self._constants, tuple(self._inputs), tuple(self._outputs))

    def _add(self, number: int, layer: _Layer) -> None:
        version = _version(layer)
        if len({*layer.inputs}) < len(layer.inputs) or len({*layer.outputs}) < len(layer.outputs):
            raise RejectedGraphError(f"{layer.where} has two ports of one number")
        inputs = tuple(self._source(number, port, layer) for port in layer.inputs)
        outputs = tuple(self._tensor_name(number, port) for port in layer.outputs)
        try:
            if layer.kind == "Parameter":
                self._inputs.append(Value("frames", _dimensions(layer.data["shape"])))
            elif layer.kind == "Const":
                (name,) = outputs
                self._constants[name] = self._constant(layer)
            elif layer.kind == "Result":
                (name,) = inputs
                self._outputs.append(Value(name, None))
            else:
                node = Node(layer.kind, version, layer.name, "", inputs, outputs, layer.data)
                self._nodes.append(node)
        except RejectedGraphError:
            raise
        except (KeyError, ValueError):
            raise RejectedGraphError(f"{layer.where} has attributes or ports that make no sense") from None

    def _source(self, number: int, port: int, layer: _Layer) -> str:
        """Return the name of the tensor that an input takes."""
        try:
            source, source_port = self._edges.pop((number, port))
            if source_port not in self._layers[source].outputs:
                raise KeyError
        except KeyError:
            raise RejectedGraphError(f"{layer.where} has an input without an edge from an output") from None
        return self._tensor_name(source, source_port)

    def _tensor_name(self, number: int, port: int) -> str:
        return "frames" if self._layers[number].kind == "Parameter" else f"{number}:{port}"

    def _constant(self, layer: _Layer) -> Tensor:
        if set(layer.data) != _CONSTANT:
            raise ValueError
        shape = _dimensions(layer.data["shape"])
        item_bytes, dtype = _TYPES[layer.data["element_type"]]
        offset, size = _number(layer.data["offset"]), _number(layer.data["size"])
        fixed = tuple(length for length in shape if length is not None)
        if (
            len(fixed) < len(shape)
            or offset + size > self._weights_bytes
            or math.prod(fixed) * item_bytes != size
        ):
            raise RejectedGraphError(f"{layer.where} does not match the weights next to it")
        if dtype is None or not is_small(fixed):
            return Tensor(fixed, None)
        self._weights.seek(offset)
        return Tensor(fixed, np.frombuffer(self._weights.read(size), dtype).reshape(fixed))


def _version(layer: _Layer) -> int:
    """Return the version of a layer's operator, which has to be an allowed one."""
    name, digits = layer.version[:5], layer.version[5:]
    if name == "opset" and digits.isascii() and digits.isdecimal() and len(digits) < 3:
        allowed = ((1,), None) if layer.kind in ("Parameter", "Const", "Result") else OPERATORS.get(layer.kind)
        if allowed is not None and int(digits) in allowed[0]:
            return int(digits)
    raise RejectedGraphError(
        f"it uses the operator {shown(layer.kind)} of {shown(layer.version)} (layer {shown(layer.name)}), "
        "which exported models never have"
    )


def _number(text: str) -> int:
    """Return a number of decimal digits alone, as OpenVINO reads others in its own way."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ValueError
    return int(text)


def _dimensions(text: str) -> tuple[int | None, ...]:
    """`2,?,?,3` -> (2, None, None, 3); a range such as `1..8` is free too."""
    words = text.split(",") if text else []
    if len(words) > MOST_DIMENSIONS:
        raise ValueError
    return tuple(None if word == "?" or ".." in word else _number(word.strip()) for word in words)
