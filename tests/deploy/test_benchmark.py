"""The table says what is: which row ran, how far it is from fp32, which to take; and is kept on Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from clips import make_clip
from onnx import helper, numpy_helper
from PIL import Image
from tiny_model import SIZE, graph, manifest

from depdis_deploy.benchmark.accuracy import agreement, pictures
from depdis_deploy.benchmark.candidates import candidates, model_files, reference_of
from depdis_deploy.benchmark.measure import FEWEST_RUNS, MOST_RUNS, OK, ROUNDS, Row, batches, runs_for
from depdis_deploy.benchmark.report import advice, as_record, table
from depdis_deploy.benchmark.run import Options, run
from depdis_deploy.command import InputError, UsageError

ROOT = Path(__file__).parents[2]
SOURCE = "ab" * 32
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("drive") / "drive.mp4", 30, size=(96, 64))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(
        name: str, *, precision: str = "fp32", depth: float = 2.0, kind: str = "area", source: str = SOURCE,
        held: bool | None = None, batch: int | str = "batch",
    ) -> Path:  # fmt: skip
        """The colour model; depth: what is added to its decimetres, 2 in the true one."""
        model = graph(size=None if kind == "area" else SIZE, batch=batch)
        (two,) = [entry for entry in model.graph.initializer if entry.name == "two"]
        two.CopyFrom(numpy_helper.from_array(np.float32(depth), "two"))
        parity = {} if held is None else {"shapes": [{"batch": 1}], "engines": {"openvino": {"held": held}}}
        said = replace(manifest(kind=kind), precision=precision, source_sha256=source, parity=parity)
        helper.set_model_props(model, said.to_metadata())
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return made


def options(drive: Path, *models: Path, **words: object) -> Options:
    given = {"pictures": 2, "seconds": 0.0, "frames": 0, "threads": 1, "quiet": True, "device": "cpu", **words}
    return Options(models=models, source=drive, **given)  # type: ignore[arg-type]


def test_each_engine_and_precision_is_a_row(
    make: Make, drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = make("true.onnx", held=True), make("off.onnx", precision="int8", depth=2.5)
    out = tmp_path / "speeds.json"
    assert run(options(drive, *models, out=out, frames=5, device="auto")) == 0
    record = json.loads(out.read_text())
    rows = {(row["model"], row["engine"], row["device"], row["precision"]): row for row in record["rows"]}
    same, off = rows["true.onnx", "openvino", "cpu", "fp32"], rows["off.onnx", "onnxruntime", "cpu", "int8"]
    assert same["against_fp32"]["labels_equal"] == off["against_fp32"]["labels_equal"] == 1.0
    assert same["against_fp32"]["depth_relative"] < 1e-5
    true = np.concatenate([image[::8, ::8, 0].ravel() for image in pictures(drive, 2)]) / 10 + 2
    assert off["against_fp32"]["depth_relative"] == pytest.approx(np.mean(1 - true / (true + 0.5)), rel=0.1)
    for row in (same, off):
        assert row["status"] == "ok"
        assert row["input"] == {"batch": 1, "width": SIZE[0], "height": SIZE[1]}
        assert row["ms_per_image"]["runs"] >= FEWEST_RUNS
        assert row["ms_per_image"]["least"] <= row["ms_per_image"]["median"] <= row["ms_per_image"]["most"]
        assert row["video"]["frames"] >= 5
        assert sum(row["video"]["shares"].values()) == pytest.approx(1, abs=1e-3)
        assert set(row["video"]["shares"]) == {"decode", "network", "draw", "encode"}
        assert all(value > 0 for value in row["video"]["shares"].values())
    assert (same["gate"], off["gate"]) == ("held", "unknown")
    gpu = rows["true.onnx", "onnxruntime", "0", "fp32"]
    assert gpu["status"] in ("ok", "failed")
    assert gpu["status"] == "ok" or "device 0" in gpu["reason"]
    absent = rows[None, "onnxruntime, openvino", "auto", "fp16"]
    assert (absent["status"], "--precision fp16" in absent["reason"]) == ("absent", True)
    printed = capsys.readouterr()
    assert "off.onnx" in printed.out
    assert "share of all stages" in printed.out
    assert "fastest within its export's bounds: depdis-infer VIDEO --model" in printed.out
    with Image.open(out.with_suffix(".png")) as picture:
        assert picture.width == 1200
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 5


def test_the_fp32_file_is_looked_for_beside(make: Make, drive: Path) -> None:
    fp32, int8 = make("a.onnx"), make("b.onnx", precision="int8")
    make("c.onnx", source="cd" * 32)
    (tmp := fp32.with_name("d.onnx")).write_bytes(b"no model")
    (file,) = model_files([int8])
    found = reference_of(file, [file])
    assert found is not None
    assert found.path == fp32
    fp32.unlink()
    tmp.unlink()
    assert reference_of(file, [file]) is None


def test_a_network_without_its_fp32_file_is_timed_all_the_same(
    make: Make, drive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(options(drive, make("alone.onnx", precision="int8"))) == 0
    assert "no fp32 file of the same checkpoint" in capsys.readouterr().out


def test_what_cannot_run_says_why(make: Make, drive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    static = make("static.onnx", kind="stretch", batch=2)
    assert run(options(drive, static, imgsz="128x64")) == 1
    printed = capsys.readouterr().out
    assert "its input is 2x64x32 (batch x width x height)" in printed
    assert "nothing is recommended" in printed
    assert run(options(drive, static)) == 0
    assert run(options(drive, make("free.onnx"), imgsz="2x60x32")) == 1
    assert "multiples of 8" in capsys.readouterr().out


def test_a_gpu_alone_is_asked_of_the_engines_that_take_one(make: Make) -> None:
    files = model_files([make("m.onnx")])
    rows = [row for row in candidates(files, "1") if row.file is not None]
    assert [(row.engine, row.device, row.where) for row in rows] == [("onnxruntime", "1", "onnxruntime GPU 1")]
    assert [row.device for row in candidates(files, "cpu") if row.file is not None] == ["cpu"] * 3
    other = replace(files[0], path=Path("m.engine"))
    assert [(row.engine, row.asked) for row in candidates([other], "auto") if row.file] == [("auto", "auto")]


def test_wrong_words_end_it_before_anything_is_measured(make: Make, drive: Path, tmp_path: Path) -> None:
    model = make("m.onnx")
    (tmp_path / "taken.png").touch()
    (tmp_path / "folder.json").mkdir()
    for words, says in (
        ({"out": tmp_path / "x.txt"}, r"ends in \.json"), ({"out": tmp_path / "taken.json"}, "--exist-ok"),
        ({"device": "gpu"}, "GPU's number"), ({"imgsz": "640"}, "640x320"),
        ({"out": tmp_path / "folder.json", "exist_ok": True}, "is a folder"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            run(options(drive, model, **words))
    with pytest.raises(InputError, match="not a folder"):
        options(drive, model, out=tmp_path / "none" / "x.json")
    with pytest.raises(InputError, match="no such model"):
        run(options(drive, tmp_path / "none.onnx"))
    assert not (tmp_path / "x.json").exists()


def test_pictures_lie_evenly_over_a_film_and_a_folder(drive: Path, tmp_path: Path) -> None:
    film = pictures(drive, 3)
    assert [int(image[-1, -1, 0]) // 5 for image in film] == [
        pytest.approx(30 // 5 + i, abs=1) for i in (0, 10, 20)
    ]
    for name in "abcd":
        Image.new("RGB", (8, 8), (ord(name), 0, 0)).save(tmp_path / f"{name}.png")
    assert [int(image[0, 0, 0]) for image in pictures(tmp_path, 2)] == [ord("a"), ord("c")]


def test_agreement_of_maps_with_truth_at_hand() -> None:
    true = [{"labels": np.zeros((1, 2, 2), np.uint8), "depth": np.full((1, 1), 0.99), "density": np.zeros(1)}]
    found = [
        {"labels": np.array([[[0, 1], [0, 0]]]), "depth": np.full((1, 1), 1.99), "density": np.full(1, 0.1)}
    ]
    got = agreement(true, found)
    assert got is not None
    assert got.labels_equal == 0.75
    assert got.depth == pytest.approx(0.5)
    assert got.density == pytest.approx(25.5)
    without = agreement(true, [{"labels": found[0]["labels"]}])
    assert without is not None
    assert (without.depth, without.density) == (None, None)
    assert agreement(true, [{"labels": np.zeros((1, 4, 4))}]) is None


def test_how_often_and_in_which_batches() -> None:
    assert runs_for(0.0, 1.0) == FEWEST_RUNS
    assert runs_for(10.0, 1e-9) == runs_for(float("inf"), 1.0) == MOST_RUNS
    assert runs_for(5.0, 0.42) % ROUNDS == 0
    three = [np.full((1, 1, 3), index, np.uint8) for index in range(3)]
    assert [pair[:, 0, 0, 0].tolist() for pair in batches(three, 2)] == [[0, 1], [2, 0]]


def test_the_fastest_that_held_its_bounds_is_recommended(make: Make) -> None:
    files = model_files([make("my model.onnx", held=False)])
    rows = [Row(candidate, OK) for candidate in candidates(files, "cpu")[:2]]
    for row, found in zip(rows, ([9.0, 10.0, 30.0], [2.0]), strict=True):
        row.milliseconds = row.cpu_milliseconds = found
    assert rows[0].ms == 10.0
    assert [row.gate for row in rows] == ["held", "missed"]
    assert advice(rows).endswith(f"--model '{files[0].path}' --device cpu --engine onnxruntime")
    assert "100.0" in table(rows)
    spread = as_record(rows)["rows"][0]["ms_per_image"]
    assert (spread["median"], spread["least"], spread["most"]) == (10.0, 9.0, 30.0)


def test_ctrl_c_keeps_what_was_measured(make: Make, drive: Path, tmp_path: Path) -> None:
    code = "from depdis_deploy.benchmark.cli import main; main()"
    words = ["--source", str(drive), "--seconds", "600", "--imgsz", "960x640", "--pictures", "1"]
    out = tmp_path / "kept.json"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(make("m.onnx")), *words, "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while "loading and comparing" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        printed, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "m.onnx" in printed
    rows = json.loads(out.read_text())["rows"]
    assert rows[0]["against_fp32"]["labels_equal"] == 1.0
    assert sum(row.get("ms_per_image", {}).get("runs", 0) for row in rows) < 3 * MOST_RUNS
    assert not any("video" in row for row in rows)
