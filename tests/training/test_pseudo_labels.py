"""Pseudo-labels against a plain computation; killed and resumed, in shares, class-balanced, read back."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from colour_network import ColourNetwork
from numpy.typing import NDArray
from PIL import Image
from plain_refine import class_by_class
from torch import Tensor

from depdis_deploy.command import InputError
from depdis_deploy.manifest import ResizeRule
from depdis_deploy.preprocess import plan, to_input
from depdis_deploy.taxonomy import CITYSCAPES_16, Taxonomy
from depdis_training import pseudo_labels
from depdis_training.branches import NetworkOutput
from depdis_training.data import Dataset, Sample, open_dataset
from depdis_training.multi_scale import MultiScale
from depdis_training.pseudo_labels import LabelStatistics, PseudoLabelled, write_pseudo_labels

STRETCH = ResizeRule(kind="stretch", width=96, height=64)
LEAST = np.array([40, 5, 60, 1, 1, 90, 1, 200, 1, 1, 1, 1, 1, 1, 30, 1])


def colour_network(sharpness: float = 1 / 400) -> ColourNetwork:
    """Of the colours that `tiny_run.write_blocks` paints the classes with."""
    colours = np.random.default_rng(0).integers(0, 256, (16, 3))
    return ColourNetwork(torch.from_numpy(colours), sharpness)


@pytest.fixture(scope="module")
def target(blocks: Path) -> Dataset:
    return open_dataset("synthia", blocks, "all", CITYSCAPES_16)


def write(network: ColourNetwork, dataset: Dataset, folder: Path, **changes: object) -> LabelStatistics:
    settings: dict[str, object] = {
        "resize": STRETCH, "taxonomy": CITYSCAPES_16, "minimum_pixels": LEAST, "quiet": True,
    }  # fmt: skip
    return write_pseudo_labels(network, dataset, folder, **{**settings, **changes})  # type: ignore[arg-type]


def probabilities(network: ColourNetwork, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(C, H, W) of a picture at the input's size, the bilinear up-sampling by hand."""
    mean = np.array([104.00698793, 116.66876762, 122.67891434])
    images = torch.from_numpy((image[..., ::-1] - mean).transpose(2, 0, 1)[None]).float()
    logits = network.eval()(images).segmentation[0].detach().numpy().astype(np.float64)
    for axis, length in ((1, image.shape[0]), (2, image.shape[1])):
        place = np.arange(length) * (logits.shape[axis] - 1) / (length - 1)
        low = np.minimum(place.astype(int), logits.shape[axis] - 2)
        shape = [1, 1, 1]
        shape[axis] = length
        part = (place - low).reshape(shape)
        logits = logits.take(low, axis) * (1 - part) + logits.take(low + 1, axis) * part
    exponential = np.exp(logits - logits.max(0))
    return np.asarray(exponential / exponential.sum(0))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_labels_agree_with_a_plain_computation(target: Dataset, tmp_path: Path) -> None:
    network = colour_network().train()
    found = write(network, target, tmp_path / "labels")
    assert network.training
    assert network.norm.num_batches_tracked == 0  # evaluation mode
    predicted, confident, refined = (np.zeros(16, int) for _ in range(3))
    for index, name in enumerate(target.names):
        shares = probabilities(network, target[index].image)
        labels = shares.argmax(0).astype(np.uint8)
        sure = np.where(shares.max(0) >= 0.9, labels, np.uint8(255))
        expected = class_by_class(sure, LEAST)
        with Image.open(tmp_path / "labels" / f"{name}.png") as picture:
            assert picture.mode == "P"
            assert tuple(picture.getpalette()[: 3 * 16]) == sum(CITYSCAPES_16.palette, ())
            labelled = np.asarray(picture)
        assert (labelled != expected).mean() < 1e-3  # rounding at the threshold
        for counts, values in ((predicted, labels), (confident, sure), (refined, expected)):
            counts += np.bincount(values.ravel(), minlength=256)[:16]
    for counts, ours in zip((predicted, confident, refined), (found.predicted, found.confident, found.refined),
                            strict=True):  # fmt: skip
        np.testing.assert_allclose(ours, counts, rtol=0.01, atol=30)
    assert refined.sum() < 0.97 * confident.sum() < 0.95 * predicted.sum()
    assert found.predicted.sum() == 10 * 96 * 64
    manifest = json.loads((tmp_path / "labels" / "manifest.json").read_text())
    assert manifest["counts"]["refined"] == found.refined.tolist()
    assert manifest["thresholds"] == [0.9] * 16
    sheet = cv2.imread(str(tmp_path / "labels" / "sheet.png"))
    assert sheet.shape[0] > 4 * 320
    assert sheet.shape[1] == 4 * 480


class Even(ColourNetwork):
    """Logits of 2 and 0 on every pixel of the input."""

    def forward(self, images: Tensor) -> NetworkOutput:
        logits = torch.tensor([2.0, 0.0])[None, :, None, None]
        return NetworkOutput(logits.expand(-1, -1, *images.shape[2:]).contiguous(), None, None)


class One:
    """A data set of one picture and two classes."""

    taxonomy = Taxonomy(("dark", "light"), ((0, 0, 0), (9, 9, 9)))
    names = ("one",)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return Sample("one", np.full((64, 96, 3), 30, np.uint8))


def test_a_probability_exactly_at_the_threshold_is_confident(tmp_path: Path) -> None:
    network = Even(torch.zeros(2, 3))
    shares = network(torch.zeros(1, 3, 64, 96)).segmentation[0].softmax(0).max(0).values
    exact = float(shares[0, 0])
    assert (shares == exact).all()
    above = float(np.nextafter(np.float32(exact), np.float32(1)))
    for threshold, kept in ((exact, 64 * 96), (above, 0)):
        found = write(network, One(), tmp_path / str(threshold), taxonomy=One.taxonomy, confidence=threshold,
                      minimum_pixels=None)  # fmt: skip
        assert found.predicted.tolist() == [64 * 96, 0]
        assert found.confident.tolist() == found.refined.tolist() == [kept, 0]


KILLED = """
import sys, time
from pathlib import Path
from test_pseudo_labels import CITYSCAPES_16, colour_network, open_dataset, write

class Slow:
    def __init__(self, dataset):
        self.dataset, self.names, self.taxonomy = dataset, dataset.names, dataset.taxonomy
    def __len__(self):
        return len(self.dataset)
    def __getitem__(self, index):
        time.sleep(0.3)
        return self.dataset[index]

dataset = open_dataset("synthia", Path(sys.argv[1]), "all", CITYSCAPES_16)
write(colour_network(), Slow(dataset), Path(sys.argv[2]))
"""


def test_killed_and_resumed_labels_are_the_same_bytes(target: Dataset, blocks: Path, tmp_path: Path) -> None:
    write(colour_network(), target, tmp_path / "whole")
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    work = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(blocks), str(tmp_path / "cut")],
        env={**os.environ, "PYTHONPATH": paths},
    )
    while len(list((tmp_path / "cut").glob("[!.]*.png"))) < 3:
        assert work.poll() is None
        time.sleep(0.01)
    os.kill(work.pid, signal.SIGKILL)
    work.wait()
    done = sorted((tmp_path / "cut").glob("[!.]*.png"))
    assert len(done) < 9
    done[0].write_bytes(done[0].read_bytes()[:100])  # a disk that lost the end of a file
    (tmp_path / "cut" / ".0000007.77.part.png").write_bytes(b"half")
    kept = done[1].stat().st_mtime_ns
    write(colour_network(), target, tmp_path / "cut")
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert done[1].stat().st_mtime_ns == kept


def test_finished_labels_are_read_and_not_made_again(target: Dataset, tmp_path: Path) -> None:
    first = write(colour_network(), target, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = write(colour_network(), target, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert again.table() == first.table()
    assert again.table().splitlines()[-1].startswith("all classes")


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"confidence": 0.8}, "confidence"), ({"minimum_pixels": None}, "minimum_pixels"), ({}, "model_sha256")],
)
def test_a_folder_of_other_labels_is_refused(
    target: Dataset, tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    write(colour_network(), target, tmp_path, share=0.1)
    before = content(tmp_path)
    network = colour_network()
    if not changes:
        with torch.no_grad():
            network.norm.running_mean[0] += 1e-3
    with pytest.raises(InputError, match=named):
        write(network, target, tmp_path, share=0.1, **changes)
    assert content(tmp_path) == before


def test_a_folder_of_something_else_is_refused(target: Dataset, tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_bytes(b"")
    with pytest.raises(InputError, match="something else"):
        write(colour_network(), target, tmp_path)


class Watched:
    """A data set that notes which pictures are read."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset, self.names, self.taxonomy = dataset, dataset.names, dataset.taxonomy
        self.read: set[int] = set()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        self.read.add(index)
        return self.dataset[index]


def test_a_share_is_drawn_by_seed_and_the_rest_not_read(target: Dataset, tmp_path: Path) -> None:
    drawn = []
    for seed in (1, 2):
        watched = Watched(target)
        found = write(colour_network(), watched, tmp_path / str(seed), share=0.4, seed=seed)
        assert found.pictures == len(watched.read) == 4
        labelled = PseudoLabelled(target, tmp_path / str(seed))
        assert [target.names[index] for index in sorted(watched.read)] == list(labelled.names)
        drawn.append(labelled.names)
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(
    "rule",
    [
        ResizeRule(kind="stretch", width=96, height=64), ResizeRule(kind="fit", width=128, height=64),
        ResizeRule(kind="area", width=96, height=60, multiple=32),
    ],
    ids=lambda rule: rule.kind,
)  # fmt: skip
def test_probabilities_are_the_mean_over_sizes_and_mirror_images(target: Dataset, rule: ResizeRule) -> None:
    network, picture = colour_network(1 / 3000).eval(), target[0].image[:50]
    views = MultiScale(rule, (1.0, 1.5, 0.75), mirror=True)
    inputs = views.inputs(picture)
    expected, (width, height) = [], plan((picture.shape[1], 50), rule).content
    for scale in (1.0, 1.5, 0.75):
        size = round(rule.width * scale), round(rule.height * scale)
        geometry = plan((picture.shape[1], 50), replace(rule, width=size[0], height=size[1]))
        for mirrored in (False, True):
            seen = to_input(picture, geometry, rule)
            wide, high = geometry.content
            if mirrored:
                seen = np.concatenate([seen[:, :wide][:, ::-1], seen[:, wide:]], 1)
            shares = probabilities(network, seen)[:, :high, :wide].transpose(1, 2, 0).astype(np.float32)
            method = cv2.INTER_LINEAR if scale <= 1 else cv2.INTER_AREA
            turned = shares[:, ::-1] if mirrored else shares
            expected.append(np.dstack([cv2.resize(plane, (width, height), interpolation=method)
                                       for plane in turned.transpose(2, 0, 1).copy()]))  # fmt: skip
    found = views.probabilities(network, inputs, torch.device("cpu")).permute(1, 2, 0).numpy()
    assert found.shape == (height, width, 16)
    np.testing.assert_allclose(found.sum(2), 1, atol=1e-4)
    # another way of shrinking: alike but for the borders of things
    assert np.abs(found - np.mean(expected, 0)).mean() < 0.01
    assert np.abs(found - expected[0]).mean() > 2 * np.abs(found - np.mean(expected, 0)).mean()


def test_one_view_is_the_plain_prediction(target: Dataset) -> None:
    network, picture = colour_network(1 / 3000).eval(), target[0].image
    views = MultiScale(STRETCH)
    found = views.probabilities(network, views.inputs(picture), torch.device("cpu")).numpy()
    np.testing.assert_allclose(found, probabilities(network, picture), atol=1e-5)


def test_labels_of_several_views_are_other_labels(target: Dataset, tmp_path: Path) -> None:
    network = colour_network()
    write(network, target, tmp_path / "one")
    found = write(network, target, tmp_path / "more", scales=(1.0, 0.5), mirror=True)
    settings = json.loads((tmp_path / "more" / "manifest.json").read_text())["settings"]
    assert (settings["scales"], settings["mirror"]) == ([1.0, 0.5], True)
    assert found.predicted.sum() == 10 * 96 * 64  # of the input's own size
    assert (
        content(tmp_path / "one")[f"{target.names[0]}.png"]
        != content(tmp_path / "more")[f"{target.names[0]}.png"]
    )
    with pytest.raises(InputError, match="other settings"):
        write(network, target, tmp_path / "more", scales=(1.0, 0.5))


def test_class_balanced_thresholds_are_medians(target: Dataset, tmp_path: Path) -> None:
    network = colour_network(1 / 3000)  # unsure
    found = write(network, target, tmp_path, class_balanced=True, minimum_pixels=None)
    values: list[list[NDArray[np.float64]]] = [[] for _ in range(16)]
    for index in range(len(target)):
        shares = probabilities(network, target[index].image)
        for label in range(16):
            values[label].append(shares.max(0)[shares.argmax(0) == label])
    medians = [min(0.9, float(np.median(np.concatenate(found)))) for found in values]
    np.testing.assert_allclose(found.thresholds, medians, atol=2e-3)
    lower = found.thresholds < 0.9
    assert lower.sum() >= 3
    assert (found.confident[lower] >= 0.5 * found.predicted[lower]).all()
    assert (found.confident[lower] <= 0.6 * found.predicted[lower]).all()


class Counting(ColourNetwork):
    """It counts its passes."""

    passes = 0

    def forward(self, images: Tensor) -> NetworkOutput:
        Counting.passes += 1
        return super().forward(images)


@pytest.mark.parametrize(("kept", "passes"), [(0, 20), (3, 17), (99, 10)])
def test_predictions_that_fit_into_memory_are_made_once(
    target: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, passes: int
) -> None:
    monkeypatch.setattr(pseudo_labels, "_KEPT_PIXELS", kept * 96 * 64)
    monkeypatch.setattr(Counting, "passes", 0)
    colours = np.random.default_rng(0).integers(0, 256, (16, 3))
    network = Counting(torch.from_numpy(colours), 1 / 3000)
    write(network, target, tmp_path / "some", class_balanced=True)
    assert Counting.passes - 4 == passes  # four pictures of the sheet
    write(colour_network(1 / 3000), target, tmp_path / "all", class_balanced=True)
    found, expected = content(tmp_path / "some"), content(tmp_path / "all")
    del found["manifest.json"], expected["manifest.json"]  # it names the network
    assert found == expected


@pytest.mark.parametrize(
    "rule",
    [
        ResizeRule(kind="stretch", width=80, height=72, interpolation="bicubic"),
        ResizeRule(kind="fit", width=128, height=64),
        ResizeRule(kind="area", width=96, height=60, multiple=32),
    ],
)
def test_pictures_and_labels_agree_pixel_by_pixel(target: Dataset, tmp_path: Path, rule: ResizeRule) -> None:
    write(colour_network(), target, tmp_path, resize=rule, share=0.3)
    labelled = PseudoLabelled(target, tmp_path)
    assert labelled.taxonomy == CITYSCAPES_16
    for index in range(len(labelled)):
        sample = labelled[index]
        assert sample.name == labelled.names[index]
        assert sample.labels is not None
        assert sample.image.shape == (*sample.labels.shape, 3)
        assert sample.depth_m is None
        truth = target[target.names.index(sample.name)]
        assert sample.focal_px == pytest.approx(truth.focal_px * sample.image.shape[1] / 96)
        shown = cv2.resize(truth.labels, sample.image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        inside = cv2.dilate(shown, np.ones((9, 9))) == cv2.erode(shown, np.ones((9, 9)))
        sure = inside & (sample.labels != 255)
        assert sure.sum() > 0.8 * inside.sum() > 1000
        assert (sample.labels == shown)[sure].mean() > 0.99
        colours = np.random.default_rng(0).integers(0, 256, (16, 3))[sample.labels[sure]]
        assert np.abs(sample.image[sure] - colours).mean() < 12
        blank = labelled.blank()[index]
        assert (blank.image == sample.image).all()
        assert blank.labels is not None
        assert blank.labels.shape == sample.labels.shape
        assert not blank.labels.any()


def test_labels_that_cannot_be_read_back(target: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        PseudoLabelled(target, tmp_path)
    write(colour_network(), target, tmp_path / "labels", share=0.2)
    shutil.copytree(tmp_path / "labels", tmp_path / "cut")
    next((tmp_path / "cut").glob("0*.png")).unlink()
    with pytest.raises(InputError, match="1 file missing"):
        PseudoLabelled(target, tmp_path / "cut")
    manifest = tmp_path / "labels" / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace("000000", "100000"))
    with pytest.raises(InputError, match="other pictures"):
        PseudoLabelled(target, tmp_path / "labels")
    manifest.write_text(json.dumps({**json.loads(text), "counts": None}))
    with pytest.raises(InputError, match="unfinished"):
        PseudoLabelled(target, tmp_path / "labels")


def test_settings_that_do_not_fit(target: Dataset, tmp_path: Path) -> None:
    for changes, message in (
        ({"share": 0.0}, "share"),
        ({"minimum_pixels": [1, 2]}, "16 classes"),
        ({"taxonomy": Taxonomy(("one",), ((0, 0, 0),))}, "16 classes"),
    ):
        with pytest.raises(ValueError, match=message):
            write(colour_network(), target, tmp_path / "none", **changes)
    assert not (tmp_path / "none").exists()
