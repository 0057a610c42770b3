"""Checkpoints of both networks become verified, self-describing files; a breach leaves none."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from depdis_deploy import Predictor
from depdis_deploy.command import UsageError
from depdis_deploy.files import file_sha256
from depdis_deploy.manifest import Manifest
from depdis_deploy.sizes import parse_size
from depdis_deploy.taxonomy import CITYSCAPES_7
from depdis_export import cli, exporting, verify
from depdis_export.bounds import BOUNDS
from depdis_export.deployable import Deployable
from depdis_export.streets import street_frames
from depdis_export.to_onnx import build
from depdis_training.branches import Network
from depdis_training.checkpoint import round_to_half, write_released, write_weights
from depdis_training.models import exported_model, torch_models
from depdis_training.network import build_network


@pytest.fixture(scope="module")
def dynamic_file(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dynamic") / "model.onnx"
    few = exporting.Precision(street_pictures=2)  # for bf16's mIoU, which decides nothing here
    exporting.export(checkpoint, path, size=(128, 64), dynamic=True, batch=2, half_weights=True, precision=few)
    return path


@pytest.fixture(scope="module")
def static_model(network: Network, manifest: Manifest) -> onnx.ModelProto:
    small = exporting.resized(manifest, (128, 64), dynamic=False)
    return build(Deployable(network, small, 2), small, 1)


def test_the_deployed_form_of_a_checkpoint_is_what_its_export_gives(
    dynamic_file: Path, checkpoint: Path, network: Network
) -> None:
    rounded = copy.deepcopy(network)
    round_to_half(rounded)
    model, manifest = exported_model(dynamic_file)
    _, deployed = torch_models(rounded, manifest)
    for frame in street_frames(2, 200, 90):  # neither the input's size nor its shape
        found, expected = model(frame), deployed(frame)
        assert found.labels.shape == (90, 200)
        assert (found.labels == expected.labels).mean() > 0.999
        assert np.percentile(np.abs(found.depth_m / expected.depth_m - 1), 99) < 2e-3
        np.testing.assert_allclose(found.density, expected.density, atol=2e-3)
        np.testing.assert_allclose(found.confidence, expected.confidence, atol=2e-3)


def test_the_wheel_for_gpus_is_noted_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "onnxruntime_gpu-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.0\n")
    assert "onnxruntime-gpu" not in exporting.made_with(tmp_path / "model.onnx")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert exporting.made_with(tmp_path / "model.onnx")["onnxruntime-gpu"] == "1.0"


def test_file_describes_itself(dynamic_file: Path, checkpoint: Path, manifest: Manifest) -> None:
    model = onnx.load(dynamic_file)
    onnx.checker.check_model(model)
    said = Manifest.from_metadata({entry.key: entry.value for entry in model.metadata_props})
    assert said.taxonomy == manifest.taxonomy
    assert said.dynamic
    assert said.resize == replace(manifest.resize, width=128, height=64)
    assert said.outputs == ("labels", "depth", "density", "confidence")
    assert said.source_sha256 == file_sha256(checkpoint)
    assert said.versions["torch"] == torch.__version__
    assert {(row["batch"], row["width"], row["height"]) for row in said.parity["shapes"]} == {
        (batch, *side) for batch in (1, 2) for side in ((128, 64), (64, 128), (64, 32))
    } | {(2, 96, 96)}  # fmt: skip
    frames = model.graph.input[0]
    assert frames.name == "frames"
    assert frames.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_param or d.dim_value for d in frames.type.tensor_type.shape.dim] == [
        "batch", "height", "width", 3,
    ]  # fmt: skip
    assert frames.doc_string.startswith("RGB images, uint8, (N, H, W, 3)")
    texts = {output.name: output.doc_string for output in model.graph.output}
    for name, *words in (
        ("labels", "uint8, (N, H, W)", "pixel by pixel", "6 traffic light"),
        ("depth", "metres, float32, (N, h, w)", "focal length of 160 pixels", "align_corners"),
        ("density", "unitless, float32, (N, h, w), 0 to 1", "align_corners"),
        ("confidence", "unitless, float32", "align_corners"),
    ):
        assert all(word in texts[name] for word in words), texts[name]
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert str(Path(__file__).parents[2]).encode() not in dynamic_file.read_bytes()


def test_weights_stored_as_half_are_half_the_file(dynamic_file: Path, static_model: onnx.ModelProto) -> None:
    assert dynamic_file.stat().st_size < 0.56 * static_model.ByteSize()


def test_onnx_and_safetensors_hold_the_same_weights(
    dynamic_file: Path, network: Network, manifest: Manifest, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    write_weights(tmp_path / "weights.safetensors", network, manifest)
    theirs = load_file(tmp_path / "weights.safetensors")
    compared = 0
    for initializer in onnx.load(dynamic_file).graph.initializer:
        name = initializer.name.removeprefix("network.").removesuffix(".half")
        if name in theirs:
            values = onnx.numpy_helper.to_array(initializer)
            np.testing.assert_array_equal(values.astype(np.float32), theirs[name].astype(np.float32))
            compared += 1
    assert compared > 100


def test_predictor_gives_what_torch_gives(dynamic_file: Path, network: Network, manifest: Manifest) -> None:
    import copy

    from depdis_training.checkpoint import round_to_half

    rounded = copy.deepcopy(network)
    round_to_half(rounded)
    frame = street_frames(1, 128, 64)
    prediction = Predictor(dynamic_file, "cpu")(frame[0])
    with torch.no_grad():
        expected = Deployable(rounded, manifest, 2).full(torch.from_numpy(frame))
    assert (prediction.labels == expected.labels[0].numpy()).mean() > 0.999
    assert prediction.depth is not None
    assert expected.depth is not None
    # the same map, up-sampled: cell centres of an even grid keep their mean
    assert float(prediction.depth.mean()) == pytest.approx(float(expected.depth.mean()), rel=0.02)


@pytest.mark.long
def test_released_layout_goes_to_onnx_and_runs(tmp_path: Path) -> None:
    torch.manual_seed(16)
    released = tmp_path / "Syn_City (M4).pth"
    write_released(released, build_network(16, "resnet101"))
    manifest, (own, *_), _ = exporting.export(released, tmp_path / "out.onnx", size=(128, 64))
    assert manifest.resize.kind == "stretch"
    assert manifest.resize.interpolation == "bicubic"
    assert len(manifest.taxonomy) == 16
    assert manifest.density is not None
    assert own.shapes[0].labels_equal >= BOUNDS["fp32"].labels_equal
    prediction = Predictor(tmp_path / "out.onnx")(street_frames(1, 200, 120)[0])
    assert prediction.labels.shape == (120, 200)
    assert prediction.labels.max() < 16


class TestReleasedManifest:
    def test_seven_classes_need_their_size(self) -> None:
        with pytest.raises(UsageError, match="imgsz"):
            exporting.released_manifest(7, None)

    def test_full_and_small_seven_classes_have_their_own_mixtures(self) -> None:
        full = exporting.released_manifest(7, exporting.PAPER_SIZE)
        small = exporting.released_manifest(7, exporting.SMALL_SIZE)
        assert full.taxonomy == small.taxonomy == CITYSCAPES_7
        assert full.density != small.density

    def test_sixteen_classes_are_the_papers_size(self) -> None:
        assert exporting.released_manifest(16, None).resize.width == 1280


def test_network_without_a_branch_exports_without_it(manifest: Manifest, tmp_path: Path) -> None:
    from depdis_training.checkpoint import write_checkpoint

    network = build_network(16, "efficientnet_lite0", branches=("depth",)).eval()
    path = tmp_path / "m1.pt"
    write_checkpoint(path, network, manifest, config={}, step=1, state={})
    said, (own, *_), _ = exporting.export(path, tmp_path / "m1.onnx", size=(64, 64))
    assert said.outputs == ("labels", "depth", "confidence")
    assert said.density is None
    assert own.shapes[0].density is None
    assert Predictor(tmp_path / "m1.onnx")(np.zeros((64, 64, 3), np.uint8)).density is None


class TestGate:
    """A file that does not give what the network gives is not kept."""

    @pytest.mark.parametrize(
        ("initializer", "change"),
        [
            ("mean", lambda values: values + 12.0),
            ("mean", lambda values: values[:, ::-1]),
            ("network.decoder.segmentation.bias", lambda values: values + np.arange(values.size) * 0.05),
            ("network.decoder.segmentation.bias", lambda values: values * np.nan),
        ],
        ids=["mean", "channels", "weights", "nan"],
    )
    def test_breach_exits_1_and_leaves_no_file(
        self, initializer: str, change: Callable[[Any], Any], checkpoint: Path, static_model: onnx.ModelProto,
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        broken = onnx.ModelProto()
        broken.CopyFrom(static_model)
        (found,) = [entry for entry in broken.graph.initializer if entry.name == initializer]
        values = np.ascontiguousarray(change(onnx.numpy_helper.to_array(found)), np.float32)
        found.CopyFrom(onnx.numpy_helper.from_array(values, initializer))
        monkeypatch.setattr(exporting, "build", lambda *_: broken)
        output = tmp_path / "model.onnx"
        done = CliRunner().invoke(cli.app, [str(checkpoint), "-o", str(output), "--imgsz", "128x64"])
        assert done.exit_code == 1
        assert isinstance(done.exception, verify.ParityError)
        assert list(tmp_path.iterdir()) == []

    def test_a_batch_that_differs_is_found_at_its_corner(
        self, dynamic_file: Path, network: Network, manifest: Manifest, tmp_path: Path
    ) -> None:
        """Depth is a fifth off for each picture more than one."""
        import copy

        from depdis_training.checkpoint import round_to_half

        model = onnx.load(dynamic_file)
        (last,) = [node for node in model.graph.node if "depth" in node.output]
        last.output[0] = "true_depth"
        node, number = onnx.helper.make_node, onnx.numpy_helper.from_array
        model.graph.initializer.extend([
            number(np.array(0, np.int64), "zeroth"), number(np.float32(0.2), "fifth"),
            number(np.float32(0.8), "rest"),
        ])  # fmt: skip
        model.graph.node.extend([
            node("Shape", ["frames"], ["sides"]), node("Gather", ["sides", "zeroth"], ["count"]),
            node("Cast", ["count"], ["pictures"], to=onnx.TensorProto.FLOAT),
            node("Mul", ["pictures", "fifth"], ["more"]), node("Add", ["more", "rest"], ["factor"]),
            node("Mul", ["true_depth", "factor"], ["depth"]),
        ])  # fmt: skip
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        rounded = copy.deepcopy(network)
        round_to_half(rounded)
        said = exporting.resized(manifest, (128, 64), dynamic=True)
        said = replace(said, outputs=("labels", "depth", "density", "confidence"))
        shapes = [corner for corner in exporting.shapes_to_verify(said, 2) if corner[1:] == (128, 64)]
        found = verify.verify(path, said, verify.references(Deployable(rounded, said, 2), shapes))
        assert [row.batch for row in found.shapes if row.breaches()] == [2]
        with pytest.raises(verify.ParityError, match=r"2x128x64: relative inverse depth off by 0\.1"):
            verify.check(found)

    def test_wrong_shape_is_a_breach(
        self, static_model: onnx.ModelProto, network: Network, manifest: Manifest, tmp_path: Path
    ) -> None:
        small = exporting.resized(manifest, (128, 64), dynamic=False)
        exporting.describe(static_model, small)
        path = tmp_path / "model.onnx"
        path.write_bytes(static_model.SerializeToString())
        with pytest.raises(verify.ParityError, match="confidence"):
            verify.verify(path, small, verify.references(Deployable(network, small, 1), [(1, 128, 64)]))

    def test_nan_is_a_breach(self) -> None:
        row = verify.Parity(
            batch=1,
            width=1,
            height=1,
            labels_equal=1.0,
            inverse_depth=float("nan"),
            density=None,
            confidence=0.0,
        )
        assert row.breaches()


class TestCommand:
    def test_writes_and_says_what(self, checkpoint: Path, tmp_path: Path) -> None:
        output = tmp_path / "model.onnx"
        repository = tmp_path / "repository"
        arguments = [str(checkpoint), "-o", str(output), "--imgsz", "2x64x64", "--triton", str(repository)]
        done = CliRunner().invoke(cli.app, arguments)
        assert done.exit_code == 0, done.output
        assert str(output) in done.stdout
        assert "labels equal" in done.stderr
        assert "dims: [2, 64, 64, 3]" in (repository / "model" / "config.pbtxt").read_text()
        shapes = json.loads(
            {e.key: e.value for e in onnx.load(output).metadata_props}["depdis.parity"]
        )["shapes"]  # fmt: skip
        assert (shapes[0]["batch"], shapes[0]["width"], shapes[0]["height"]) == (2, 64, 64)
        before = output.read_bytes()
        again = CliRunner().invoke(cli.app, arguments)
        assert isinstance(again.exception, UsageError)
        assert output.read_bytes() == before

    @pytest.mark.parametrize("size", ["640", "0x320", "640x", "axb", "1x2x3x4"])
    def test_refuses_sizes(self, size: str) -> None:
        with pytest.raises(UsageError, match="640x320"):
            parse_size(size)

    def test_refuses_a_size_that_no_memory_holds(self) -> None:
        with pytest.raises(UsageError, match="at most 8192 pixels"):
            parse_size("100000x64")

    def test_size_with_and_without_batch(self) -> None:
        assert parse_size("640x320") == (None, 640, 320)
        assert parse_size("4x640x320") == (4, 640, 320)
