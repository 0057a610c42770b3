"""Adaptation to one's own camera: from a clip without labels to one of two networks, and an exported model."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.checkpoint import load_network, read_checkpoint
from depdis_training.config import load_config
from depdis_training.data import open_dataset
from depdis_training.data.part import held_out
from depdis_training.data.samples import Sample
from depdis_training.experiment import Options, configurations
from depdis_training.own_camera import before_after, decided
from depdis_training.parts import bundled_weights
from depdis_training.pipeline import train
from depdis_training.street import StreetPicture, drive, picture
from depdis_training.train_cli import run_one
from depdis_training.verdict import Figures, Look, figures, judge, noise_level

TINY = (
    "input.width=96", "input.height=64", "augment.crop=[96,64]", "mixtures.pictures=4", "labels.base=1",
    "labels.span=4", "discriminator.layers=2", "training.iterations=2", "training.batch=2",
    "self_training.iterations=2", "self_training.batch=2", "verdict.pictures=2",
)  # fmt: skip
BROKEN = ("optimizer.backbone_rate=1", "optimizer.head_rate=1", "optimizer.warm_up=0", "training.average=0")


def write_clip(path: Path, frames: int) -> Path:
    """A generated drive as a video of two frames a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=2)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index, picture in enumerate(drive("target", 3, frames, (96, 64), 2.0)):
            frame = av.VideoFrame.from_ndarray(picture.image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 2)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "my_drive.mp4", 10)


def configured(clip: Path, blocks: Path, *settings: str):
    options = Options(target=clip, source=blocks, settings=(*TINY, *settings))
    ((name, config),) = configurations(options).items()
    assert name == f"street-{clip.stem}-depdis-M4-s0"
    return config


@pytest.fixture(scope="module")
def refused(clip, blocks, tmp_path_factory) -> Path:
    """The folder of a run whose rates are so high that what comes out is of no use."""
    folder = tmp_path_factory.mktemp("refused")
    train(configured(clip, blocks, *BROKEN), folder / "run", folder / "data")
    return folder / "run"


def test_a_broken_result_is_refused_and_the_start_delivered(refused):
    verdict = json.loads((refused / "verdict.json").read_text())
    assert verdict["delivered"] == "start"
    start, delivered, result = (
        load_network(path).state_dict()
        for path in (
            bundled_weights(),
            refused / "weights.safetensors",
            refused / "self-training-2" / "last.pt",
        )
    )
    assert all(torch.equal(delivered[name], value) for name, value in start.items())
    assert not all(torch.equal(result[name], value) for name, value in start.items())
    assert cv2.imread(str(refused / "before_after.png")).shape[1] == 3 * 480
    apart = {path.name: cv2.imread(str(path)) for path in (refused / "before_after").iterdir()}
    assert set(apart) >= {"0_picture.png", "0_start.png", "0_result.png"}
    assert len(apart) % 3 == 0
    assert not np.array_equal(apart["0_start.png"], apart["0_result.png"])


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_same_command_exports_what_a_finished_run_delivers_and_only_once(refused, clip, blocks, capfd):
    for _ in range(2):
        run_one(configured(clip, blocks, *BROKEN), refused, refused.parent / "data", None, 1)
    said = capfd.readouterr().err
    assert said.count("this run is finished") == 2
    assert said.count("try it with: depdis-infer") == 1

    from depdis_deploy import Predictor

    prediction = Predictor(refused / "model.onnx")(np.zeros((64, 96, 3), np.uint8))
    assert prediction.labels.shape == (64, 96)


def test_the_mixtures_are_those_of_the_start(clip, blocks, tmp_path):
    train(configured(clip, blocks), tmp_path / "run", tmp_path / "data", until="statistics")
    kept = json.loads((tmp_path / "run" / "mixtures.json").read_text())
    assert np.allclose(kept["means"], read_checkpoint(bundled_weights()).manifest.density["means"])
    scratch = configured(clip, blocks, "network.start=scratch")
    with pytest.raises(UsageError, match="those of a trained model: give one with --init"):
        train(scratch, tmp_path / "other", tmp_path / "data", until="statistics")


class Streets:
    """Generated pictures, each with another appearance, or of one drive."""

    taxonomy = CITYSCAPES_16

    def __init__(self, pictures: list[StreetPicture]) -> None:
        self.samples = [
            Sample(f"{index}", one.image, one.labels, one.depth_m, one.focal_px)
            for index, one in enumerate(pictures)
        ]
        self.names = [sample.name for sample in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


@pytest.fixture(scope="module")
def compared():
    """Pictures of source and target, and the manifest of the model inside the package for small pictures."""
    manifest = read_checkpoint(bundled_weights()).manifest
    manifest = replace(manifest, resize=replace(manifest.resize, width=256, height=128))
    source = Streets([picture("random", 5, index, (256, 128)) for index in range(4)])
    target = Streets(list(drive("target", 5, 4, (256, 128), 0.5)))
    return source, target, manifest


def test_the_better_network_is_delivered_whichever_it_is(compared, tmp_path):
    source, target, manifest = compared
    good, spoilt = load_network(bundled_weights()), load_network(bundled_weights())
    with torch.no_grad():  # it hardly sees cars and persons
        spoilt.decoder.segmentation.bias[[CITYSCAPES_16.index("car"), CITYSCAPES_16.index("person")]] -= 3
    for start, result in ((good, spoilt), (spoilt, good)):
        kept = decided(tmp_path, start, result, (source, target), manifest, pictures=4)
        verdict = json.loads((tmp_path / "verdict.json").read_text())
        assert verdict["delivered"] == ("start" if start is good else "result"), verdict
        assert kept is good


def test_a_network_is_not_worse_than_itself(compared):
    source, target, manifest = compared
    network = load_network(bundled_weights())
    one, again = (figures(network, source, target, manifest, pictures=2) for _ in range(2))
    assert one == again
    assert "+0.0" in judge(one, again, 100.0).reason


@pytest.mark.parametrize(
    ("result", "agreement", "kept"),
    [
        (Figures(60, 56, 70), 80, True),
        (Figures(59.5, 56, 50), 80, True),  # the consistency of answers does not count
        (Figures(62, 54, 80), 80, True),  # more gained than lost
        (Figures(61, 54, 80), 80, False),  # nothing gained where the labels are known
        (Figures(58, 56, 80), 80, False),  # more lost than gained
        (Figures(55, 62, 80), 80, False),  # much forgotten
        (Figures(67, 50, 80), 80, False),  # much lost in the target's look
        (Figures(60, 56, 80), 40, False),  # sees other things than the start does
        (Figures(60, float("nan"), 70), 80, False),
        (Figures(float("nan"), 56, 70), 80, False),
        (Figures(60, 56, 70), float("nan"), False),
    ],
)
def test_each_figure_can_refuse(result: Figures, agreement: float, kept: bool):
    verdict = judge(Figures(60, 55, 70), result, agreement)
    assert verdict.keep == kept
    assert verdict.plain()["result"]["in_look"] is result.in_look


def test_the_look_of_pictures_is_their_levels_and_their_noise():
    rng = np.random.default_rng(0)
    ramp = np.linspace(40, 200, 128)[None, :, None] * np.ones((96, 1, 3))
    dark = np.clip(0.3 * ramp * (1.0, 0.8, 0.6) + rng.normal(0, 8, ramp.shape), 0, 255).astype(np.uint8)
    bright = ramp.astype(np.uint8)
    assert noise_level(bright) < 1
    assert abs(noise_level(dark) - 8 * np.sqrt(0.299**2 + 0.587**2 + 0.114**2)) < 1
    given = Look([dark])(bright)
    assert np.abs(given.mean((0, 1)) - dark.mean((0, 1))).max() < 3
    assert abs(noise_level(given) - noise_level(dark)) < 2
    assert np.array_equal(given, Look([dark])(bright))
    assert np.abs(Look([bright])(bright).astype(int) - bright).max() <= 1


def test_every_third_is_kept_apart(blocks):
    dataset = open_dataset("synthia", blocks, "train", CITYSCAPES_16)
    trained, apart = held_out(dataset, 3)
    assert apart.names == [dataset.names[index] for index in (1, 4, 7)]
    assert sorted([*trained.names, *apart.names]) == sorted(dataset.names)
    assert np.array_equal(apart[1].image, dataset[4].image)


def test_the_sheet_has_a_row_for_each_picture_and_a_legend():
    image = np.full((50, 100, 3), 90, np.uint8)
    road, sky = np.zeros((50, 100), np.uint8), np.full((50, 100), CITYSCAPES_16.index("sky"), np.uint8)
    sheet = before_after([(image, road, sky)], CITYSCAPES_16)
    assert sheet.shape[1] == 3 * 480
    assert sheet.shape[0] > 240
    assert tuple(sheet[200, 480 + 240]) == CITYSCAPES_16.palette[0]
    assert tuple(sheet[200, 2 * 480 + 240]) == CITYSCAPES_16.palette[CITYSCAPES_16.index("sky")]


def test_too_little_to_adapt_to_is_said_in_a_line(clip, blocks, tmp_path):
    single, folder, broken = tmp_path / "single.mp4", tmp_path / "one", tmp_path / "broken.mp4"
    write_clip(single, 1)
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((64, 96, 3), np.uint8))
    broken.write_bytes(clip.read_bytes()[:600])
    for target, message in (
        (single, "1 picture to adapt to, at least 8"), (folder, "1 picture to adapt to, at least 8"),
        (broken, "broken.mp4"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            train(configured(target, blocks), tmp_path / "run", tmp_path / "data")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_videos_is_a_target(clip):
    config = load_config("street")
    ((_, found),) = configurations(Options(target=clip.parent)).items()
    assert found.target.layout == "frames"
    assert found.network.start == "bundled"
    assert config.network.start == "package"


def test_an_export_that_fails_says_so_in_a_line(tmp_path):
    from depdis_training.own_camera import export_model

    (tmp_path / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"their export failed: error: .*weights.safetensors"):
        export_model(tmp_path, tmp_path / "weights.safetensors")


def test_without_the_export_s_packages_the_weights_are_named(tmp_path):
    # a process that finds no onnx, as one without the extra
    code = (
        "import sys; sys.modules['onnx'] = None; from pathlib import Path;"
        "from depdis_training.own_camera import export_model; export_model(Path('.'), Path('w.safetensors'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert "the adapted weights are in w.safetensors; to export them" in done.stderr
