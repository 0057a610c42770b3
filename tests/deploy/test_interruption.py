from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from calling import ROOT, start_infer
from clips import images, make_clip, write_picture
from PIL import Image
from test_trial import slow_model

from depdis_deploy.backends.trial import vouch

_DROP, _OVERRIDE = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("drive") / "drive.mp4", 600, size=(160, 80), sound="aac")


def wait_for_lines(process: subprocess.Popen[str], path: Path, count: int, within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until and process.poll() is None:
        if path.exists() and path.read_text().count("\n") >= count:
            return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"{path.name} did not reach {count} lines: {process.communicate()[1]}")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_an_interruption_leaves_a_playable_file_of_what_was_done(
    tmp_path: Path, model: Path, drive: Path, number: signal.Signals, status: int
) -> None:
    with start_infer(drive, "--model", model, "--outdir", tmp_path / "out") as process:
        wait_for_lines(process, tmp_path / "out/drive.ndjson", 20)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "Traceback" not in err
    done = len((tmp_path / "out/drive.ndjson").read_text().splitlines())
    assert 20 <= done < 600
    assert len(images(tmp_path / "out/drive.mp4")) == done
    assert not (tmp_path / "out/drive.part.mp4").exists()
    assert "results in" in err


def processor_s(process: subprocess.Popen[str]) -> float:
    """Processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)]
)
def test_second_signal_ends_at_once_while_the_model_hangs(
    tmp_path: Path, drive: Path, number: signal.Signals, status: int
) -> None:
    slow = slow_model(tmp_path / "slow.onnx")
    vouch(slow)
    with start_infer(drive, "--model", slow, "--outdir", tmp_path / "out") as process:
        try:
            while process.poll() is None and not (tmp_path / "out").exists():
                time.sleep(0.01)
            before = processor_s(process)
            while process.poll() is None and processor_s(process) < before + 0.3:
                time.sleep(0.01)  # until the model computes
            process.send_signal(number)
            assert process.stderr is not None
            while "press Ctrl-C again" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == status
    assert err == ""


STUCK = """
import ctypes, signal
from depdis_deploy.interruption import starting
signal.signal(signal.SIGINT, lambda number, frame: None)  # as if the main thread never came back
mutex = ctypes.create_string_buffer(64)
lock = ctypes.CDLL(None).pthread_mutex_lock
with starting():
    lock(mutex)
    print("stuck", flush=True)
    lock(mutex)  # for ever, whatever signals come
"""


def test_first_signal_ends_a_start_that_hangs_in_a_library() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "stuck\n"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err) == (130, "")


def test_what_was_done_plays_after_sigkill(tmp_path: Path, model: Path, drive: Path) -> None:
    with start_infer(drive, "--model", model, "--outdir", tmp_path / "out") as process:
        wait_for_lines(process, tmp_path / "out/drive.ndjson", 60)
        process.kill()
        process.communicate(timeout=60)
    records = (tmp_path / "out/drive.ndjson").read_text().splitlines()
    assert all(json.loads(line)["frame"] == index for index, line in enumerate(records))
    # the encoder holds a few frames back
    assert len(images(tmp_path / "out/drive.part.mp4")) >= len(records) - 30 > 20


def test_a_full_disk_is_said_in_one_line_and_what_was_written_plays(
    tmp_path: Path, model: Path, drive: Path
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = (drive, "--model", model, "--outdir", tmp_path / "out", "--save", "video", "--quiet")
    with start_infer(*words, preexec_fn=limit) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    kept = len(images(tmp_path / "out/drive.part.mp4"))
    assert kept > 10
    assert f"the first {kept} frames play in" in err
    assert not (tmp_path / "out/drive.mp4").exists()


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, model: Path, drive: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = (drive, "--model", model, "--outdir", tmp_path / "out", "--save", "json", "--quiet")
    with start_infer(*words, preexec_fn=limit) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(err.splitlines()) == 1
    assert "make room" in err
    text = (tmp_path / "out/drive.ndjson").read_text()
    assert text.endswith("}\n")
    assert [json.loads(line)["frame"] for line in text.splitlines()] == list(range(text.count("\n")))
    assert text.count("\n") > 10


def test_a_full_disk_among_pictures_is_said_in_one_line(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    small, large = write_picture(folder / "a.png"), folder / "b.png"
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(large)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = (small, large, "--model", model, "--outdir", tmp_path / "out", "--quiet")
    with start_infer(*words, preexec_fn=limit) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == f"error: {tmp_path / 'out'}: no more results can be written (File too large); make room\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.ndjson", "a_overlay.png"]


def test_an_output_folder_that_vanishes_is_said_in_one_line(tmp_path: Path, model: Path, drive: Path) -> None:
    out = tmp_path / "out"
    with start_infer(drive, "--model", model, "--outdir", out, "--quiet") as process:
        wait_for_lines(process, out / "drive.ndjson", 20)
        out.rename(tmp_path / "elsewhere")
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert len(err.splitlines()) == 1
    assert err.startswith(f"error: {out}: no more results can be written (No such file")
    assert "make room" not in err
    # what was written before it left is whole
    kept = len(images(tmp_path / "elsewhere/drive.part.mp4"))
    assert kept == len((tmp_path / "elsewhere/drive.ndjson").read_text().splitlines()) == 600


def test_a_folder_that_cannot_be_written_to_is_refused_in_one_line(tmp_path: Path, model: Path) -> None:
    def no_rights() -> None:
        """As root too, who may write anywhere but without this capability."""
        ctypes.CDLL(None).prctl(_DROP, _OVERRIDE)

    (tmp_path / "out").mkdir(mode=0o555)
    words = (write_picture(tmp_path / "a.png"), "--model", model, "--outdir", tmp_path / "out", "--quiet")
    with start_infer(*words, preexec_fn=no_rights) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    said = f"{tmp_path / 'out'}: results cannot be written there (Permission denied); choose another --outdir"
    assert err == f"error: {said}\n"
    assert not list((tmp_path / "out").iterdir())
