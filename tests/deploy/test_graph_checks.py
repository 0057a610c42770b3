"""The static checks compute the sizes that both engines compute, for every operator that a model may use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from depdis_deploy.backends.graph_checks import onnx_operators, openvino_operators
from depdis_deploy.backends.graph_checks.onnx_file import read_graph
from depdis_deploy.backends.graph_checks.openvino_file import read_ir
from depdis_deploy.backends.graph_checks.sizes import SizeCheck

FRAMES = (2, 37, 29, 3)
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64

# Operator -> the calls to compare. A call is (inputs, attributes, number of outputs); an input is the name of a
# tensor, a list of numbers, or None for one that is left out. `planes`: (N, 3, H, W), `six`: (N, 6, H, W),
# `flat`: (3, H * W) of the first image, `size`: the shape of `planes`.
Call = tuple[list[Any], dict[str, Any], int]


def call(*inputs: Any, outputs: int = 1, **attributes: Any) -> Call:
    return list(inputs), attributes, outputs


def weights(*shape: int) -> np.ndarray:
    return np.full(shape, 0.1, np.float32)


PLAIN = [
    *("Abs", "Ceil", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu"),
    *("Log", "LogSoftmax", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softmax"),
    *("Softplus", "Softsign", "Sqrt", "Tanh"),
]
BROADCAST = ["Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "Sub", "Sum"]
COMPARED = ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]
REDUCED = ["ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"]
NO_AXES = np.zeros(0, np.int64)

CALLS: dict[str, list[Call]] = {
    **{name: [call("planes")] for name in PLAIN},
    **{name: [call("planes", weights(3, 1, 1)), call(weights(29), "planes")] for name in BROADCAST},
    **{name: [call("planes", weights(1, 29))] for name in COMPARED},
    **{
        name: [
            call("planes"),
            call("planes", [1, -1], keepdims=0),
            call("planes", NO_AXES, noop_with_empty_axes=1),
        ]
        for name in REDUCED
    },
    "And": [call("bits", "bits")],
    "Or": [call("bits", "bits")],
    "Not": [call("bits")],
    "ArgMax": [call("planes", axis=1), call("planes", axis=-1, keepdims=0)],
    "ArgMin": [call("planes", axis=2, keepdims=0)],
    "AveragePool": [
        call("planes", kernel_shape=[3, 2]),
        call("planes", kernel_shape=[3, 3], strides=[2, 3], pads=[1, 0, 1, 1], count_include_pad=1),
        call("planes", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        call("planes", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    ],
    "BatchNormalization": [call("planes", weights(3), weights(3), weights(3), weights(3))],
    "Cast": [call("planes", to=TensorProto.INT32)],
    "Clip": [call("planes", np.float32(0), np.float32(6)), call("planes", None, np.float32(6)), call("planes")],
    "Concat": [call("planes", "six", axis=1), call("planes", "planes", axis=-1)],
    "Constant": [call(value_ints=[1, 2, 3]), call(value_float=1.0)],
    "Conv": [
        call("planes", weights(4, 3, 3, 3)),
        call("planes", weights(4, 3, 1, 5), weights(4), strides=[3, 2], pads=[0, 4, 2, 1]),
        call("planes", weights(6, 1, 3, 3), group=3, dilations=[2, 3], pads=[2, 3, 2, 3]),
        call("six", weights(4, 3, 3, 3), group=2, auto_pad="SAME_UPPER", strides=[2, 2]),
        call("six", weights(4, 6, 4, 4), auto_pad="SAME_LOWER", strides=[3, 2]),
        call("planes", weights(4, 3, 7, 7), auto_pad="VALID", strides=[5, 5]),
    ],
    "ConvTranspose": [
        call("planes", weights(3, 5, 3, 3)),
        call("six", weights(6, 2, 4, 4), weights(6), group=3, strides=[2, 3], pads=[1, 0, 2, 1]),
        call("planes", weights(3, 2, 3, 2), strides=[3, 2], dilations=[2, 1], output_padding=[1, 1]),
    ],
    "DepthToSpace": [call("twelve", blocksize=2), call("twelve", blocksize=2, mode="CRD")],
    "Expand": [call(weights(3, 1, 1), "size"), call("planes", [1, 1, 1])],
    "Flatten": [call("planes"), call("planes", axis=0), call("planes", axis=-1), call("planes", axis=4)],
    "Gather": [call("planes", np.array([[0, 2], [1, -1]]), axis=1), call("planes", np.array(1), axis=-2)],
    "Gemm": [
        call("flat", "flat", weights(1, 3), transB=1),
        call("flat", weights(3, 5), transA=1),
    ],
    "GlobalAveragePool": [call("planes")],
    "GlobalMaxPool": [call("planes")],
    "InstanceNormalization": [call("planes", weights(3), weights(3))],
    "LayerNormalization": [call("planes", weights(29), weights(29)), call("planes", weights(37, 29), axis=-2)],
    "MatMul": [call("planes", weights(29, 4)), call(weights(3, 5, 37), "planes")],
    "MaxPool": [
        call("planes", kernel_shape=[2, 2], strides=[2, 2]),
        call("planes", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, outputs=2),
        call("planes", kernel_shape=[3, 2], dilations=[2, 4], auto_pad="VALID"),
        call("planes", kernel_shape=[3, 3], strides=[4, 4], auto_pad="SAME_UPPER"),
    ],
    "PRelu": [call("planes", weights(3, 1, 1))],
    "Pad": [
        call("planes", [0, 1, 2, 3, 0, 0, 1, 4]),
        call("planes", [0, 0, -3, 2, 0, 0, 0, -1]),
        call("planes", [2, 1, 0, 3], mode="reflect", pads_axes=[2, -1]),
        call("planes", [0, 0, 1, 1, 0, 0, 1, 1], mode="edge"),
    ],
    "QuantizeLinear": [call("planes", np.float32(0.1), np.uint8(3)), call("planes", weights(3), axis=1)],
    "DequantizeLinear": [call("quantized", np.float32(0.1), np.uint8(3))],
    "Range": [call(np.int64(3), "rows", np.int64(2)), call(np.int64(9), np.int64(-2), np.int64(-3))],
    "Reshape": [call("planes", [0, -1, 37]), call("planes", [6, 29, 37]), call("planes", "swapped")],
    "Resize": [
        call("planes", None, weights(4) * 10),
        call("planes", None, np.array([1, 1, 2.5, 0.5], np.float32), mode="linear"),
        call("planes", None, None, [2, 3, 80, 9], mode="cubic"),
        call("planes", None, None, [50, 11], axes=[-1, 2]),
    ],
    "Shape": [call("planes"), call("planes", start=1), call("planes", start=-3, end=-1), call("planes", end=9)],
    "Slice": [
        call("planes", [1, -5], [2, 2**62], [0, 3]),
        call("planes", [-1], [-(2**62)], [2], [-3]),
        call("planes", [-99, 99], [99, -99], [2, 3], [5, -4]),
        call("planes", [30], [-30], [3], [-1]),
        call("planes", [-99, -99], [-100, -99], [2, 3], [-1, -2]),
        call("planes", [0, 0, 9], [1, 1, 3]),
    ],
    "Split": [
        call("planes", axis=2, num_outputs=4, outputs=4),
        call("planes", [30, 0, 7], axis=-2, outputs=3),
    ],
    "Squeeze": [call("single"), call("single", [1]), call("single", [-4, 1])],
    "Transpose": [call("planes"), call("planes", perm=[2, 0, 3, 1])],
    "Unsqueeze": [call("planes", [0, -1]), call("planes", [5, 2])],
    "Where": [call("bits", "planes", weights(1, 29)), call("bits", np.float32(1), weights(3, 1, 1))],
}

PREPARED = [
    helper.make_node("Cast", ["frames"], ["floats"], to=FLOAT),
    helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
    helper.make_node("Transpose", ["frames"], ["quantized"], perm=[0, 3, 1, 2]),
    helper.make_node("Concat", ["planes", "planes"], ["six"], axis=1),
    helper.make_node("Concat", ["six", "six"], ["twelve"], axis=1),
    helper.make_node("Shape", ["planes"], ["size"]),
    helper.make_node("Gather", ["size", "two"], ["rows"]),
    helper.make_node("Gather", ["size", "turned"], ["swapped"]),
    helper.make_node("Greater", ["planes", "half"], ["bits"]),
    helper.make_node("Slice", ["planes", "zeros", "ones", "firsts"], ["single"]),
    helper.make_node("Gather", ["planes", "none"], ["image"]),
    helper.make_node("Flatten", ["image"], ["flat"], axis=1),
]
CONSTANTS = {
    "two": np.array(2),
    "turned": np.array([0, 1, 3, 2]),
    "half": np.float32(0.5),
    "zeros": np.array([0, 0]),
    "ones": np.array([1, 1]),
    "firsts": np.array([0, 1]),
    "none": np.array(0),
}


# Calls that OpenVINO rejects, or converts into layers that are not in the list.
NOT_IN_OPENVINO = {"Constant", "Flatten2", "Flatten3", "Pad2", "Resize3", "Split0", "Transpose0"}


def model_of(left_out: frozenset[str] = frozenset()) -> tuple[onnx.ModelProto, list[str]]:
    """A model that makes all calls, and the names of the tensors that they make."""
    nodes, constants, made = list(PREPARED), dict(CONSTANTS), []
    for operator, calls in CALLS.items():
        for number, (inputs, attributes, outputs) in enumerate(calls):
            name, names = f"{operator}{number}", []
            if {name, operator} & left_out:
                continue
            attributes = dict(attributes)
            if axes := attributes.pop("pads_axes", None):
                inputs = [*inputs, None, axes]
            for index, given in enumerate(inputs):
                names.append(given or "" if isinstance(given, str | None) else f"{name}_{index}")
                if not isinstance(given, str | None):
                    constants[names[-1]] = np.asarray(given)
            results = [f"{name}:{index}" for index in range(outputs)]
            nodes.append(helper.make_node(operator, names, results, name, **attributes))
            made += results
    given = helper.make_tensor_value_info("frames", TensorProto.UINT8, [None, None, None, 3])
    graph = helper.make_graph(
        nodes,
        "calls",
        [given],
        [onnx.ValueInfoProto(name=name) for name in made],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), made


def test_every_operator_is_compared() -> None:
    assert set(CALLS) == set(onnx_operators.OPERATORS)


def test_rules_of_onnx_operators_give_the_sizes_of_onnxruntime() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model, made = model_of()
    data = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    shapes = SizeCheck(read_graph(data), onnx_operators.OPERATORS).shapes(FRAMES)
    found = session.run(made, {"frames": np.ones(FRAMES, np.uint8)})
    for name, values in zip(made, found, strict=True):
        assert shapes[name] == np.shape(values), name


def test_rules_of_openvino_operators_give_the_sizes_of_openvino(tmp_path: Path) -> None:
    """Every tensor of the converted model; most operators become several."""
    openvino = pytest.importorskip("openvino")
    model, _ = model_of(frozenset(NOT_IN_OPENVINO))
    core, path = openvino.Core(), tmp_path / "calls.xml"
    openvino.save_model(core.read_model(model.SerializeToString()), path, compress_to_fp16=False)
    with path.with_suffix(".bin").open("rb") as weights_file:
        graph = read_ir(path.read_bytes(), weights_file)
    shapes = SizeCheck(graph, openvino_operators.RULES).shapes(FRAMES)
    loaded = core.read_model(path)
    loaded.reshape({"frames": list(FRAMES)})
    layers = {layer.get_friendly_name(): layer for layer in loaded.get_ops()}
    compared = set()
    for node in graph.nodes:
        if node.name not in layers:  # OpenVINO has computed it already
            continue
        compared.add(node.operator)
        for index, name in enumerate(node.outputs):
            assert shapes[name] == tuple(layers[node.name].output(index).shape), (node.name, node.operator)
    assert set(openvino_operators.OPERATORS) - compared <= {"Clamp", "Split", "Swish"}, (
        "operators that ONNX lacks"
    )
