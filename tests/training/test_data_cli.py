"""`depdis-data` as a process: exit statuses, one line for a fault, and going on after Ctrl-C and SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIN = "import sys; sys.argv[0] = 'depdis-data'; from depdis_training.data_cli import main; main()"


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, words)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'training'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*words: object) -> tuple[int, list[str]]:
    process = start(*words)
    log = process.communicate(timeout=240)[1]
    return process.returncode, log.splitlines()


def finished(root: Path) -> int:
    path = root / "street.finished"
    return path.read_text().count("\n") if path.exists() else 0


@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_a_stopped_set_is_finished_by_the_same_command(tmp_path: Path, how: str) -> None:
    words = ("street", tmp_path / "set", "--pictures", 60, "--size", "64x48", "--workers", 2)
    process = start(*words)
    while finished(tmp_path / "set") < 2 and process.poll() is None:
        time.sleep(0.02)
    if how == "interrupted":  # as a terminal does it: to all processes of the group
        os.killpg(process.pid, signal.SIGINT)
        log = process.communicate(timeout=60)[1]
        assert process.returncode == 130
        assert "unfinished: the same command goes on" in log
        assert "Traceback" not in log
    else:
        process.kill()
        process.communicate(timeout=60)
    kept = finished(tmp_path / "set")
    assert 2 <= kept < 60
    status, log_lines = run(*words)
    assert status == 0, log_lines
    assert finished(tmp_path / "set") == 60
    assert len(list((tmp_path / "set" / "RGB").iterdir())) == 60


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--size", "640"), 2, "--size is WIDTHxHEIGHT such as 640x320, got '640'"),
        (("--drive", "--layout", "synthia"), 2, "leave out --layout"),
        (("--drive", "--size", "65x48"), 2, "an even size"),
        (("--pictures", "0"), 2, "greater than or equal to 1"),
    ],
)
def test_wrong_usage(tmp_path: Path, words: tuple[str, ...], status: int, message: str) -> None:
    found, lines = run("street", tmp_path / "set", *words)
    assert found == status
    assert message in lines[-1]
    assert not (tmp_path / "set").exists()


def test_places_that_cannot_hold_a_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out, message in ((tmp_path, "no street set"), (tmp_path / "file" / "set", "Not a directory")):
        status, lines = run("street", out, "--pictures", 1, "--size", "64x48")
        assert status == 1
        assert len(lines) == 1
        assert message in lines[0]
    assert (tmp_path / "file").read_text() == "mine"


def test_target_is_written_as_cityscapes(tmp_path: Path) -> None:
    status, _ = run("street", tmp_path / "set", "--domain", "target", "--pictures", 1, "--size", "64x48")
    assert status == 0
    assert (tmp_path / "set/leftImg8bit/train/street/street_000000_000019_leftImg8bit.png").is_file()
