"""Explicit quantisation: QuantizeLinear and DequantizeLinear around the layers of a folded ONNX graph.

onnxruntime's own quantiser gives the same form, but takes seconds a graph where the search needs dozens.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.backends.onnxruntime_backend import cpu_options
from depdis_deploy.progress import tracked

from .layers import between_layers, layer_names

if TYPE_CHECKING:
    import onnx

Ranges = Mapping[str, tuple[float, float]]

# Computed in INT8 between INT8 convolutions, so that values need not become float in between.
_BETWEEN = {
    "onnxruntime": {"Add", "Clip", "Concat", "MaxPool", "Relu", "Resize"},
    "tensorrt": set[str](),
}
_ACTIVATIONS = {"Clip", "Relu"}
# They pass values on, so engines run them in INT8 only where both sides have one scale.
_SAME_SCALE = {"MaxPool", "Resize"}
_SMALLEST_SCALE = 1e-8
# What a bias may be in units of its scale, well within int32.
_LARGEST_BIAS = 2.0**30


def ranges(base: onnx.ModelProto, frames: Sequence[NDArray[np.uint8]]) -> Ranges:
    """Smallest and largest value over `frames`, each (N, H, W, 3), of every tensor that may be quantised."""
    import onnx
    import onnxruntime

    model = copy.deepcopy(base)
    layers = set(layer_names(base))
    # Of free sizes, the sums that lead to them are nodes of the same types, and of integers.
    inside = layers | between_layers(base, layers, set[str]().union(*_BETWEEN.values()))
    tensors = {
        name: None
        for node in base.graph.node
        if node.name in inside
        for name in [*(node.input[:1] if node.op_type == "Conv" else ()), *node.output]
    }
    wanted = []
    for name in tensors:
        for kind in ("ReduceMin", "ReduceMax"):
            wanted.append(f"{name}.{kind}")
            model.graph.node.append(onnx.helper.make_node(kind, [name], wanted[-1:], keepdims=0))
            model.graph.output.append(
                onnx.helper.make_tensor_value_info(wanted[-1], onnx.TensorProto.FLOAT, [])
            )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), cpu_options(onnxruntime), providers=["CPUExecutionProvider"]
    )
    batches = tracked(frames, "calibration", len(frames))
    found = np.array([session.run(wanted, {"frames": batch}) for batch in batches])  # (F, 2 T)
    lowest, highest = found[:, 0::2].min(0), found[:, 1::2].max(0)
    return {name: (float(low), float(high)) for name, low, high in zip(tensors, lowest, highest, strict=True)}


def to_int8(
    base: onnx.ModelProto, found: Ranges, target: str, float_layers: Iterable[str] = ()
) -> onnx.ModelProto:
    """A folded graph with its convolutions in INT8, weights signed per output channel.

    found: what `ranges` gave. target: `onnxruntime` takes unsigned activations (its kernels for signed ones are
    as slow as fp32 on x86; OpenVINO reads the same file), quantises biases and what stands between the
    convolutions; `tensorrt` takes signed, symmetric activations at the convolutions' inputs alone and no
    quantised bias, which is what it accepts. float_layers: nodes of convolutions that stay fp32.
    """
    layers = set(layer_names(base)) - set(float_layers)
    model = copy.deepcopy(base)
    if layers:
        _Quantizer(model, found, target, layers).run()
    return model


class _Quantizer:
    """Rewrites one graph in place."""

    def __init__(self, model: onnx.ModelProto, found: Ranges, target: str, layers: set[str]) -> None:
        self.graph = model.graph
        self.layers = layers
        self.between = between_layers(model, layers, _BETWEEN[target])
        self.signed = target == "tensorrt"
        self.found = found
        self.constants = {entry.name: entry for entry in model.graph.initializer}
        self.takers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self.takers.setdefault(name, []).append(node)
        self.parameters: dict[str, tuple[np.float32, int]] = {}
        # The name of each quantised tensor behind its pair; those that an INT8 node produced.
        self.renamed: dict[str, str] = {}
        self.produced: set[str] = set()

    def run(self) -> None:
        nodes = list(self.graph.node)
        del self.graph.node[:]
        for node in nodes:
            inside = node.name in self.layers or node.name in self.between
            if node.name in self.layers:
                self._quantize(node.input[0])
                self._weights(node)
            for index, name in enumerate(node.input):
                if name in self.renamed and (inside or name in self.produced):
                    node.input[index] = self.renamed[name]
            self.graph.node.append(node)
            if inside and not self.signed:
                if node.op_type in _SAME_SCALE:
                    original = next(old for old, new in self.renamed.items() if new == node.input[0])
                    self.parameters[node.output[0]] = self.parameters[original]
                # An activation behind a convolution is part of it: the values between are never INT8.
                following = self.takers.get(node.output[0], [])
                fused = node.op_type == "Conv" and len(following) == 1
                if not (fused and following[0].op_type in _ACTIVATIONS and following[0].name in self.between):
                    self._quantize(node.output[0], produced=True)
        self._drop_unused()

    def _drop_unused(self) -> None:
        used = {name for node in self.graph.node for name in node.input}
        kept = [entry for entry in self.graph.initializer if entry.name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)

    def _quantize(self, name: str, *, produced: bool = False) -> None:
        """Put a pair behind tensor `name`. produced: by an INT8 node, so that all who take it take INT8."""
        if produced:
            self.produced.add(name)
        if name in self.renamed:
            return
        scale, zero = self.parameters.setdefault(name, self._parameters(name))
        self._constant(f"{name}.scale", scale)
        self._constant(f"{name}.zero", (np.int8 if self.signed else np.uint8)(zero))
        common = [f"{name}.scale", f"{name}.zero"]
        self._node("QuantizeLinear", [name, *common], f"{name}.int8")
        self._node("DequantizeLinear", [f"{name}.int8", *common], f"{name}.float")
        self.renamed[name] = f"{name}.float"

    def _parameters(self, name: str) -> tuple[np.float32, int]:
        low, high = self.found[name]
        if self.signed:
            return np.float32(max(abs(low), abs(high), _SMALLEST_SCALE) / 127), 0
        low, high = min(low, 0.0), max(high, 0.0)  # 0 itself has to be exact: padding is made of it
        scale = max((high - low) / 255, _SMALLEST_SCALE)
        return np.float32(scale), int(np.clip(round(-low / scale), 0, 255))

    def _weights(self, node: onnx.NodeProto) -> None:
        """INT8 weights per output channel and, unsigned, an int32 bias in units of input times weight."""
        from onnx import numpy_helper

        frames, weight, *bias = node.input
        values = numpy_helper.to_array(self.constants[weight]).astype(np.float32)  # (O, I, kh, kw)
        scale = np.maximum(np.abs(values).reshape(len(values), -1).max(1) / 127, _SMALLEST_SCALE)
        input_scale = self.parameters[frames][0]
        offsets = numpy_helper.to_array(self.constants[bias[0]]) if bias else None
        if offsets is not None and not self.signed:
            scale = np.maximum(scale, np.abs(offsets) / (input_scale * _LARGEST_BIAS))
        scale = scale.astype(np.float32)
        integers = np.clip(np.rint(values / scale.reshape(-1, 1, 1, 1)), -127, 127).astype(np.int8)
        node.input[1] = self._dequantized(weight, integers, scale, node.name)
        if offsets is not None and not self.signed:
            unit = (input_scale * scale).astype(np.float32)
            node.input[2] = self._dequantized(
                bias[0], np.rint(offsets / unit).astype(np.int32), unit, node.name
            )

    def _dequantized(
        self, name: str, integers: NDArray[np.generic], scale: NDArray[np.float32], node: str
    ) -> str:
        name = f"{name}.{node}"  # a constant may be shared by nodes whose inputs have other scales
        inputs = [f"{name}.integers", f"{name}.scales", f"{name}.zeros"]
        for key, values in zip(inputs, (integers, scale, np.zeros(len(scale), integers.dtype)), strict=True):
            self._constant(key, values)
        self._node("DequantizeLinear", inputs, name, axis=0)
        return name

    def _constant(self, name: str, values: NDArray[np.generic] | np.generic) -> None:
        from onnx import numpy_helper

        entry = numpy_helper.from_array(np.asarray(values), name)
        self.constants[name] = entry
        self.graph.initializer.append(entry)

    def _node(self, kind: str, inputs: list[str], output: str, axis: int | None = None) -> None:
        import onnx

        node = onnx.helper.make_node(kind, inputs, [output], name=output)
        if axis is not None:
            node.attribute.append(onnx.helper.make_attribute("axis", axis))
        self.graph.node.append(node)
