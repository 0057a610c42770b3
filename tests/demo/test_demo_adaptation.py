"""An adaptation's progress, from what `depdis-train` says, and its end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from depdis_demo.adaptation import Adaptation
from depdis_deploy.command import InputError

# As the command prints it where there is no terminal.
SAID = """run folder: run
street data: data/street-random-synthia-train-120x512x384-s7000
street: 5/12 pictures, 9.0 s each, 1:03 left
classes: counting: 2/2, 9.3/s, in 0 s
about 6:10 from here: stage 1 2:03, labels 1 s, self-training 4:06
stage1: 60 steps, bf16 on cpu, from step 0
stage1: 15/60 steps, 1.0 s each, 45 s left, segmentation 1.440
thresholds: 8/17 pictures, 11.5/s, 1 s left
labels: 17/17 pictures, 11.5/s, in 1 s
self-training-1: 120 steps, bf16 on cpu, from step 0
thresholds: 17/17 pictures, 11.5/s, in 1 s
labels: 9/17 pictures, 11.5/s, 1 s left
self-training-2: 120 steps, bf16 on cpu, from step 0
self-training-2: 30/120 steps, 1.0 s each, 1:30 left, segmentation 1.201
verdict: comparing start and result on pictures kept from the training
model: run/model.onnx; try it with: depdis-infer PICTURES --model run/model.onnx""".splitlines()


def adaptation(folder: Path) -> Adaptation:
    return Adaptation(folder / "clip.mp4", folder, folder / "streets", (), threads=1)


def test_progress_goes_forward_through_all_phases(tmp_path: Path) -> None:
    work, seen = adaptation(tmp_path), []
    for line in SAID:
        work._heard(line)
        seen.append(work.progress())
    whole = [one["whole"] for one in seen]
    assert whole == sorted(whole)
    assert 0 < whole[2] < whole[-1] < 1
    assert (seen[2]["done"], seen[2]["total"]) == (5, 12)
    assert (seen[6]["done"], seen[6]["total"]) == (15, 60)
    assert seen[4]["forecast"] == "6:10"
    assert (seen[11]["done"], seen[11]["total"]) == (9, 17)
    assert (seen[13]["done"], seen[13]["total"]) == (30, 120)
    assert len({one["doing"] for one in seen}) == 11


def test_steps_come_from_the_log_which_is_written_more_often(tmp_path: Path) -> None:
    work = adaptation(tmp_path)
    stage = tmp_path / "run" / "stage1"
    stage.mkdir(parents=True)
    (tmp_path / "run" / "config.json").write_text(json.dumps({"training": {"iterations": 60}}))
    (stage / "log.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    work._heard("stage1: 60 steps, bf16 on cpu, from step 0")
    assert (work.progress()["done"], work.progress()["total"]) == (2, 60)


def test_a_failure_is_told_in_the_command_s_words_and_leaves_no_checkpoint(tmp_path: Path) -> None:
    work = adaptation(tmp_path)
    (work.run / "stage1").mkdir(parents=True)
    work._command = [sys.executable, "-c", "import sys; sys.exit('error: 1 picture to adapt to, at least 8')"]
    work.start()
    while not work.done(60):
        pass
    work.end()
    assert not work.run.exists()  # its checkpoints
    with pytest.raises(InputError, match="the adaptation failed: 1 picture to adapt to, at least 8"):
        work.result()


def test_cancelling_ends_the_process_and_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "adaptation"
    (folder / "run").mkdir(parents=True)
    (folder / "clip.mp4").touch()
    long = adaptation(folder)
    long._command = [sys.executable, "-c", "import time; time.sleep(600)"]
    long.start()
    assert not long.done(0)
    long.cancel()
    assert long.done(60)
    long.end()
    assert long.cancelled
    assert not folder.exists()


def test_a_cancel_that_comes_after_the_end_deletes_nothing(tmp_path: Path) -> None:
    work = adaptation(tmp_path)
    work._command = [sys.executable, "-c", ""]
    work.start()
    while not work.done(60):
        pass
    work.cancel()
    work.end()
    assert not work.cancelled
    assert tmp_path.exists()
