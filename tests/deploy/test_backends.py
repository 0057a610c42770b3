from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tiny_model import graph, manifest, write_tiny_model

from depdis_deploy.backends import onnxruntime_backend, open_session
from depdis_deploy.backends.graph_checks.graph import NotOnnxError, RejectedGraphError
from depdis_deploy.backends.graph_checks.onnx_file import read_graph, read_metadata
from depdis_deploy.backends.onnxruntime_binding import BoundCalls
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.manifest import Manifest
from depdis_deploy.predictor import BUNDLED_MODEL


def described(model: onnx.ModelProto) -> onnx.ModelProto:
    helper.set_model_props(model, manifest().to_metadata())
    return model


def outside(tensor: onnx.TensorProto) -> onnx.TensorProto:
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    tensor.ClearField("raw_data")
    return tensor


def hidden_in_a_branch() -> onnx.ModelProto:
    """External data in a constant of an If's branch, where a look at the initializers alone misses it."""
    model = described(graph())
    value = outside(numpy_helper.from_array(np.zeros(4, np.float32), "value"))
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["out"], value=value)], "then", [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [4])],
    )  # fmt: skip
    model.graph.node.append(helper.make_node("If", ["condition"], ["x"], then_branch=inner, else_branch=inner))
    return model


def in_an_initializer() -> onnx.ModelProto:
    model = described(graph())
    model.graph.initializer.append(outside(numpy_helper.from_array(np.zeros(4, np.float32), "w")))
    return model


def in_a_function() -> onnx.ModelProto:
    model = described(graph())
    value = outside(numpy_helper.from_array(np.zeros(4, np.float32), "value"))
    model.functions.append(
        helper.make_function(
            "own",
            "f",
            [],
            ["out"],
            [helper.make_node("Constant", [], ["out"], value=value)],
            [helper.make_opsetid("", 18)],
        )
    )
    return model


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (hidden_in_a_branch, "'If' has a nested graph"), (in_an_initializer, "external data"),
        (in_a_function, "local functions"),
    ],
)  # fmt: skip
def test_external_data_is_refused_wherever_it_is(tmp_path: Path, make: Any, words: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(make().SerializeToString())
    with pytest.raises(InputError, match=words):
        open_session(path, "cpu")


def test_reader_decodes_metadata_and_graph_as_onnx_does(model: Path) -> None:
    metadata, graph = read_metadata(model.read_bytes()), read_graph(model.read_bytes())
    expected = onnx.load(model)
    assert metadata == {entry.key: entry.value for entry in expected.metadata_props}
    assert Manifest.from_metadata(metadata) == manifest()
    assert {node.version for node in graph.nodes} == {18}
    assert [value.name for value in (*graph.inputs, *graph.outputs)] == ["frames", *manifest().outputs]
    assert graph.inputs[0].shape == (None, None, None, 3)
    for node, given in zip(graph.nodes, expected.graph.node, strict=True):
        assert (node.operator, node.inputs, node.outputs) == (
            given.op_type, tuple(given.input), tuple(given.output)
        )  # fmt: skip
        assert node.attributes == {entry.name: helper.get_attribute_value(entry) for entry in given.attribute}
    for entry in expected.graph.initializer:
        np.testing.assert_array_equal(graph.initializers[entry.name].values, numpy_helper.to_array(entry))


def test_every_cut_of_a_model_is_no_model(model: Path) -> None:
    data = model.read_bytes()
    for end in range(0, len(data), max(1, len(data) // 97)):
        try:
            metadata = read_metadata(data[:end])
            read_graph(data[:end])
        except (NotOnnxError, RejectedGraphError):
            continue
        # a cut between two fields is a valid message: its metadata is short of what the manifest needs
        assert len(metadata) < len(manifest().to_metadata())


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("the pickle was executed",)


def foreign(kind: str) -> bytes:
    if kind == "empty":
        return b""
    if kind == "pickle":
        return pickle.dumps(Trap())
    if kind == "old pickle":
        return pickle.dumps({"weights": [1.0]}, protocol=0)
    if kind == "zip":
        return b"PK\x03\x04" + bytes(60)
    if kind == "text":
        return b"<!DOCTYPE html><html>404</html>"
    if kind == "noise":
        return np.random.default_rng(0).bytes(3000)
    assert kind == "other"
    return graph().SerializeToString()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty", "empty"), ("pickle", "pickle"), ("old pickle", "expected an ONNX"), ("zip", "depdis-export"),
        ("text", "expected an ONNX"), ("noise", "expected an ONNX"), ("other", "lacks depdis.format_version"),
    ],
)  # fmt: skip
def test_foreign_files_are_refused(tmp_path: Path, kind: str, words: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(foreign(kind))
    with pytest.raises(InputError, match=words):
        open_session(path)


def test_a_described_graph_that_cannot_run_is_refused(tmp_path: Path) -> None:
    model = described(graph())
    model.graph.node[1].op_type = "NoSuchOperator"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="NoSuchOperator"):
        open_session(path)


def test_wrong_paths_and_devices(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="no such model"):
        open_session(tmp_path / "none.onnx")
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(InputError, match="depdis-export"):
        open_session(tmp_path / "model.pt")
    with pytest.raises(InputError, match="folder"):
        open_session(tmp_path)
    with pytest.raises(UsageError, match="GPU's number"):
        open_session(model, "gpu")


def test_an_explicit_gpu_fails_with_its_cause(model: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        with pytest.raises(InputError, match="device 97"):
            open_session(model, "97")
    else:
        with pytest.raises(InputError, match=r"CPU build.*\.\[gpu\]"):
            open_session(model, "0")


@pytest.fixture
def cpu_session() -> Any:
    """A real session of a network with convolutions that says where each node runs."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime_backend.cpu_options(onnxruntime, 1)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return onnxruntime.InferenceSession(BUNDLED_MODEL, options, providers=["CPUExecutionProvider"])


def test_layers_left_to_the_cpu_are_no_gpu_run(cpu_session: Any) -> None:
    with pytest.raises(InputError, match=r"device 0: onnxruntime leaves \d\d layers .* to the CPU"):
        onnxruntime_backend.refuse_layers_on_cpu(cpu_session, BUNDLED_MODEL, "0")
    with pytest.warns(RuntimeWarning, match="to the CPU"):
        onnxruntime_backend.refuse_layers_on_cpu(cpu_session, BUNDLED_MODEL, "auto")


def test_a_graph_whose_shapes_alone_are_on_the_cpu_is_a_gpu_run(model: Path) -> None:
    import onnxruntime

    options = onnxruntime_backend.cpu_options(onnxruntime, 1)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    onnxruntime_backend.refuse_layers_on_cpu(session, model, "0")


def test_bound_calls_give_what_plain_calls_give(model: Path) -> None:
    """What runs on a GPU, on the CPU as the device: sizes, outputs and threads in turn."""
    import onnxruntime

    plain = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    bound = BoundCalls(onnxruntime, plain, "cpu", 0)
    random = np.random.default_rng(0)
    shapes = [(1, 16, width, 3) for width in (8, 16, 24, 32, 40, 48)] + [(2, 16, 24, 3)]
    # Each size twice in a row too: a call must not change what the one before gave.
    sizes = shapes * 2 + [shape for shape in shapes for _ in range(2)]
    given = [random.integers(0, 256, shape, dtype=np.uint8) for shape in sizes]

    def call(frames: NDArray[np.uint8]) -> list[NDArray[Any]]:
        return bound.run(frames, ["depth", "labels"])

    for found in (list(map(call, given)), list(ThreadPoolExecutor(3).map(call, given))):
        for frames, values in zip(given, found, strict=True):
            for value, true in zip(values, plain.run(["depth", "labels"], {"frames": frames}), strict=True):
                np.testing.assert_array_equal(value, true)


def test_both_wheels_are_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path) -> None:
    for name in ("onnxruntime", "onnxruntime_gpu"):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.warns(RuntimeWarning, match="pip uninstall -y onnxruntime onnxruntime-gpu"):
        open_session(model, "cpu")


def test_only_the_outputs_asked_for(model: Path) -> None:
    session = open_session(model, "cpu", threads=2)
    frames = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), dtype=np.uint8)
    whole = session.run(frames)
    assert tuple(whole) == session.output_names == ("labels", "depth", "density", "confidence")
    some = session.run(frames, ["depth"])
    assert list(some) == ["depth"]
    assert (some["depth"] == whole["depth"]).all()
    assert session.input_shape == (None, None, None, 3)


def test_spinning_and_threads_are_as_asked() -> None:
    import onnxruntime

    options = onnxruntime_backend.cpu_options(onnxruntime, 2)
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_static_model_says_its_size(tmp_path: Path) -> None:
    session = open_session(write_tiny_model(tmp_path / "s.onnx", kind="stretch", batch=2), "cpu")
    assert session.input_shape == (2, 32, 64, 3)


def test_an_engines_complaint_is_one_line_that_names_the_file(model: Path) -> None:
    session = open_session(model, "cpu")
    with pytest.raises(InputError, match=r"cannot run it on frames of 1x32x32x4"):
        session.run(np.zeros((1, 32, 32, 4), np.uint8))
