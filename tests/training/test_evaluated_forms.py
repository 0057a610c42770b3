"""What else is evaluated: padded and native grids, films, the authors' files, joint spaces."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances
from torch.nn import functional
from typer.testing import CliRunner

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.manifest import IMAGENET_MEAN_BGR, Manifest, ResizeRule
from depdis_deploy.predictor import BUNDLED_MODEL
from depdis_deploy.preprocess import plan, to_input
from depdis_deploy.taxonomy import CITYSCAPES_7, CITYSCAPES_16, IGNORE
from depdis_training import evaluate_cli
from depdis_training.checkpoint import write_checkpoint, write_released
from depdis_training.data import open_dataset
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.entries import compared, expanded, of_network
from depdis_training.evaluated import Entry, Options, evaluate
from depdis_training.evaluation import mean_iou
from depdis_training.joint_space import choose_pixels, described, kind_of, separation, space
from depdis_training.losses import self_information
from depdis_training.models import Maps, exported_model
from depdis_training.network import build_network
from depdis_training.scoring import score
from depdis_training.street.drive_writer import write_drive
from depdis_training.street.writer import write_street

SIZE = (96, 64)


def _evaluate(*arguments):
    return CliRunner().invoke(evaluate_cli.app, [str(argument) for argument in arguments])


def _street(root, layout, pictures=2):
    write_street(
        root, pictures=pictures, size=SIZE, domain="target", layout=layout, seed=1, split="val", workers=1,
        quiet=True,
    )  # fmt: skip
    return root


@pytest.fixture(scope="module")
def small():
    """A network of seven classes at random."""
    torch.manual_seed(0)
    return build_network(7, "efficientnet_lite0", pretrained=True).eval()


def test_mapillary_is_scored_at_its_own_and_at_the_padded_size(small, tmp_path):
    rule = ResizeRule(kind="fit", width=64, height=64, interpolation="bicubic")
    path = tmp_path / "seven.pt"
    manifest = Manifest(
        taxonomy=CITYSCAPES_7, resize=rule, outputs=("labels", "depth", "density", "confidence")
    )
    write_checkpoint(path, small, manifest, config={}, step=1, state={})
    root = _street(tmp_path / "mapillary", "mapillary-v1.2")
    result = _evaluate(
        path, "--config", "synthia-mapillary-7-small", "--target", root, "--out", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "out" / "metrics.json").read_text())["rows"]
    assert list(rows) == ["seven.pt", "seven.pt, deployed", "seven.pt, padded size"]
    dataset = open_dataset("mapillary-v1.2", root, "val", CITYSCAPES_7)
    native, padded = np.zeros((7, 7), int), np.zeros((7, 7), int)
    for sample in (dataset[0], dataset[1]):
        # 96x64 in 64x64: 43 lines of content, 21 of padding
        geometry = plan(SIZE, rule)
        assert geometry.content == (64, 43)
        bgr = to_input(sample.image, geometry, rule)[..., ::-1].copy()
        images = (torch.from_numpy(bgr).float() - torch.tensor(IMAGENET_MEAN_BGR)).permute(2, 0, 1)[None]
        with torch.no_grad():
            logits = functional.interpolate(
                small(images).segmentation, (64, 64), mode="bilinear", align_corners=True
            )[:, :, :43]
        rows_of = np.round((np.arange(43) + 0.5) * 64 / 43 - 0.5 + 1e-9).astype(int)
        columns_of = np.round((np.arange(64) + 0.5) * 96 / 64 - 0.5 + 1e-9).astype(int)
        near = sample.labels[rows_of][:, columns_of]
        known = near != IGNORE
        np.add.at(padded, (near[known], logits[0].argmax(0).numpy()[known]), 1)
        full = (
            functional.interpolate(logits, (64, 96), mode="bilinear", align_corners=True)[0].argmax(0).numpy()
        )
        known = sample.labels != IGNORE
        np.add.at(native, (sample.labels[known], full[known]), 1)
    np.testing.assert_array_equal(rows["seven.pt"]["confusion"], native)
    scored_padded = np.array(rows["seven.pt, padded size"]["confusion"])
    assert scored_padded.sum() == padded.sum()
    assert np.abs(scored_padded - padded).sum() < 0.02 * padded.sum()
    scored = rows["seven.pt, padded size"]["figures"]["mIoU 7 (%)"]
    assert scored == pytest.approx(100 * mean_iou(padded), abs=0.5)
    assert "minus DepDis" in result.stdout


def test_a_films_flips_are_those_of_its_frames(tmp_path):
    root = tmp_path / "drive"
    write_drive(root, frames=4, size=SIZE, domain="source", seed=2, quiet=True)
    film = open_dataset("drive", root, "val", CITYSCAPES_7)
    assert (len(film), film.rate) == (4, 25)
    first, third = film[0], film[2]
    np.testing.assert_array_equal(film[0].image, first.image)  # back to the beginning
    assert 20 < third.focal_px < 400
    assert third.depth_m.shape == third.labels.shape
    truths = [film[index].labels for index in range(4)]
    wrong = [
        np.where(np.indices(truth.shape)[1] % 5 == index % 2, 0, truth) for index, truth in enumerate(truths)
    ]
    pending = iter(wrong)
    entry = Entry(
        title="film", kind="checkpoint", model=lambda _: Maps(next(pending).astype(np.uint8), None, None),
        manifest=Manifest(taxonomy=CITYSCAPES_7, resize=ResizeRule(kind="stretch", width=64, height=64)),
    )  # fmt: skip
    (row,) = evaluate([entry], film, Options(rate=film.rate), quiet=True)
    flips = still = 0
    for index in range(1, 4):
        same = (truths[index] == truths[index - 1]) & (truths[index] != IGNORE)
        still += same.sum()
        flips += (same & (wrong[index] != wrong[index - 1])).sum()
    assert row.figures()["label flips (per pixel and second)"] == pytest.approx(25 * flips / still)
    assert flips > 0
    (root / "labels" / "000004.png").write_bytes((root / "labels" / "000003.png").read_bytes())
    (root / "depth" / "000004.png").write_bytes((root / "depth" / "000003.png").read_bytes())
    with pytest.raises(InputError, match="ends before frame 4"):
        open_dataset("drive", root, "val", CITYSCAPES_7)[4]
    with pytest.raises(InputError, match="no drive"):
        open_dataset("drive", tmp_path, "val", CITYSCAPES_7)


def test_the_authors_file_is_evaluated_as_it_was_downloaded(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "Syn_City_16cls(M4).pth"
    write_released(path, build_network(16))
    root = _street(tmp_path / "cityscapes", "cityscapes", 1)
    arguments = ("--target", root, "--set", "input.width=64", "--set", "input.height=40")
    result = _evaluate(path, "--config", "synthia-cityscapes-16", *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "minus DepDis" in result.stdout
    assert result.stdout.index("AdvEnt, the paper") < result.stdout.index(path.name)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    row = metrics["rows"][path.name]
    assert row["about"]["origin"] == "released"
    assert row["about"]["input"] == "64x40, stretch"
    assert {"depth abs_rel", "density MAE", "mIoU 13 (%)"} <= row["figures"].keys()
    assert metrics["published"]["counterparts"] == {path.name: "DepDis"}
    with pytest.raises(UsageError, match=r"16 classes .* synthia-cityscapes-7 has 7"):
        CliRunner().invoke(
            evaluate_cli.app, [str(path), "--config", "synthia-cityscapes-7", "--target", str(root)],
            catch_exceptions=False,
        )  # fmt: skip


def test_an_exported_file_is_compared_with_its_own_checkpoints_deployed_form(small, tmp_path):
    manifest = Manifest(taxonomy=CITYSCAPES_7, resize=ResizeRule(kind="area", width=64, height=64))
    made = [
        entry
        for name in ("one", "two")
        for entry in of_network(name, small, manifest, _config(), device=None, about={"sha256": name})
    ]
    exported = Entry(
        title="two.onnx",
        model=made[0].model,
        manifest=manifest,
        kind="exported",
        about={"source_sha256": "two"},
    )
    other = Entry(title="x.onnx", model=made[0].model, manifest=manifest, kind="exported")
    references = {entry.title: entry.reference for entry in compared([*made, exported, other])}
    assert references == {
        "one": None, "one, deployed": "one", "two": "one", "two, deployed": "two",
        "two.onnx": "two, deployed", "x.onnx": "one",
    }  # fmt: skip


def _config():
    from depdis_training.config import load_config

    return load_config("street")


def test_titles_differ(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.onnx").touch()
    paths = [tmp_path / "a" / "m.onnx", tmp_path / "b" / "m.onnx", tmp_path / "b" / "m.onnx"]
    assert [title for title, _ in expanded(paths)] == ["m.onnx", "b/m.onnx", "b/m.onnx (2)"]


def test_a_joint_space_is_what_the_discriminator_sees(small, blocks):
    dataset = open_dataset("synthia", blocks, "val", CITYSCAPES_7)
    rule = ResizeRule(kind="area", width=96, height=64)
    pixels = choose_pixels(dataset, pixels=140, pictures=4)
    assert len(pixels.classes) <= 140
    assert np.bincount(pixels.classes, minlength=7).max() == 20
    for index, row, column, label in zip(*vars(pixels).values(), strict=True):
        assert dataset[int(index)].labels[row, column] == label
    found = space("model", "segmentation*density", small, rule, dataset, pixels)
    index = int(pixels.pictures[0])
    images = torch.from_numpy(dataset[index].image[..., ::-1].copy()).float() - torch.tensor(IMAGENET_MEAN_BGR)
    with torch.no_grad():
        output = small(images.permute(2, 0, 1)[None])
    full = [functional.interpolate(map_, (64, 96), mode="bilinear", align_corners=True) for map_ in output[:2]]
    expected = (self_information(full[0].softmax(1)) * full[1])[0, :, pixels.rows[0], pixels.columns[0]]
    np.testing.assert_allclose(found.features[0], expected.numpy(), rtol=1e-4, atol=1e-4)
    figures = described([found], pixels, 7)
    assert np.shape(figures["spaces"][0]["points"]) == (len(pixels.classes), 2)
    assert figures["chance"] == pytest.approx(((np.bincount(pixels.classes) / len(pixels.classes)) ** 2).sum())
    assert kind_of(small, "S4") == "segmentation*depth"
    assert kind_of(build_network(7, "efficientnet_lite0", ("depth",)), "M4") == "segmentation*depth"


def test_silhouette_and_purity_equal_their_definitions():
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(3), 12)
    features = (rng.normal(0, 1, (36, 4)) + 2 * classes[:, None]).astype(np.float32)
    distances = pairwise_distances(features)
    np.fill_diagonal(distances, np.inf)
    purity = np.mean(classes[distances.argmin(axis=1)] == classes)
    np.fill_diagonal(distances, 0)
    silhouettes = []
    for point, label in enumerate(classes):
        inside = distances[point, classes == label].sum() / 11
        outside = min(distances[point, classes == other].mean() for other in range(3) if other != label)
        silhouettes.append((outside - inside) / max(inside, outside))
    assert separation(features, classes) == pytest.approx(
        {"silhouette": np.mean(silhouettes), "purity": purity}
    )


def test_an_exported_model_at_another_size_keeps_its_metres(tmp_path):
    """A scale that counts twice would take |Rel| to half and beyond."""
    write_street(
        tmp_path / "streets", pictures=3, size=(512, 256), domain="random", layout="synthia", seed=3,
        split="train", workers=1, quiet=True,
    )  # fmt: skip
    dataset = open_dataset("synthia", tmp_path / "streets", "all", CITYSCAPES_16)
    found = []
    for imgsz in (None, (960, 480)):
        model, manifest = exported_model(BUNDLED_MODEL, imgsz=imgsz)
        assert manifest.density is not None
        mixtures = DepthDistribution.from_dict(manifest.density)
        found.append(score(model, dataset, manifest, distribution=mixtures).summary())
    own, larger = found
    assert own["depth abs_rel"] < 0.3
    assert larger["depth abs_rel"] == pytest.approx(own["depth abs_rel"], abs=0.1)
    # the network knows density at its own size
    assert own["density MAE"] < larger["density MAE"] < larger["density MAE, best constant per row"]
    assert larger["mIoU 16 (%)"] != own["mIoU 16 (%)"]
