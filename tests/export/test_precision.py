"""Every precision and format: held to its gate, really present, the same pictures through Predictor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from depdis_deploy import Predictor
from depdis_deploy.backends import open_session
from depdis_deploy.backends.cpu import features
from depdis_deploy.backends.onnx_precision import precisions
from depdis_deploy.backends.openvino_backend import OpenVinoSession
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.manifest import Manifest
from depdis_deploy.predictor import BUNDLED_MODEL
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_7, CITYSCAPES_16, Taxonomy
from depdis_export import cli, exporting, lowering, precision, quantize, sensitivity, verify
from depdis_export.bounds import BOUNDS
from depdis_export.deployable import Deployable, output_names
from depdis_export.layers import between_layers, folded, layer_names
from depdis_export.streets import own_frames, street_frames, street_truth
from depdis_export.to_onnx import build
from depdis_training.checkpoint import read_checkpoint

# Trained weights: of random ones, the least rounding changes the labels.
TRAINED = BUNDLED_MODEL.with_suffix(".safetensors")
BATCH, WIDTH, HEIGHT = 2, 256, 128
SHAPE = f"{BATCH}x{WIDTH}x{HEIGHT}"


@pytest.fixture(scope="module")
def deployable() -> Deployable:
    checkpoint = read_checkpoint(TRAINED)
    assert checkpoint.manifest is not None
    manifest = exporting.resized(checkpoint.manifest, (WIDTH, HEIGHT), dynamic=False)
    manifest = replace(manifest, outputs=output_names(checkpoint.network))
    return Deployable(checkpoint.network, manifest, exporting.LABEL_STRIDE[checkpoint.network.backbone])


@pytest.fixture(scope="module")
def built(deployable: Deployable) -> onnx.ModelProto:
    checkpoint = read_checkpoint(TRAINED)
    assert checkpoint.manifest is not None
    manifest = exporting.resized(checkpoint.manifest, (WIDTH, HEIGHT), dynamic=False)
    return build(deployable, manifest, BATCH)


@pytest.fixture
def quick(built: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports take the graph that was built once."""

    def copy(*_: object) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(built)
        return model

    monkeypatch.setattr(exporting, "build", copy)


def wanted(name: str, **changes: Any) -> exporting.Precision:
    return exporting.Precision(name=name, pictures=4, street_pictures=4, **changes)


@pytest.fixture(scope="module")
def int8(built: onnx.ModelProto) -> lowering.Lowered:
    frames = list(street_frames(4, WIDTH, HEIGHT, purpose="calibration"))
    return lowering.lowered(built, "int8", "onnxruntime", BATCH, frames, [(WIDTH, HEIGHT)])


@pytest.fixture
def int8_ready(quick: None, int8: lowering.Lowered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "lowered", lambda *_: int8)


def expected(deployable: Deployable, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    with torch.no_grad():
        return np.asarray(deployable.full(torch.from_numpy(frames)).labels.numpy())


def read(path: Path) -> tuple[onnx.ModelProto, Manifest]:
    model = onnx.load(path)
    return model, Manifest.from_metadata({entry.key: entry.value for entry in model.metadata_props})


def held(path: Path, deployable: Deployable, kind: str, **how: str) -> None:
    """Predictor gives torch's labels within the precision's bound, on the pictures of the gate."""
    frames = street_frames(BATCH, WIDTH, HEIGHT)
    predictions = Predictor(path, "cpu", **how).predict(list(frames))  # type: ignore[arg-type]
    got = np.stack([prediction.labels for prediction in predictions])
    assert (got == expected(deployable, frames)).mean() >= BOUNDS[kind].labels_equal


class TestInt8:
    def test_search_keeps_the_bounds_and_says_what_it_kept(self, int8: lowering.Lowered) -> None:
        assert int8.found is not None
        assert int8.found.whole.score(BOUNDS["int8"]) <= 0.7
        assert int8.counts["int8"] > 2 * int8.counts["fp32"]
        assert int8.counts["fp32"] == len(int8.found.float_layers)
        kinds = precisions(int8.model)
        assert {node for node, kind in kinds.items() if kind == "fp32"} == int8.found.float_layers
        assert set(kinds.values()) <= {"int8 unsigned", "fp32"}
        assert "of bound" in int8.table

    @pytest.mark.usefixtures("int8_ready")
    def test_onnx_file_in_both_engines_and_in_the_command(
        self, deployable: Deployable, tmp_path: Path, infer_on: Callable[[Path], int]
    ) -> None:
        path = tmp_path / "int8.onnx"
        exporting.export(TRAINED, path, size=(WIDTH, HEIGHT), batch=BATCH, precision=wanted("int8"))
        model, said = read(path)
        assert said.precision == "int8"
        layers = said.parity["layers"]
        assert layers["in_onnxruntime_cpu"] == layers["in_graph"]
        assert said.parity["street"]["pictures"] == 4
        assert said.parity["engines"]["openvino"]["held"]
        assert said.parity["engines"]["openvino"]["layers"] == layers["in_graph"]
        assert "openvino bf16" in said.parity["engines"] or "bf16" not in features()
        assert len(model.SerializeToString()) < 0.7 * TRAINED.stat().st_size  # which is of fp16 weights
        held(path, deployable, "int8")
        held(path, deployable, "int8", engine="openvino")
        if "bf16" in features():
            held(path, deployable, "bf16", precision="bf16")
        session = open_session(path, "cpu", engine="openvino")
        assert isinstance(session, OpenVinoSession)
        assert session.layer_precisions((BATCH, HEIGHT, WIDTH, 3))["int8"] == layers["in_graph"]["int8"]
        assert infer_on(path) == 0

    @pytest.mark.usefixtures("int8_ready")
    def test_openvino_file(
        self, deployable: Deployable, tmp_path: Path, infer_on: Callable[[Path], int]
    ) -> None:
        path = tmp_path / "int8.xml"
        exporting.export(TRAINED, path, size=(WIDTH, HEIGHT), batch=BATCH, precision=wanted("int8"))
        assert sorted(file.name for file in tmp_path.iterdir()) == ["int8.bin", "int8.json", "int8.xml"]
        said = Manifest.from_json(path.with_suffix(".json").read_text())
        assert said.precision == "int8"
        assert said.parity["layers"]["in_openvino_cpu"] == said.parity["layers"]["in_graph"]
        model = openvino.Core().read_model(path)
        compiled = openvino.Core().compile_model(model, "CPU")
        for outputs in (model.outputs, compiled.outputs):
            assert [output.get_names() for output in outputs] == [{name} for name in said.outputs]
        info = {key: value.astype(str) for key, value in model.get_rt_info()["model_info"].items()}
        assert info["labels"].split()[5:7] == ["pole", "traffic_light"]
        assert (info["model_type"], info["resize_type"], info["layout"]) == (
            "Segmentation", "fit_to_window", "frames:NHWC",
        )  # fmt: skip
        # the graph subtracts its own mean from RGB images
        assert (info["mean_values"], info["scale_values"], info["reverse_input_channels"]) == (
            "0 0 0", "1 1 1", "False",
        )  # fmt: skip
        assert "metres" in info["output_depth"]
        held(path, deployable, "int8")
        assert infer_on(path) == 0

    def test_form_for_tensorrt_is_signed_symmetric_without_integer_biases(self, built: onnx.ModelProto) -> None:
        base = folded(built)
        frames = [street_frames(BATCH, WIDTH, HEIGHT, purpose="calibration")]
        model = quantize.to_int8(base, quantize.ranges(base, frames), "tensorrt")
        assert set(precisions(model).values()) == {"int8 signed"}
        constants = {entry.name: entry for entry in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "QuantizeLinear":
                assert not onnx.numpy_helper.to_array(constants[node.input[2]]).any()
            if node.op_type == "DequantizeLinear" and node.input[0] in constants:
                assert constants[node.input[0]].data_type == onnx.TensorProto.INT8
            if node.op_type == "Conv":
                assert constants[node.input[2]].data_type == onnx.TensorProto.FLOAT

    @pytest.mark.usefixtures("quick")
    def test_tensorrts_form_gives_the_same_here(
        self, deployable: Deployable, tmp_path: Path, infer_on: Callable[[Path], int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(exporting, "_other_engines", lambda _: [])
        monkeypatch.setattr(exporting, "street_references", lambda *_: [])
        path = tmp_path / "signed.onnx"
        form = wanted("int8", target="tensorrt")
        exporting.export(TRAINED, path, size=(WIDTH, HEIGHT), batch=BATCH, precision=form)
        held(path, deployable, "int8")
        assert infer_on(path) == 0

    def test_calibration_on_own_pictures_and_video(self, deployable: Deployable, tmp_path: Path) -> None:
        from PIL import Image

        from depdis_deploy.sources import BUNDLED_CLIP

        manifest = read_checkpoint(TRAINED).manifest
        assert manifest is not None
        Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "a.png")
        Image.fromarray(np.ones((60, 40, 3), np.uint8)).save(tmp_path / "b.png")
        assert len(list(own_frames(tmp_path, 8, manifest))) == 2
        video = list(own_frames(BUNDLED_CLIP, 3, manifest))
        assert len(video) == 3
        assert (video[0] != video[1]).any()


class TestOthers:
    @pytest.mark.usefixtures("quick")
    @pytest.mark.parametrize("suffix", [".onnx", ".xml"])
    def test_fp16(
        self, suffix: str, deployable: Deployable, tmp_path: Path, infer_on: Callable[[Path], int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(sensitivity, "_AIM", 1.0)  # a small picture is mostly edges; the search takes long
        path = tmp_path / f"fp16{suffix}"
        exporting.export(TRAINED, path, size=(WIDTH, HEIGHT), batch=BATCH, precision=wanted("fp16"))
        held(path, deployable, "fp16")
        assert infer_on(path) == 0
        if suffix == ".xml":
            return
        model, said = read(path)
        assert said.precision == "fp16"
        kinds = list(precisions(model).values())
        assert said.parity["layers"]["in_graph"]["fp16"] == kinds.count("fp16") > 0.8 * len(kinds)
        assert {entry.type.tensor_type.elem_type for entry in model.graph.output} == {
            onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT,
        }  # fmt: skip

    @pytest.mark.usefixtures("quick")
    @pytest.mark.parametrize("suffix", [".onnx", ".xml"])
    def test_fp32(
        self, suffix: str, deployable: Deployable, tmp_path: Path, infer_on: Callable[[Path], int]
    ) -> None:
        path = tmp_path / f"fp32{suffix}"
        exporting.export(TRAINED, path, size=(WIDTH, HEIGHT), batch=BATCH, precision=wanted("fp32"))
        held(path, deployable, "fp32")
        assert infer_on(path) == 0


def test_a_graph_of_free_sizes_in_int8_and_fp16(tmp_path: Path) -> None:
    """Its sums for the sizes are integers, of the same operators as what is quantised."""
    whole, _ = read(BUNDLED_MODEL)
    base = folded(whole)
    found = quantize.ranges(base, [street_frames(2, WIDTH, HEIGHT, purpose="calibration")])
    made = {"int8": quantize.to_int8(base, found, "onnxruntime"), "fp16": precision.to_fp16(base)}
    true = open_session(BUNDLED_MODEL, "cpu")
    for name, model in made.items():
        assert name in {kind.split()[0] for kind in precisions(model).values()}
        path = tmp_path / f"{name}.onnx"
        del model.metadata_props[:]
        model.metadata_props.extend(whole.metadata_props)
        path.write_bytes(model.SerializeToString())
        for engine in ("onnxruntime", "openvino"):
            session = open_session(path, "cpu", engine=engine)
            for shape in ((1, WIDTH, HEIGHT), (2, HEIGHT, WIDTH)):
                frames = street_frames(*shape)
                equal = session.run(frames)["labels"] == true.run(frames)["labels"]
                assert equal.mean() > 0.9


@pytest.fixture
def infer_on(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], int]:
    """`depdis-infer` on one picture; its exit status."""
    from PIL import Image

    from depdis_deploy.infer import run
    from depdis_deploy.job import Options

    folder = tmp_path_factory.mktemp("infer")
    Image.fromarray(street_frames(1, 200, 100)[0]).save(folder / "street.png")

    def call(model: Path) -> int:
        return run(
            Options(
                sources=(str(folder / "street.png"),), model=model, outdir=folder / model.stem, exist_ok=True
            )
        )

    return call


def initializer(model: onnx.ModelProto, name: str, change: Callable[[Any], Any]) -> None:
    (found,) = [entry for entry in model.graph.initializer if entry.name == name]
    values = np.ascontiguousarray(change(onnx.numpy_helper.to_array(found)), np.float32)
    found.CopyFrom(onnx.numpy_helper.from_array(values, name))


def wrong_mean(model: onnx.ModelProto) -> None:
    initializer(model, "mean", lambda values: values + 20.0)


def swapped_channels(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type == "Conv":
            (weight,) = [entry for entry in model.graph.initializer if entry.name == node.input[1]]
            values = np.ascontiguousarray(onnx.numpy_helper.to_array(weight)[:, ::-1])
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
            return


def second_picture_differs(model: onnx.ModelProto) -> None:
    """Depth of the second picture of a batch is 20 % off."""
    (last,) = [node for node in model.graph.node if "depth" in node.output]
    last.output[0] = "depth_before"
    factor = np.array([1.0, 1.2], np.float32).reshape(2, 1, 1)
    model.graph.initializer.append(onnx.numpy_helper.from_array(factor, "factor"))
    model.graph.node.append(onnx.helper.make_node("Mul", ["depth_before", "factor"], ["depth"]))


def coarse_layer(model: onnx.ModelProto) -> None:
    """The input of the first INT8 layer has 2 bits left of its 8."""
    takers = {name: node for node in model.graph.node for name in node.input}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            (dequantized,) = takers[node.output[0]].output
            if takers[dequantized].op_type == "Conv":
                initializer(model, node.input[1], lambda scale: scale * 64)
                return


class TestGate:
    @pytest.fixture(autouse=True)
    def without_miou(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Labels, depth and density see these breaches by themselves, and sooner."""
        monkeypatch.setattr(exporting, "street_references", lambda *_: [])

    @pytest.mark.usefixtures("quick")
    @pytest.mark.parametrize("destroy", [wrong_mean, swapped_channels, second_picture_differs])
    @pytest.mark.parametrize("name", ["fp32", "fp16", "int8"])
    def test_a_wrong_graph_exits_1_and_leaves_no_file(
        self, name: str, destroy: Callable[[onnx.ModelProto], None], built: onnx.ModelProto,
        int8: lowering.Lowered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        broken = onnx.ModelProto()
        broken.CopyFrom(int8.model if name == "int8" and destroy is second_picture_differs else built)
        destroy(broken)
        result = lowering.Lowered(broken, name, {name: 1}, int8.found)
        monkeypatch.setattr(exporting, "lowered", lambda *_: result)
        self.refused(name, tmp_path, verify.ParityError)

    @pytest.mark.usefixtures("quick")
    def test_a_layer_in_too_low_a_precision(
        self, int8: lowering.Lowered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = onnx.ModelProto()
        broken.CopyFrom(int8.model)
        coarse_layer(broken)
        monkeypatch.setattr(exporting, "lowered", lambda *_: replace(int8, model=broken))
        assert "float" in self.refused("int8", tmp_path, verify.ParityError)

    @pytest.mark.usefixtures("quick")
    def test_a_graph_that_stayed_fp32(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(precision, "to_fp16", lambda base, *_: base)
        assert "is fp32, not fp16" in self.refused("fp16", tmp_path, precision.PrecisionError)

    def test_an_engine_that_runs_fewer_layers_in_int8(
        self, int8: lowering.Lowered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lowering, "precisions_in_onnxruntime", lambda _: {"int8": 1, "fp32": 60})
        with pytest.raises(precision.PrecisionError, match="onnxruntime runs 1"):
            lowering.in_engine(tmp_path / "model.onnx", int8, "onnxruntime")

    @pytest.mark.usefixtures("quick")
    def test_few_int8_layers_give_a_warning_with_counts_and_each_step_is_logged(self, tmp_path: Path) -> None:
        words = [
            "--imgsz",
            SHAPE,
            "--precision",
            "int8",
            "--calibration-pictures",
            "2",
            "--keep-float",
            "encoder",
        ]
        done = CliRunner().invoke(cli.app, [str(TRAINED), "-o", str(tmp_path / "model.onnx"), *words])
        assert done.exit_code == 0, done.output
        counts = read(tmp_path / "model.onnx")[1].parity["layers"]["in_graph"]
        assert 0 < counts["int8"] < counts["fp32"]
        shown = f"{counts['int8']} int8, {counts['fp32']} fp32"
        assert f"int8 ({shown} convolutions)" in done.stdout
        assert f"convolutions in the graph: {shown}" in done.stderr
        assert f"convolutions as openvino computes them: {shown}" in done.stderr
        assert f"warning: only {counts['int8']} of {sum(counts.values())} convolutions (" in done.stderr
        for step in (
            "reading ", "building the ONNX graph", "calibration: 1/1", "sensitivity analysis: ", "writing ",
            "reference outputs in torch: 1/1", "parity check in onnxruntime: 1/1",
        ):  # fmt: skip
            assert f"\n{step}" in f"\n{done.stderr}", step

    @staticmethod
    def refused(name: str, folder: Path, error: type[Exception]) -> str:
        words = [str(TRAINED), "-o", str(folder / "model.onnx"), "--imgsz", SHAPE, "--precision", name]
        done = CliRunner().invoke(
            cli.app, [*words, *(["--calibration-pictures", "2"] if name == "int8" else [])]
        )
        assert done.exit_code == 1
        assert isinstance(done.exception, error), done.exception
        assert list(folder.iterdir()) == []
        return str(done.exception)

    @pytest.mark.usefixtures("quick")
    def test_a_class_that_is_never_found(
        self, built: onnx.ModelProto, int8: lowering.Lowered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bicycles are too few pixels for the share of equal labels to tell, but a sixteenth of mIoU."""
        monkeypatch.setattr(exporting, "street_references", verify.street_references)
        monkeypatch.setattr(exporting, "Precision", partial(exporting.Precision, street_pictures=4))
        broken = onnx.ModelProto()
        broken.CopyFrom(built)
        unseen = np.where(np.array(CITYSCAPES_16.names) == "bicycle", -1000.0, 0.0)
        initializer(broken, "network.decoder.segmentation.bias", lambda values: values + unseen)
        result = lowering.Lowered(broken, "int8", {"int8": 1}, int8.found)
        monkeypatch.setattr(exporting, "lowered", lambda *_: result)
        said = self.refused("int8", tmp_path, verify.ParityError)
        assert "points of mIoU lost on 4 street pictures" in said
        assert "labels equal" not in said

    def test_lost_miou_is_a_breach_and_nan_too(self) -> None:
        score = verify.StreetScore(bounds="int8", pictures=16, labels_equal=0.985, miou_fp32=60.0, miou=58.9)
        assert "1.10 points" in score.breaches()[0]
        fewer = verify.StreetScore(bounds="int8", pictures=16, labels_equal=0.975)
        assert "97.50%" in fewer.breaches()[0]
        assert not replace(score, miou=59.1).breaches()
        assert replace(score, miou=float("nan")).breaches()
        nan = sensitivity.Harm(labels_changed=0.0, inverse_depth=float("nan"), density=None)
        assert nan.score(BOUNDS["int8"]) == float("inf")


def test_maps_that_are_joined_stay_apart() -> None:
    """A concatenation that goes to an output is no INT8 operation; one between convolutions is."""
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["a"], name="a"),
        node("Conv", ["x", "w"], ["b"], name="b"),
        node("Concat", ["a", "b"], ["between"], name="between", axis=1),
        node("Conv", ["between", "w"], ["c"], name="c"),
        node("Conv", ["between", "w"], ["d"], name="d"),
        node("Concat", ["c", "d"], ["joined"], name="joined", axis=1),
        node("Softmax", ["joined"], ["soft"], name="soft"),
        node("Conv", ["soft", "w"], ["e"], name="e"),
    ]
    weights = [onnx.numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), "w")]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], weights))
    assert between_layers(model, {"a", "b", "c", "d", "e"}, {"Concat"}) == {"between"}
    assert between_layers(model, {"a", "c", "d", "e"}, {"Concat"}) == set()


def test_what_an_older_converter_makes_twice_is_made_once(built: onnx.ModelProto) -> None:
    model = precision.to_fp16(folded(built))
    twice = onnx.ModelProto()
    twice.CopyFrom(model)
    twice.graph.node.append(next(node for node in model.graph.node if node.op_type == "Cast"))
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(twice)
    precision.drop_repeated(twice.graph)
    assert twice == model


@pytest.mark.parametrize(("harmful", "spread"), [(0, 1), (1, 1), (2, 1), (9, 1), (13, 1), (7, 7), (60, 7)])
def test_the_search_gives_back_no_more_than_it_has_to(
    harmful: int, spread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With layers of known harm, in pixels of 10,000: 100 of each harmful one, 1 of each other. spread: how far
    apart they lie; where more groups have them than are taken apart, whole groups go."""
    names = {f"node{number}": f"layer{number}" for number in range(61)}
    harm = dict.fromkeys(names, 1) | {f"node{(spread * number) % 61}": 100 for number in range(harmful)}
    measured = []

    def outputs(float_nodes: set[str] | None, frames: object) -> list[dict[str, np.ndarray]]:
        labels = np.zeros(10_000, np.uint8)
        if float_nodes is not None:
            measured.append(float_nodes)
            labels[: sum(harm[node] for node in names if node not in float_nodes)] = 1
        return [{"labels": labels}]

    monkeypatch.setattr(sensitivity, "_outputs", outputs)
    search: Any = sensitivity.search  # its graphs are the sets of their layers in float here
    found = search(None, lambda nodes: nodes, names, [], BOUNDS["int8"])
    assert found.whole.labels_changed <= 0.014
    assert outputs(found.float_layers, [])[0]["labels"].mean() == found.whole.labels_changed
    assert len(measured) < 27 + 40 + 2 * 7
    if harmful < 60:
        least = next(kept for kept in range(62) if 100 * (harmful - kept) + 61 - harmful <= 140)
        assert len(found.float_layers) == least
        assert all(harm[node] == 100 for node in found.float_layers)


def test_named_layers_are_kept(built: onnx.ModelProto) -> None:
    base = folded(built)
    names = layer_names(base)
    some = next(iter(names.values()))
    frames = list(street_frames(BATCH, WIDTH, HEIGHT, purpose="calibration"))
    forced = lowering.matching(names, [some])
    model = quantize.to_int8(base, quantize.ranges(base, [np.stack(frames)]), "onnxruntime", forced)
    assert {node for node, kind in precisions(model).items() if kind == "fp32"} == forced
    with pytest.raises(ValueError, match="no layer is named 'nothing'"):
        lowering.matching(names, ["nothing"])


def test_street_truth_is_in_the_models_classes() -> None:
    for taxonomy in (CITYSCAPES_16, CITYSCAPES_7, CAMVID_11):
        truth = street_truth(1, 64, 32, taxonomy)
        assert truth is not None
        assert truth.shape == (1, 32, 64)
        assert truth[truth != 255].max() < len(taxonomy)
    assert street_truth(1, 64, 32, Taxonomy(("a",), ((0, 0, 0),))) is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--precision", "int4"], "--precision takes"),
        (["--precision", "fp16", "--half-weights"], "--half-weights"),
        (["--calibrate", "x"], "--calibrate is for"),
        (["--for", "tensorflow"], "--for takes"),
        (["-o", "m.xml", "--for", "tensorrt", "--precision", "int8"], "needs an .onnx"),
        (["-o", "m.engine"], "or in .engine with --trt"),
        (["--trt", "--for", "onnxruntime"], "--for onnxruntime and --trt exclude each other"),
        (["--calibration-pictures", "4"], "--calibration-pictures is for"),
        (["--keep-float", "stem"], "--keep-float is for"),
        (["--imgsz", "2x64x64", "--batch", "3"], "differ"),
        (["--imgsz", "64"], "--imgsz takes"),
        (["--min", "64x64"], "are for --trt"),
    ],
)
def test_wrong_words(words: list[str], says: str) -> None:
    done = CliRunner().invoke(cli.app, [str(TRAINED), *words])
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)


def test_what_is_not_there_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    for words in (
        (tmp_path / "none.pt",), (tmp_path,), (TRAINED, "-o", tmp_path / "none" / "m.onnx"),
        (TRAINED, "-o", tmp_path / "m.onnx", "--precision", "int8", "--calibrate", tmp_path / "none"),
    ):  # fmt: skip
        done = CliRunner().invoke(cli.app, [str(word) for word in words])
        assert isinstance(done.exception, InputError)
        assert done.stderr == ""
    (tmp_path / "m.onnx").mkdir()
    words = [str(TRAINED), "-o", str(tmp_path / "m.onnx"), "--exist-ok"]
    assert "is a folder" in str(CliRunner().invoke(cli.app, words).exception)
