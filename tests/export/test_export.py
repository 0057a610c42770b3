"""Checkpoints of both networks become verified, self-describing files; a breach leaves none."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from depdis_deploy import Predictor
from depdis_deploy.command import UsageError
from depdis_deploy.manifest import Manifest
from depdis_export import cli, exporting, verify
from depdis_export.deployable import Deployable
from depdis_export.to_onnx import build
from depdis_training.branches import Network
from depdis_training.checkpoint import write_released, write_weights
from depdis_training.network import build_network


@pytest.fixture(scope="module")
def dynamic_file(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dynamic") / "model.onnx"
    exporting.export(checkpoint, path, dynamic=True, half_weights=True)
    return path


def test_file_describes_itself(dynamic_file: Path, checkpoint: Path, manifest: Manifest) -> None:
    model = onnx.load(dynamic_file)
    onnx.checker.check_model(model)
    said = Manifest.from_metadata({entry.key: entry.value for entry in model.metadata_props})
    assert said.taxonomy == manifest.taxonomy
    assert said.dynamic
    assert said.resize == manifest.resize
    assert said.outputs == ("labels", "depth", "density", "confidence")
    assert said.source_sha256 == exporting.sha256(checkpoint)
    assert said.versions["torch"] == torch.__version__
    assert {(row["batch"], row["width"], row["height"]) for row in said.parity["shapes"]} == {
        (1, 256, 128), (1, 128, 256), (2, 192, 192), (3, 128, 96),
    }  # fmt: skip
    frames = model.graph.input[0]
    assert frames.name == "frames"
    assert frames.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_param or d.dim_value for d in frames.type.tensor_type.shape.dim] == [
        "batch", "height", "width", 3,
    ]  # fmt: skip
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_weights_stored_as_half_are_half_the_file(dynamic_file: Path, checkpoint: Path, tmp_path: Path) -> None:
    manifest, _ = exporting.export(checkpoint, tmp_path / "full.onnx", size=(64, 64))
    assert manifest.resize.kind == "fit"
    assert dynamic_file.stat().st_size < 0.56 * (tmp_path / "full.onnx").stat().st_size


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
    frame = verify.street_frames(1, 256, 128)
    prediction = Predictor(dynamic_file)(frame[0])
    with torch.no_grad():
        expected = Deployable(rounded, manifest, 2).full(torch.from_numpy(frame))
    assert (prediction.labels == expected.labels[0].numpy()).mean() > 0.999
    assert prediction.depth is not None
    assert expected.depth is not None
    # the same map, up-sampled: cell centres of an even grid keep their mean
    assert float(prediction.depth.mean()) == pytest.approx(float(expected.depth.mean()), rel=0.02)


@pytest.mark.parametrize("classes", [16, 7])
def test_released_layout_goes_to_onnx_and_runs(classes: int, tmp_path: Path) -> None:
    torch.manual_seed(classes)
    released = tmp_path / "Syn_City (M4).pth"
    write_released(released, build_network(classes, "resnet101"))
    if classes == 7:
        with pytest.raises(UsageError, match="imgsz"):
            exporting.export(released, tmp_path / "out.onnx")
    manifest, figures = exporting.export(released, tmp_path / "out.onnx", size=(128, 64))
    assert manifest.resize.kind == "stretch"
    assert len(manifest.taxonomy) == classes
    assert manifest.density is not None
    assert figures[0].labels_equal >= verify.MIN_LABELS_EQUAL
    prediction = Predictor(tmp_path / "out.onnx")(verify.street_frames(1, 200, 120)[0])
    assert prediction.labels.shape == (120, 200)
    assert prediction.labels.max() < classes


def test_network_without_a_branch_exports_without_it(manifest: Manifest, tmp_path: Path) -> None:
    from depdis_training.checkpoint import write_checkpoint

    network = build_network(16, "efficientnet_lite0", branches=("depth",)).eval()
    path = tmp_path / "m1.pt"
    write_checkpoint(path, network, manifest, config={}, step=1, state={})
    said, figures = exporting.export(path, tmp_path / "m1.onnx", size=(64, 64))
    assert said.outputs == ("labels", "depth", "confidence")
    assert said.density is None
    assert figures[0].density is None
    assert Predictor(tmp_path / "m1.onnx")(np.zeros((64, 64, 3), np.uint8)).density is None


class TestGate:
    """A file that does not give what the network gives is not kept."""

    @pytest.mark.parametrize("fault", ["mean", "channels", "labels"])
    def test_breach_exits_1_and_leaves_no_file(
        self, fault: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def faulty(deployable: Deployable, manifest: Manifest, batch: int) -> onnx.ModelProto:
            network = deployable.network
            if fault == "mean":
                manifest = dataclasses.replace(manifest, mean_bgr=(90.0, 116.0, 122.0))
            broken = Deployable(network, manifest, deployable.label_stride)
            if fault == "channels":
                broken.mean = broken.mean.flip(1)
            if fault == "labels":
                broken.label_stride = 1
            return build(broken, manifest, batch)

        monkeypatch.setattr(exporting, "build", faulty)
        output = tmp_path / "model.onnx"
        done = CliRunner().invoke(cli.app, [str(checkpoint), "-o", str(output), "--imgsz", "128x64"])
        assert done.exit_code == 1
        assert isinstance(done.exception, verify.ParityError)
        assert list(tmp_path.iterdir()) == []

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
        arguments = [str(checkpoint), "-o", str(output), "--imgsz", "2x96x64"]
        done = CliRunner().invoke(cli.app, arguments)
        assert done.exit_code == 0, done.output
        assert str(output) in done.stdout
        assert "labels equal" in done.stderr
        shapes = json.loads(
            {e.key: e.value for e in onnx.load(output).metadata_props}["depdis.parity"]
        )["shapes"]  # fmt: skip
        assert (shapes[0]["batch"], shapes[0]["width"], shapes[0]["height"]) == (2, 96, 64)
        before = output.read_bytes()
        again = CliRunner().invoke(cli.app, arguments)
        assert isinstance(again.exception, UsageError)
        assert output.read_bytes() == before

    @pytest.mark.parametrize("size", ["640", "0x320", "640x", "axb", "1x2x3x4"])
    def test_refuses_sizes(self, size: str) -> None:
        with pytest.raises(UsageError, match="640x320"):
            cli.parse_size(size)

    def test_size_with_and_without_batch(self) -> None:
        assert cli.parse_size("640x320") == (None, 640, 320)
        assert cli.parse_size("4x640x320") == (4, 640, 320)
