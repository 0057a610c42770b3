"""Model files that would hang, exhaust memory or break the code behind them are rejected in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from calling import infer
from clips import write_picture
from hostile_models import (
    ENGINES,
    FLOAT,
    FORMS,
    INT64,
    PEAK,
    SOME,
    UINT8,
    constant,
    engine_of,
    in_form,
    node,
    with_nodes,
    write,
)
from onnx import TensorProto, helper
from tiny_model import graph, manifest

from depdis_deploy import Predictor
from depdis_deploy.backends import describe, open_session
from depdis_deploy.backends.graph_checks.onnx_file import read_graph
from depdis_deploy.backends.graph_checks.onnx_operators import OPERATORS
from depdis_deploy.backends.graph_checks.sizes import SizeCheck
from depdis_deploy.backends.model_file import BUNDLED_SHA256
from depdis_deploy.command import InputError
from depdis_deploy.files import file_sha256
from depdis_deploy.predictor import BUNDLED_MODEL


def endless_loop() -> onnx.ModelProto:
    count = helper.make_tensor_value_info("count", INT64, [])
    going = helper.make_tensor_value_info("going", TensorProto.BOOL, [])
    still = helper.make_tensor_value_info("still", TensorProto.BOOL, [])
    value, same = (helper.make_tensor_value_info(name, FLOAT, []) for name in ("value", "same"))
    inner = [node("Identity", ["going"], ["still"]), node("Identity", ["value"], ["same"])]
    body = helper.make_graph(inner, "body", [count, going, value], [still, same])
    return with_nodes(
        [node("Loop", ["turns", "yes", "two"], ["x"], body=body), node("Add", ["own_depth", "x"], ["depth"])],
        [constant("turns", 2**62), constant("yes", True, bool)],
    )


def huge_constant_of_shape() -> onnx.ModelProto:
    return with_nodes([node("ConstantOfShape", ["size"], ["zeros"])], [constant("size", [8_000_000_000])])


def nested_branches() -> onnx.ModelProto:
    """Each If has two copies of the one inside it."""
    output = [helper.make_tensor_value_info("out", FLOAT, [1])]
    inner = helper.make_graph([node("Constant", [], ["out"], value_floats=[1.0])], "g", [], output)
    for _ in range(8):
        branch = node("If", ["yes"], ["out"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([branch], "g", [], output)
    branch = node("If", ["yes"], ["out"], then_branch=inner, else_branch=inner)
    return with_nodes([branch], [constant("yes", True, bool)])


def doubling_functions() -> onnx.ModelProto:
    """Each function calls the one before it twice: 2^60 nodes once an engine has put them in."""
    model = with_nodes([node("f60", ["rgb"], ["x"], domain="own")])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    for level in range(61):
        inner = "Identity" if level == 0 else f"f{level - 1}"
        domain = "" if level == 0 else "own"
        nodes = [node(inner, ["a"], ["b"], domain=domain), node(inner, ["b"], ["c"], domain=domain)]
        model.functions.append(helper.make_function("own", f"f{level}", ["a"], ["c"], nodes, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def foreign_operator() -> onnx.ModelProto:
    return with_nodes([node("FusedConv", ["rgb"], ["x"], domain="com.microsoft")])


def huge_resize() -> onnx.ModelProto:
    return with_nodes(
        [
            node("Unsqueeze", ["own_depth", "channel1"], ["deep"]),
            node("Resize", ["deep", "", "", "sizes"], ["large"], mode="nearest"),
            node("Squeeze", ["large", "channel1"], ["depth"]),
        ],
        [constant("sizes", [1, 1, 30_000, 30_000])],
    )


def huge_scales() -> onnx.ModelProto:
    scales = constant("scales", [1, 30_000, 30_000], np.float32)
    return with_nodes([node("Resize", ["own_depth", "", "scales"], ["depth"], mode="nearest")], [scales])


def huge_range() -> onnx.ModelProto:
    return with_nodes(
        [node("Range", ["from", "to", "step"], ["x"])],
        [constant("from", 0), constant("to", 2**62), constant("step", 1)],
    )


def huge_expand() -> onnx.ModelProto:
    return with_nodes([node("Expand", ["two", "shape"], ["x"])], [constant("shape", [100_000, 100_000])])


def huge_padding() -> onnx.ModelProto:
    return with_nodes(
        [node("Pad", ["rgb", "pads"], ["x"])], [constant("pads", [0, 0, 0, 0, 0, 10**6, 10**6, 0])]
    )


def huge_product() -> onnx.ModelProto:
    """A row times a column: constants of 800 kB each become 4e10 numbers."""
    shapes = [constant("row", [1, 200_000]), constant("column", [200_000, 1])]
    nodes = [
        node("Expand", ["two", "row"], ["a"]),
        node("Expand", ["two", "column"], ["b"]),
        node("Add", ["a", "b"], ["x"]),
    ]
    return with_nodes(nodes, shapes)


def doubling_concat() -> onnx.ModelProto:
    nodes = [node("Concat", [f"c{level}"] * 2, [f"c{level + 1}"], axis=0) for level in range(40)]
    return with_nodes([node("Reshape", ["two", "one"], ["c0"]), *nodes], [constant("one", [1])])


def many_large_tensors() -> onnx.ModelProto:
    """No tensor is too large, but a hundred of them are."""
    nodes = [node("Expand", ["two", "shape"], [f"x{index}"]) for index in range(100)]
    return with_nodes(nodes, [constant("shape", [4000, 4000])])


def slow_products() -> onnx.ModelProto:
    nodes = [node("Expand", ["two", "shape"], ["p0"])]
    nodes += [node("MatMul", [f"p{index}", f"p{index}"], [f"p{index + 1}"]) for index in range(10)]
    return with_nodes(nodes, [constant("shape", [3000, 3000])])


def size_from_pixels() -> onnx.ModelProto:
    """As many elements as the pixels say: small for a black image, and not for a white one."""
    nodes = [
        node("ReduceSum", ["rgb"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["count"], to=INT64),
        node("Range", ["zero", "count", "step"], ["x"]),
    ]
    return with_nodes(nodes, [constant("zero", 0), constant("step", 1)])


def long_chain() -> onnx.ModelProto:
    """OpenVINO takes minutes for this many nodes."""
    nodes = [node("Sqrt", [f"s{index}"], [f"s{index + 1}"]) for index in range(5000)]
    return with_nodes([node("Relu", ["two"], ["s0"]), *nodes])


def wide_node() -> onnx.ModelProto:
    return with_nodes([node("Concat", ["own_depth"] * 1000, ["depth"], axis=0)])


def many_dimensions() -> onnx.ModelProto:
    axes = constant("axes", range(40))
    return with_nodes([node("Unsqueeze", ["two", "axes"], ["x"])], [axes])


def unnamed_output() -> onnx.ModelProto:
    """The name of an output that is left out is that of an absent input: here the sizes of the Resize."""
    nodes = [
        node("MaxPool", ["planes"], ["pooled", ""], kernel_shape=[1, 1]),
        node("Resize", ["pooled", "", "scales", ""], ["x"], mode="nearest"),
    ]
    return with_nodes(nodes, [constant("scales", [1, 1, 30_000, 30_000], np.float32)])


def no_outputs() -> onnx.ModelProto:
    return with_nodes([node("Relu", ["rgb"], [])])


def circle() -> onnx.ModelProto:
    return with_nodes([node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["a"])])


def defined_twice() -> onnx.ModelProto:
    return with_nodes([node("Relu", ["rgb"], ["best"])])


def impossible_attribute() -> onnx.ModelProto:
    return with_nodes([node("MaxPool", ["planes"], ["x"], kernel_shape=[2, 2], strides=[0, 0])])


def false_dimensions() -> onnx.ModelProto:
    tensor = constant("weights", [1.0], np.float32)
    tensor.dims[:] = [2**40]
    return with_nodes([], [tensor])


def negative_dimensions() -> onnx.ModelProto:
    tensor = constant("weights", [1.0], np.float32)
    tensor.dims[:] = [-1, -1]
    return with_nodes([], [tensor])


def empty_constant(*dims: int) -> onnx.TensorProto:
    tensor = constant("empty", [])
    tensor.dims[:] = dims
    return tensor


def slice_of_nothing() -> onnx.ModelProto:
    nodes = [node("Slice", ["empty", "one", "end", "one"], ["x"]), node("MatMul", ["x", "frames"], ["y"])]
    return with_nodes(nodes, [empty_constant(0, 2**40), constant("one", [1]), constant("end", [2**40])])


def nothing_of_many_dimensions() -> onnx.ModelProto:
    return with_nodes([node("Relu", ["y"], ["z"])], [empty_constant(0, 2**62, 2**62)])


def number_for_a_text() -> onnx.ModelProto:
    return with_nodes([node("MaxPool", ["planes"], ["x"], kernel_shape=[1, 1], auto_pad=2**40)])


def text_constant() -> onnx.ModelProto:
    return with_nodes([], [helper.make_tensor("words", TensorProto.STRING, [1], [b"x"])])


def second_input() -> onnx.ModelProto:
    model = graph()
    model.graph.input.append(helper.make_tensor_value_info("more", UINT8, [1]))
    return model


GRAPHS: list[tuple[Callable[[], onnx.ModelProto], str]] = [
    (endless_loop, "'Loop' has a nested graph"), (huge_constant_of_shape, "'ConstantOfShape'"),
    (nested_branches, "'If' has a nested graph"), (doubling_functions, "local functions"),
    (foreign_operator, "'FusedConv' of the domain 'com.microsoft'"),
    (huge_resize, r"Resize\) makes a tensor of 1 x 1 x 30000 x 30000"), (huge_scales, "Resize"),
    (huge_range, r"Range\) makes a tensor of 4611686018427387904"), (huge_expand, "Expand"),
    (huge_padding, "Pad"), (huge_product, "Add"), (doubling_concat, "Concat"),
    (many_large_tensors, "more memory or computation"), (slow_products, "more memory or computation"),
    (size_from_pixels, "not a function of the input's size"), (circle, "circle"),
    (long_chain, "has 50.. nodes"), (wide_node, "1000 inputs"), (many_dimensions, "more than 8 dimensions"),
    (unnamed_output, "Resize.* makes a tensor of"), (no_outputs, "0 outputs"),
    (defined_twice, "defined already"), (impossible_attribute, "make no sense"),
    (false_dimensions, "holds 1"), (negative_dimensions, "impossible dimensions"),
    (text_constant, "text tensors"), (slice_of_nothing, "MatMul"),
    (nothing_of_many_dimensions, "no node computes"), (number_for_a_text, "make no sense"),
    (second_input, "one input, frames"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "words"), GRAPHS, ids=lambda value: getattr(value, "__name__", ""))
def test_rejects_hostile_graph_before_any_engine_loads_it(
    tmp_path: Path, make: Callable[[], onnx.ModelProto], words: str
) -> None:
    path = write(tmp_path / "model.onnx", make())
    assert path.stat().st_size < 200_000
    with pytest.raises(InputError, match=words) as error:
        describe(path)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 400 + len(str(path))


def of_size(name: str, *shape: int) -> tuple[onnx.NodeProto, onnx.TensorProto]:
    """A tensor of that size, and the constant that it is made with."""
    return node("Expand", ["peak", f"{name}_shape"], [name]), constant(f"{name}_shape", shape)


def beside(operator: str, *inputs: tuple[int, ...] | None, **attributes: Any) -> onnx.ModelProto:
    """The tiny model with a call on tensors of these sizes; None for an input that is left out."""
    made = [of_size(f"in{index}", *shape) for index, shape in enumerate(inputs) if shape is not None]
    names = [f"in{index}" if shape is not None else "" for index, shape in enumerate(inputs)]
    called = node(operator, names, ["x"], **attributes)
    added = node("Add", ["own_depth", "nothing"], ["depth"])
    return with_nodes(
        [PEAK, *(one for one, _ in made), called, added], [*(one for _, one in made), SOME["zero_too"]]
    )


def size_of_values(*nodes: onnx.NodeProto, opset: int = 18, **constants: Any) -> onnx.ModelProto:
    """The tiny model with a tensor of as many elements as `count` says, times 2^30."""
    counted = [
        PEAK,
        *nodes,
        node("Mul", ["count", "many"], ["times"]),
        node("Expand", ["peak", "times"], ["x"]),
        node("Add", ["own_depth", "nothing"], ["depth"]),
    ]
    given = [
        value if isinstance(value, onnx.TensorProto) else constant(name, value)
        for name, value in constants.items()
    ]
    model = with_nodes(counted, [*given, constant("many", [2**30]), SOME["zero_too"]])
    model.opset_import[0].version = opset
    return model


LARGE = (200_000,)


AMBIGUOUS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "limits of Clip": (lambda: beside("Clip", (200_000, 1), (1, *LARGE)), "Clip"),
    "bias of Conv": (lambda: beside("Conv", (1, 3, 300, 300), (1, 3, 1, 1), LARGE), "Conv"),
    "bias of ConvTranspose": (lambda: beside("ConvTranspose", (1, 3, 300, 300), (3, 1, 1, 1), LARGE), "Conv"),
    "scale of a norm": (
        lambda: beside("InstanceNormalization", (1, 1, 300, 300), LARGE, LARGE),
        "InstanceNormalization",
    ),
    "weights of a norm": (lambda: beside("LayerNormalization", (200_000, 1), LARGE), "LayerNormalization"),
    "addend of Gemm": (lambda: beside("Gemm", (200_000, 1), (1, 1), LARGE), "Gemm"),
    "scale of quantization": (lambda: beside("QuantizeLinear", (200_000, 1), LARGE), "scale per block"),
    "buffer of ConvTranspose": (
        lambda: beside("ConvTranspose", (1, 1, 1000, 1000), (1, 1, 99, 99), pads=[99] * 4),
        "buffer of",
    ),
    "buffer of Conv": (lambda: beside("Conv", (1, 64, 300, 300), (1, 64, 15, 15)), "buffer of"),
    "kernel larger than the image": (
        lambda: beside("MaxPool", (1, 1, 4, 4), kernel_shape=[5, 5], strides=[2, 2]),
        "make no sense",
    ),
    "window outside the image": (
        lambda: beside("AveragePool", (1, 1, 4, 4), kernel_shape=[1, 1], strides=[3, 5], ceil_mode=1),
        "outside the image",
    ),
    "size by rounding": (
        lambda: size_of_values(
            node("Resize", ["in", "", "scale"], ["resized"]),
            node("Shape", ["resized"], ["count"]),
            node("Reshape", ["peak", "one"], ["in"]),
            one=[1],
            scale=constant("scale", [2.9999998], np.float32),
        ),
        "depends on rounding",
    ),
    "empty axes": (
        lambda: size_of_values(node("Squeeze", ["one", "no"], ["count"]), one=[1], no=np.zeros(0, np.int64)),
        "empty list of axes",
    ),
    "attribute of a newer version": (
        lambda: size_of_values(node("Shape", ["frames"], ["count"], start=9), opset=14),
        "its version .* lacks",
    ),
    "attribute of an older version": (
        lambda: size_of_values(node("Squeeze", ["one"], ["count"], axes=[0]), one=[[1]]),
        "another version",
    ),
    "exact division": (
        lambda: size_of_values(
            node("Div", ["large", "one"], ["same"]),
            node("Sub", ["same", "less"], ["count"]),
            large=[2**60 + 1],
            one=[1],
            less=[2**60],
        ),
        "makes a tensor of 1073741824",
    ),
    "division of negative numbers": (
        lambda: size_of_values(
            node("Div", ["less", "pair"], ["half"]),
            node("Mul", ["half", "less"], ["count"]),
            less=[-1],
            pair=[2],
        ),
        "not a function of the input's size",
    ),
    "number without an integer": (
        lambda: size_of_values(
            node("Cast", ["huge"], ["count"], to=INT64), huge=constant("huge", [1e30], np.float32)
        ),
        "not a function of the input's size",
    ),
    "rounded difference": (
        lambda: size_of_values(
            node("Range", ["low", "high", "step"], ["numbers"]),
            node("Shape", ["numbers"], ["count"]),
            low=constant("low", -1e-9, np.float32),
            high=constant("high", 1, np.float32),
            step=constant("step", 1, np.float32),
        ),
        "depends on rounding",
    ),
    "outputs for training": (
        lambda: size_of_values(
            node("Reshape", ["peak", "one"], ["in"]),
            node("Shape", ["mean"], ["count"]),
            node("LayerNormalization", ["in", "in"], ["same", "mean"]),
            one=[1],
        ),
        "lacks an input",
    ),
}


@pytest.mark.parametrize(("make", "words"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_rejects_calls_that_an_engine_may_read_as_larger_ones(
    tmp_path: Path, make: Callable[[], onnx.ModelProto], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        describe(write(tmp_path / "model.onnx", make()))


@pytest.mark.parametrize(
    "make", [endless_loop, huge_constant_of_shape, nested_branches, doubling_functions, huge_resize]
)
def test_hostile_model_ends_the_command_in_one_line(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], onnx.ModelProto],
) -> None:
    model = write(tmp_path / "model.onnx", make())
    image = write_picture(tmp_path / "a.png")
    result = infer(capfd, monkeypatch, image, "--model", model, "--device", "cpu", "--outdir", tmp_path / "out")
    assert result.status == 1
    assert len(result.err.splitlines()) == len(result.errors) == 1, result.err
    assert str(model) in result.err
    assert not (tmp_path / "out").exists()


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def second_graph(data: bytes) -> bytes:
    """Protobuf merges two graphs into one."""
    hidden = endless_loop().graph.SerializeToString()
    return data + b"\x3a" + varint(len(hidden)) + hidden


def long_tag(data: bytes) -> bytes:
    """Cut to 32 bits, as some protobuf libraries do, this tag is that of local functions."""
    return data + varint(2**32 + (25 << 3 | 2)) + b"\0"


def other_wire_type(data: bytes) -> bytes:
    """Protobuf passes over an operator's name of four plain bytes, and takes the one before it."""
    before = helper.make_node("Relu", ["rgb"], ["x"]).SerializeToString()
    model = with_nodes([node("Relu", ["rgb"], ["x"])])
    helper.set_model_props(model, manifest().to_metadata())
    hidden = before.replace(b"Relu", b"Loop") + b"\x25Relu"
    nodes = model.graph.SerializeToString().replace(
        b"\x0a" + varint(len(before)) + before, b"\x0a" + varint(len(hidden)) + hidden
    )
    model.graph.Clear()
    return model.SerializeToString().replace(b"\x3a\0", b"\x3a" + varint(len(nodes)) + nodes)


@pytest.mark.parametrize("change", [second_graph, long_tag, other_wire_type])
def test_rejects_bytes_that_engines_read_in_another_way(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = write(tmp_path / "model.onnx", graph())
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=r"expected an ONNX model|not loaded"):
        describe(path)


def nested(*tags: bytes, content: bytes) -> bytes:
    for tag in reversed(tags):
        content = tag + varint(len(content)) + content
    return content


PARTS = {
    "empty nodes": (b"\x0a\0" * 200_000, "fields"),
    "unknown fields": (b"\x12\0" * 200_000, "fields"),
    "long list": (nested(b"\x0a", b"\x2a", b"\x42", content=bytes(70_000)), "list of numbers"),
}


@pytest.mark.parametrize(("field", "words"), PARTS.values(), ids=PARTS)
def test_bounds_the_parts_of_a_file(tmp_path: Path, field: bytes, words: str) -> None:
    path = write(tmp_path / "model.onnx", graph())
    data = path.read_bytes()
    start = data.index(b"\x3a")
    path.write_bytes(data[:start] + b"\x3a" + varint(len(field)) + field + data[start:])
    with pytest.raises(InputError, match=words):
        describe(path)


def test_rejects_nested_messages_without_recursion(tmp_path: Path) -> None:
    data = b""
    for _ in range(2000):  # an attribute in a node in a graph in an attribute
        for tag in (b"\x32", b"\x0a", b"\x2a"):
            data = tag + varint(len(data)) + data
    path = write(tmp_path / "model.onnx", graph())
    given = b"\x3a" + varint(len(data)) + data
    path.write_bytes(path.read_bytes().replace(b"\x3a", b"\x7a", 1) + given)
    with pytest.raises(InputError, match=r"expected an ONNX model|not loaded"):
        describe(path)


@pytest.mark.parametrize("name", ["depdis-street", "depdis-street-int8"])
def test_computed_sizes_are_those_of_the_engine(name: str) -> None:
    """Every tensor of both bundled models, at a size and in a batch that they were not made for."""
    onnxruntime = pytest.importorskip("onnxruntime")
    path = BUNDLED_MODEL.with_name(f"{name}.onnx")
    model = onnx.load(path)
    given = [name for entry in model.graph.node for name in entry.output]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in given)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    frames = np.zeros((2, 96, 160, 3), np.uint8)
    shapes = SizeCheck(read_graph(path.read_bytes()), OPERATORS).shapes(frames.shape)
    for tensor, values in zip(given, session.run(given, {"frames": frames}), strict=True):
        assert shapes[tensor] == values.shape, tensor


def test_bundled_models_are_known_by_their_hash() -> None:
    files = BUNDLED_MODEL.parent.glob("*.onnx")
    assert {file_sha256(path) for path in files} == BUNDLED_SHA256, "update BUNDLED_SHA256 in model_file.py"


def with_output(
    name: str, dtype: int, *nodes: onnx.NodeProto, constants: Sequence[onnx.TensorProto] = ()
) -> Any:
    """The tiny model whose output `name` is made of its own by other nodes, and is of another type."""

    def make() -> onnx.ModelProto:
        model = graph()
        for given in model.graph.node:
            if given.output[0] == name:
                given.output[0] = f"own_{name}"
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(constants)
        (output,) = (entry for entry in model.graph.output if entry.name == name)
        output.type.tensor_type.elem_type = dtype
        output.type.tensor_type.ClearField("shape")
        return model

    return make


def lacking_output() -> onnx.ModelProto:
    model = graph()
    del model.graph.output[3]
    return model


def surplus_output() -> onnx.ModelProto:
    model = graph()
    model.graph.output.append(helper.make_tensor_value_info("cells", FLOAT, [None] * 4))
    return model


OUTPUTS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "dtype of labels": (
        with_output("labels", INT64, node("Cast", ["own_labels"], ["labels"], to=INT64)),
        "labels should be uint8",
    ),
    "dtype of depth": (
        with_output("depth", UINT8, node("Cast", ["own_depth"], ["depth"], to=UINT8)),
        "depth should be float32",
    ),
    "rank 4": (
        with_output("depth", FLOAT, node("Unsqueeze", ["own_depth", "channel1"], ["depth"])),
        "with 3 dimensions, and is float32 with 4",
    ),
    "rank 0": (
        with_output("depth", FLOAT, node("ReduceMax", ["own_depth"], ["depth"], keepdims=0)),
        "depth should be",
    ),
    "one too few": (lacking_output, "promises confidence"),
    "one too many": (surplus_output, "1 output not in the manifest"),
    "other batch": (
        with_output("depth", FLOAT, node("Concat", ["own_depth"] * 2, ["depth"], axis=0)),
        "should be float32 of 1 x",
    ),
    "no rows": (
        with_output(
            "depth", FLOAT, node("Slice", ["own_depth", "start", "start", "channel1"], ["depth"]),
            constants=[constant("start", [0])],
        ),
        "should be float32 of 1 x",
    ),
    "larger than the input": (
        with_output("depth", FLOAT, node("Concat", ["own_depth"] * 9, ["depth"], axis=1)),
        "at most 32 x 64",
    ),
    "label of no class": (
        with_output(
            "labels", UINT8, node("Add", ["ten_u8", "own_labels"], ["labels"]),
            constants=[constant("ten_u8", 10, np.uint8)],
        ),
        "labels has 10, and the manifest names 3 classes",
    ),
    "not a number": (
        with_output(
            "depth", FLOAT, node("Log", ["minus"], ["nan"]), node("Add", ["own_depth", "nan"], ["depth"]),
            constants=[SOME["minus"]],
        ),
        r"depth should be in 0 to 1e\+06, and has nan",
    ),
    "infinite": (
        with_output(
            "density", FLOAT, node("Reciprocal", ["zero"], ["inf"]),
            node("Add", ["own_density", "inf"], ["density"]), constants=[SOME["zero"]],
        ),
        "density should be in 0 to 1.05, and has inf",
    ),
    "negative": (
        with_output("depth", FLOAT, node("Neg", ["own_depth"], ["depth"])),
        "depth should be in",
    ),
}  # fmt: skip


OWN_FORMAT = ("dtype of labels", "rank 4", "one too few", "one too many")  # the others take the same path


@pytest.mark.parametrize(
    ("form", "kind"),
    [(form, kind) for form in FORMS for kind in OUTPUTS if form in ENGINES or kind in OWN_FORMAT],
)
def test_rejects_outputs_that_the_manifest_does_not_promise(tmp_path: Path, form: str, kind: str) -> None:
    make, words = OUTPUTS[kind]
    path = in_form(write(tmp_path / "model.onnx", make()), form)
    with pytest.raises(InputError, match=words) as error:
        Predictor(path, "cpu", threads=1, engine=engine_of(form))(np.zeros((32, 64, 3), np.uint8))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_wrong_outputs_end_the_command_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    pytest.importorskip(engine)
    model = write(tmp_path / "model.onnx", OUTPUTS["rank 4"][0]())
    monkeypatch.chdir(tmp_path)
    result = infer(
        capfd, monkeypatch, write_picture(tmp_path / "a.png"), "--model", model, "--engine", engine,
        "--device", "cpu", "--threads", 1, "--quiet",
    )  # fmt: skip
    assert result.status == 1
    assert len(result.err.splitlines()) == len(result.errors) == 1, result.err
    assert "output depth should be float32 with 3 dimensions" in result.err
    assert not (tmp_path / "runs").exists()


def beyond_width() -> list[onnx.NodeProto]:
    """`some`: how much wider than 64 the input is."""
    return [
        node("Shape", ["frames"], ["width"], start=2, end=3),
        node("Sub", ["width", "own"], ["more"]),
        node("Max", ["more", "none"], ["some"]),
    ]


def grows_with_width() -> onnx.ModelProto:
    """A tensor of (width - 64) * 2^25 elements: none at the model's own size."""
    nodes = [
        *beyond_width(),
        node("Mul", ["some", "many"], ["count"]),
        node("Squeeze", ["count"], ["to"]),
        node("Range", ["from", "to", "step"], ["numbers"]),
        node("ReduceSum", ["numbers"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["as_float"], to=FLOAT),
        node("Mul", ["as_float", "nothing"], ["small"]),
        node("Add", ["own_depth", "small"], ["depth"]),
    ]
    constants = [
        constant("own", [64]), constant("none", [0]), constant("many", [2**25]), constant("from", 0),
        constant("step", 1), SOME["zero_too"],
    ]  # fmt: skip
    return with_nodes(nodes, constants)


def slow_with_width() -> onnx.ModelProto:
    """A product of square matrices of (width - 64) * 500 + 1 rows."""
    nodes = [
        PEAK,
        *beyond_width(),
        node("Mul", ["some", "many"], ["less_one"]),
        node("Add", ["less_one", "step"], ["side"]),
        node("Concat", ["side", "side"], ["sides"], axis=0),
        node("Expand", ["peak", "sides"], ["square"]),
        node("MatMul", ["square", "square"], ["product"]),
        node("ReduceMax", ["product"], ["most"], keepdims=0),
        node("Mul", ["most", "nothing"], ["small"]),
        node("Add", ["own_depth", "small"], ["depth"]),
    ]
    constants = [constant(*given) for given in (("own", [64]), ("none", [0]), ("many", [500]), ("step", [1]))]
    return with_nodes(nodes, [*constants, SOME["zero_too"]])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("make", "words"),
    [(grows_with_width, "makes a tensor of 268435456"), (slow_with_width, "more memory or computation")],
)
def test_rejects_size_at_which_a_model_explodes(
    tmp_path: Path, form: str, make: Callable[[], onnx.ModelProto], words: str
) -> None:
    path = in_form(write(tmp_path / "model.onnx", make()), form)
    session = open_session(path, "cpu", 1, engine=engine_of(form))
    session.run(np.zeros((1, 32, 64, 3), np.uint8))
    with pytest.raises(InputError, match=rf"1x32x72x3.* {words}"):
        session.run(np.zeros((1, 32, 72, 3), np.uint8))
