"""What libraries have to say of hostile files is in our one line, not beside it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from calling import infer, start_infer
from clips import write_picture
from onnx import helper, numpy_helper
from PIL import Image
from tiny_model import graph, manifest

from benchmarks.cameras import GARBAGE, serving_garbage


def damaged_fax(path: Path) -> None:
    """A TIFF of which libtiff makes a picture, and complains of many of its lines."""
    levels = np.random.default_rng(0).integers(0, 2, (48, 80)).astype(bool)
    Image.fromarray(levels).save(path, "TIFF", compression="group4")
    data, chance = bytearray(path.read_bytes()), random.Random(0)
    for _ in range(16):
        data[chance.randrange(8, 300)] ^= 255
    path.write_bytes(data)


def damaged_exif(path: Path) -> None:
    """A JPEG whose EXIF block ends in the midst of an entry, which Pillow warns of."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 48)).save(path, "JPEG", exif=exif)
    data = path.read_bytes()
    at = data.index(b"Exif\0\0") + 6
    path.write_bytes(data[: at + 8] + b"\x90" + data[at + 9 :])


def test_damaged_pictures_are_served_or_refused_in_silence(tmp_path: Path, model: Path) -> None:
    (tmp_path / "in").mkdir()
    damaged_fax(tmp_path / "in/fax.tif")
    damaged_exif(tmp_path / "in/turned.jpg")
    write_picture(tmp_path / "in/whole.png")
    # a process of its own: pytest makes errors of warnings, and libtiff's words come from no Python
    with start_infer(tmp_path / "in", "--model", model, "--outdir", tmp_path / "out", "--quiet") as process:
        err = process.communicate(timeout=120)[1]
    assert [line for line in err.splitlines() if not line.startswith("error: ")] == []
    assert (tmp_path / "out/whole_overlay.png").exists()


def test_a_model_that_fails_when_it_runs_is_refused_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = graph()
    for tensor in model.graph.initializer:
        if tensor.name == "channel2":
            tensor.CopyFrom(numpy_helper.from_array(np.array([7], np.int64), "channel2"))  # of three channels
    helper.set_model_props(model, manifest().to_metadata())
    onnx.save(model, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    words = (
        write_picture(tmp_path / "a.png"),
        "--model",
        tmp_path / "model.onnx",
        "--save",
        "confidence",
        "--quiet",
    )
    result = infer(capfd, monkeypatch, *words)
    assert result.status == 1
    assert len(result.err.splitlines()) == len(result.errors) == 1, result.err


@pytest.mark.parametrize("name", GARBAGE)
def test_a_camera_that_sends_garbage_ends_in_one_line(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"rtsp://127.0.0.1:{serving_garbage(name, 0)}/x"
    result = infer(capfd, monkeypatch, address, "--model", model, "--retry", "no", "--quiet")
    assert result.status == 1
    assert len(result.err.splitlines()) == len(result.errors) == 1, result.err
    assert "127.0.0.1" in result.err
