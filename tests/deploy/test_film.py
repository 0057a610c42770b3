"""Labels held against flicker, in a real model's labels and confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from calling import Result, infer, lines
from numpy.typing import NDArray
from PIL import Image
from tiny_model import write_tiny_model

from depdis_deploy import Prediction, Predictor
from depdis_deploy.command import UsageError
from depdis_deploy.sources import Frame

RED, GREEN = (104, 100, 90), (100, 104, 90)  # two grey levels apart, confidence 0.35
SIZE = (64, 32)


def plain(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((*SIZE[::-1], 3), colour, np.uint8)


def smoothed(
    predictor: Predictor, pictures: Sequence[NDArray[np.uint8]], *, step_s: float = 0.04
) -> list[Prediction]:  # fmt: skip
    film = predictor.film(smooth=True)
    found = []
    for index, picture in enumerate(pictures):
        (prediction,) = predictor.predict([Frame(picture, "a.mp4", index, step_s * index)], settled=False)
        film.settle(prediction)
        found.append(prediction)
    return found


def middle(predictions: Sequence[Prediction]) -> list[int]:
    return [int(prediction.labels[16, 32]) for prediction in predictions]


@pytest.fixture(scope="module")
def predict(model: Path) -> Predictor:
    return Predictor(model, threads=1)


def test_a_label_that_comes_and_goes_is_held(predict: Predictor) -> None:
    found = smoothed(predict, [plain(RED), plain(RED), plain(RED), plain(GREEN)] * 4)
    assert middle(found) == [0] * 16
    assert [prediction.held for prediction in found] == [0.0, 0.0, 0.0, 1.0] * 4
    assert found[3].record()["held"] == 1.0
    assert found[3].record()["classes"]["red"]["share"] == 1.0


def test_a_label_that_stays_takes_over_within_a_few_frames(predict: Predictor) -> None:
    assert middle(smoothed(predict, [plain(RED)] * 3 + [plain(GREEN)] * 6)) == [0, 0, 0, 0, 0, 1, 1, 1, 1]


def test_time_counts_not_frames(predict: Predictor) -> None:
    """Frames a second apart have nothing to hold."""
    assert middle(smoothed(predict, [plain(RED), plain(GREEN)] * 2, step_s=1.0)) == [0, 1, 0, 1]


def test_a_surer_label_takes_over_at_once(predict: Predictor) -> None:
    """Of the same grey, but surer: the confidence is the blue there."""
    assert middle(smoothed(predict, [plain((104, 100, 30)), plain((100, 105, 34)), plain((90, 106, 60))])) == [
        0, 0, 1,
    ]  # fmt: skip


def test_where_something_moves_the_label_follows(predict: Predictor) -> None:
    """A green thing that comes from the left changes the picture by more than noise does."""
    after = plain(RED)
    after[:, :32] = (60, 140, 90)
    (_, found) = smoothed(predict, [plain(RED), after])
    assert found.labels[16, 10] == 1
    assert found.labels[16, 50] == 0


def test_a_picture_or_another_film_begins_anew(predict: Predictor) -> None:
    film = predict.film(smooth=True)
    frames = [
        Frame(plain(RED), "a.mp4", 0, 0.0), Frame(plain(GREEN), "b.mp4", 1, 0.04), Frame(plain(RED), "c.png"),
        Frame(plain(GREEN), "c.png"), Frame(plain(GREEN), "a.mp4", 5, 0.2), Frame(plain(RED), "a.mp4", 4, 0.16),
    ]  # fmt: skip
    predictions = predict.predict(frames, settled=False)
    for prediction in predictions:
        film.settle(prediction)
    assert middle(predictions) == [0, 1, 0, 1, 1, 0]


def test_another_size_midway_begins_anew(predict: Predictor) -> None:
    tall = np.full((64, 32, 3), GREEN, np.uint8)
    assert [int(found.labels[16, 16]) for found in smoothed(predict, [plain(RED), tall, tall])] == [0, 1, 1]


def test_a_model_without_confidence_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = write_tiny_model(tmp_path / "l.onnx", outputs=("labels", "depth"))
    with pytest.raises(UsageError, match="no confidence"):
        Predictor(model).film(smooth=True)
    result = infer(capfd, monkeypatch, "--model", model, "--smooth", _clip(tmp_path / "a.mkv", 2))
    assert result.status == 2
    assert "no confidence" in result.errors[0]
    assert not (tmp_path / "runs/infer/1").exists()


def _clip(path: Path, frames: int) -> Path:
    """Red, each fourth frame green, and the last third all green; lossless."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "bgr0"
        for index in range(frames):
            colour = GREEN if index % 4 == 3 or index >= 2 * frames // 3 else RED
            frame = av.VideoFrame.from_ndarray(plain(colour), format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.fixture
def call(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path
) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    return lambda *words: infer(capfd, monkeypatch, "--model", model, "--smooth", *words)


def test_workers_and_batches_change_nothing(tmp_path: Path, call: Callable[..., Result]) -> None:
    """Frames are predicted side by side; what is carried from one to the next is so in their order."""
    source = _clip(tmp_path / "a.mkv", 30)
    seen = []
    for number, words in enumerate([("--threads", 64), ("--threads", 1), ("--threads", 1, "--batch", 4)]):
        out = tmp_path / f"out{number}"
        assert call(source, *words, "--save", "labels", "--save", "json", "--outdir", out).status == 0
        labels = [int(np.asarray(Image.open(path))[16, 32]) for path in sorted(out.glob("a_labels/*.png"))]
        seen.append((labels, [record["held"] for record in lines(out / "a.ndjson")]))
    assert seen[0] == seen[1] == seen[2]
    labels, held = seen[0]
    assert labels[:20] == [0] * 20
    assert labels[-8:] == [1] * 8
    assert held[:20] == [0.0, 0.0, 0.0, 1.0] * 5


def test_the_api_streams_smoothed(tmp_path: Path, predict: Predictor) -> None:
    source = _clip(tmp_path / "a.mkv", 6)
    assert middle(list(predict.stream(source))) == [0, 0, 0, 1, 1, 1]
    assert middle(list(predict.stream(source, smooth=True))) == [0, 0, 0, 0, 0, 1]
