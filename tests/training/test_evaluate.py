"""depdis-evaluate against a second, plain computation of the same scores."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional
from typer.testing import CliRunner

from depdis_deploy.manifest import IMAGENET_MEAN_BGR
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_7, CITYSCAPES_16
from depdis_training import evaluate_cli
from depdis_training.checkpoint import read_checkpoint
from depdis_training.data import open_dataset
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.label_figures import class_view


def _evaluate(*arguments):
    return CliRunner().invoke(evaluate_cli.app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def scores(finished_run, blocks, tmp_path_factory):
    out = tmp_path_factory.mktemp("scores") / "new"
    config = finished_run.parent / "tiny.yaml"
    result = _evaluate(finished_run, "--config", config, "--target", blocks, "--out", out)
    assert result.exit_code == 0, result.output
    assert "out/self-training-2/last" in result.stdout
    assert "out/self-training-2/best, deployed" in result.stdout
    return json.loads((out / "metrics.json").read_text())["rows"]["out/self-training-2/last"]


def _predictions(finished_run, blocks):
    """(sample, labels, network output, checkpoint) of each picture; 96x64 is the input's size as it is."""
    checkpoint = read_checkpoint(finished_run / "self-training-2" / "last.pt")
    network = checkpoint.network.eval()
    for sample in (dataset := open_dataset("synthia", blocks, "val", CITYSCAPES_16)):
        assert len(dataset) == 10
        bgr = torch.from_numpy(sample.image[..., ::-1].copy()).float() - torch.tensor(IMAGENET_MEAN_BGR)
        with torch.no_grad():
            output = network(bgr.permute(2, 0, 1)[None])
        full = functional.interpolate(output.segmentation, (64, 96), mode="bilinear", align_corners=True)
        yield sample, full[0].argmax(0).numpy(), output, checkpoint


def test_iou_equals_a_plain_count(scores, finished_run, blocks):
    truth, found = [], []
    for sample, labels, _, _ in _predictions(finished_run, blocks):
        truth.append(sample.labels.ravel())
        found.append(labels.ravel())
    truth, found = np.concatenate(truth), np.concatenate(found)
    ious = [
        ((truth == label) & (found == label)).sum() / max(1, ((truth == label) | (found == label)).sum())
        for label in range(16)
    ]
    assert scores["figures"]["mIoU 16 (%)"] == pytest.approx(100 * np.mean(ious))
    assert scores["figures"]["  sky"] == pytest.approx(100 * ious[CITYSCAPES_16.index("sky")])
    assert np.sum(scores["confusion"]) == truth.size


def _on_pixels(values):
    """(h, w) cells of a tensor on the picture's 96x64 pixels, corners on corners."""
    size = (64, 96)
    return functional.interpolate(values[None, None], size, mode="bilinear", align_corners=True)[0, 0].numpy()


def test_depth_is_scored_in_metres_of_each_pictures_camera_without_sky(scores, finished_run, blocks):
    errors, deltas = [], []
    for sample, _, output, checkpoint in _predictions(finished_run, blocks):
        canonical_m = (65536 / _on_pixels(output.depth[0, 0].clamp(1, 65536)) - 1) / 100
        metres = canonical_m * sample.focal_px / checkpoint.manifest.canonical_focal_px
        known = sample.depth_m < 655
        ratio = metres[known] / sample.depth_m[known]
        errors.append(np.abs(ratio - 1).mean())
        deltas.append((np.maximum(ratio, 1 / ratio) < 1.25).mean())
    assert scores["figures"]["depth abs_rel"] == pytest.approx(np.mean(errors), rel=1e-4)
    assert scores["figures"]["depth delta1"] == pytest.approx(np.mean(deltas), abs=1e-3)


def test_density_is_compared_with_the_mixtures_of_truth(scores, finished_run, blocks):
    errors = []
    for sample, _, output, checkpoint in _predictions(finished_run, blocks):
        distribution = DepthDistribution.from_dict(checkpoint.manifest.density)
        rows, columns = np.mgrid[:64, :96]
        high, wide = distribution.grid
        depth_m = np.where(sample.depth_m > 655, sample.depth_m, sample.depth_m * 80 / sample.focal_px)
        points = np.stack(
            [columns * (wide - 1) / 95, rows * (high - 1) / 63, 65536 / (100 * depth_m + 1)], axis=-1
        )
        p = np.exp(distribution.log_p(sample.labels.ravel(), points.reshape(-1, 3)))
        truth = (1 - np.exp(-distribution.scale * p)).reshape(64, 96)
        predicted = _on_pixels(output.density[0, 0].clamp(0, 255) / 255)
        errors.append(np.abs(predicted - truth).mean())
    assert scores["figures"]["density MAE"] == pytest.approx(np.mean(errors), abs=1e-4)


def test_the_rows_baselines_are_there_to_be_beaten(scores):
    figures = scores["figures"]
    assert 0 < figures["density MAE, best constant per row"] < 0.5
    assert 0 < figures["depth abs_rel, best constant per row"] < 1


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (("--align", "mean"), 2, "none or median"),
        (("--imgsz", "640"), 2, "WIDTHxHEIGHT"),
        (("--imgsz", "2x640x320"), 2, "--imgsz takes WIDTHxHEIGHT, such"),
        (("--compare",), 2, "give its folder with --out"),
        (("--out", __file__), 2, "is a file"),
        (("--set", "validation.layout=kitti"), 1, "no data set layout 'kitti'"),
        (("--target", "/nowhere/at/all"), 1, "--target"),
        (("--reestimate", "--set", "target=null"), 2, "leave out --reestimate"),
    ],
)
def test_bad_arguments_end_in_one_line(finished_run, blocks, arguments, status, part, capsys):
    from depdis_deploy import command

    with pytest.raises(SystemExit) as ended:
        command.run(
            evaluate_cli.app,
            args=[str(finished_run / "self-training-2" / "last.pt"), "--config", "street",
                  "--target", str(blocks), "--set", "validation.layout=synthia", *arguments],
        )  # fmt: skip
    assert ended.value.code == status
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("error: ")
    assert part in message


def test_a_view_exists_from_the_16_classes_but_not_back():
    assert class_view(CITYSCAPES_16, CAMVID_11)[CITYSCAPES_16.index("rider")] == CAMVID_11.index("bicyclist")
    with pytest.raises(ValueError, match=r"7 classes .* cannot be scored on 16"):
        class_view(CITYSCAPES_7, CITYSCAPES_16)


def test_statistics_taken_anew_change_the_scores(scores, finished_run, blocks, tmp_path):
    arguments = ("--config", finished_run.parent / "tiny.yaml", "--target", blocks, "--out", tmp_path / "out")
    result = _evaluate(finished_run / "self-training-2" / "last.pt", *arguments, "--reestimate")
    assert result.exit_code == 0, result.output
    anew = json.loads((tmp_path / "out" / "metrics.json").read_text())["rows"]["out/self-training-2/last"]
    assert anew["figures"]["depth abs_rel"] != scores["figures"]["depth abs_rel"]
