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
from onnx import TensorProto, helper, numpy_helper
from tiny_model import graph, manifest

from depdis_deploy import Predictor
from depdis_deploy.backends import describe, open_session
from depdis_deploy.backends.model_file import BUNDLED_SHA256
from depdis_deploy.backends.onnx_file import read_graph
from depdis_deploy.backends.onnx_sizes import SizeCheck
from depdis_deploy.backends.trial import vouch
from depdis_deploy.command import InputError
from depdis_deploy.files import file_sha256
from depdis_deploy.predictor import BUNDLED_MODEL

node = helper.make_node
INT64, FLOAT, UINT8 = TensorProto.INT64, TensorProto.FLOAT, TensorProto.UINT8


def constant(name: str, values: Any, dtype: Any = np.int64) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype), name)


def write(path: Path, model: onnx.ModelProto, **described: Any) -> Path:
    helper.set_model_props(model, manifest(**described).to_metadata())
    path.write_bytes(model.SerializeToString())
    return path


def with_nodes(nodes: Sequence[onnx.NodeProto], constants: Sequence[onnx.TensorProto] = ()) -> onnx.ModelProto:
    """The tiny model with more nodes; those named `depth` take the place of its own."""
    model = graph()
    if any("depth" in added.output for added in nodes):
        for given in model.graph.node:
            if given.output[0] == "depth":
                given.output[0] = "own_depth"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    return model


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
    (text_constant, "text tensors"), (second_input, "one input, frames"),
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
    shapes = SizeCheck(read_graph(path.read_bytes())).shapes(frames.shape)
    for tensor, values in zip(given, session.run(given, {"frames": frames}), strict=True):
        assert shapes[tensor] == values.shape, tensor


def test_bundled_models_are_known_by_their_hash() -> None:
    files = BUNDLED_MODEL.parent.glob("*.onnx")
    assert {file_sha256(path) for path in files} == BUNDLED_SHA256, "update BUNDLED_SHA256 in model_file.py"


ENGINES = ("onnxruntime", "openvino")


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


SOME = {"zero": constant("zero", 0, np.float32), "minus": constant("minus", -1, np.float32)}

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


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("make", "words"), OUTPUTS.values(), ids=OUTPUTS)
def test_rejects_outputs_that_the_manifest_does_not_promise(
    tmp_path: Path, engine: str, make: Callable[[], onnx.ModelProto], words: str
) -> None:
    pytest.importorskip(engine)
    path = write(tmp_path / "model.onnx", make())
    vouch(path)  # the checks of this process, not those of the trial
    with pytest.raises(InputError, match=words) as error:
        Predictor(path, "cpu", threads=1, engine=engine)(np.zeros((32, 64, 3), np.uint8))
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


def grows_with_width() -> onnx.ModelProto:
    """A tensor of (width - 64) * 2^25 elements: none at the model's own size."""
    nodes = [
        node("Shape", ["frames"], ["width"], start=2, end=3),
        node("Sub", ["width", "own"], ["more"]),
        node("Max", ["more", "zero"], ["some"]),
        node("Mul", ["some", "many"], ["count"]),
        node("Squeeze", ["count"], ["to"]),
        node("Range", ["from", "to", "step"], ["numbers"]),
        node("ReduceSum", ["numbers"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["as_float"], to=FLOAT),
        node("Mul", ["as_float", "nothing"], ["small"]),
        node("Add", ["own_depth", "small"], ["depth"]),
    ]
    constants = [
        constant("own", [64]), constant("zero", [0]), constant("many", [2**25]), constant("from", 0),
        constant("step", 1), constant("nothing", 0, np.float32),
    ]  # fmt: skip
    return with_nodes(nodes, constants)


@pytest.mark.parametrize("form", ["onnxruntime", "openvino", "openvino's own format"])
def test_rejects_size_at_which_a_model_explodes(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "model.onnx", grows_with_width())
    if form == "openvino's own format":
        path = as_openvino(path)
    vouch(path)
    session = open_session(path, "cpu", 1, engine="auto" if path.suffix == ".xml" else form)
    session.run(np.zeros((1, 32, 64, 3), np.uint8))
    with pytest.raises(InputError, match=r"1x32x72x3.* makes a tensor of 268435456"):
        session.run(np.zeros((1, 32, 72, 3), np.uint8))


def as_openvino(path: Path) -> Path:
    """The model of an ONNX file in OpenVINO's own format, with its manifest."""
    openvino = pytest.importorskip("openvino")
    own = path.with_suffix(".xml")
    openvino.save_model(openvino.Core().read_model(path), own, compress_to_fp16=False)
    own.with_suffix(".json").write_text(describe(path).to_json())
    return own


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


SECOND_INPUT = (
    '<layer id="99" name="x" type="Parameter" version="opset1"><data shape="1" element_type="u8"/></layer>'
)
XML: list[tuple[str, str, str, str]] = [
    ("loop", 'type="ArgMax"', 'type="Loop"', "'Loop'"),
    ("extension", 'version="opset1"', 'version="extension"', "of 'extension'"),
    ("entities", "<net ", "<!DOCTYPE net [<!ENTITY a 'aaaa'>]><net ", "document type"),
    ("nested", "<layers>", "<layers>" + "<a>" * 50_000, "nested more than"),
    ("body", "<data ", "<body/><data ", "nested graph"),
    ("outside", 'offset="0"', 'offset="10000000000"', "does not match the weights"),
    ("negative", 'offset="0"', 'offset="-4"', "does not match the weights"),
    ("cut off", "</net>", "", "malformed"),
    ("two inputs", "</layers>", f"{SECOND_INPUT}</layers>", "one input"),
    ("digits", 'offset="0"', f'offset="{"9" * 5000}"', "make no sense"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), [row[1:] for row in XML], ids=[row[0] for row in XML])
def test_rejects_hostile_openvino_xml(model: Path, tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model.read_bytes())
    path = as_openvino(path)
    edit(path, 'type="TopK"' if old == 'type="ArgMax"' else old, new)
    with pytest.raises(InputError, match=words) as error:
        describe(path)
    assert len(str(error.value)) < 400 + len(str(path))


def test_rejects_openvino_model_without_tensor_names(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model.read_bytes())
    path = as_openvino(path)
    for name in ("depth", "confidence"):
        edit(path, f' output_names="{name}"', "")
        edit(path, f' names="{name}"', "")
    vouch(path)
    with pytest.raises(InputError, match="has no tensor name") as error:
        open_session(path)
    assert len(str(error.value).splitlines()) == 1
