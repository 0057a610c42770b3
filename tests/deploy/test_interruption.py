from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from calling import start_infer
from clips import images, make_clip, write_picture
from PIL import Image


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


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
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


def resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc, which Linux has")
def test_memory_does_not_grow_with_length(tmp_path: Path, model: Path) -> None:
    source = make_clip(tmp_path / "long.mp4", 3000, size=(320, 160))
    with start_infer(source, "--model", model, "--outdir", tmp_path / "out", "--panel", "quad") as process:
        wait_for_lines(process, tmp_path / "out/long.ndjson", 300)
        early = resident_kib(process.pid)
        wait_for_lines(process, tmp_path / "out/long.ndjson", 2900, within_s=280)
        late = resident_kib(process.pid)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert late < 1.05 * early
