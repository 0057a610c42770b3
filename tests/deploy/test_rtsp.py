"""`depdis-infer` on a real RTSP server that sends a filmed street, and that is killed and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from calling import lines, start_infer
from clips import images, make_clip, stamps_s
from rtsp import RtspServer, need_server, real_street


@pytest.fixture
def server() -> Iterator[RtspServer]:
    need_server()
    with RtspServer(real_street()) as started:
        yield started


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 90
    while not what():
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise AssertionError(process.communicate()[1])
        time.sleep(0.05)


def count(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def ended(process: subprocess.Popen[str], status: int) -> str:
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "Traceback" not in err
    return err


def check_live(records: list[dict[str, Any]]) -> None:
    frames = [record["frame"] for record in records]
    assert frames == sorted(set(frames))
    stamps = [record["received"] for record in records]
    assert stamps == sorted(stamps)
    assert all(0 < record["age_ms"] < 60_000 for record in records)


def test_a_stream_that_is_lost_and_comes_back_in_another_size(
    tmp_path: Path, model: Path, server: RtspServer
) -> None:
    other = make_clip(tmp_path / "other.mp4", 400, size=(320, 240))
    with start_infer(
        server.address, "--model", model, "--outdir", tmp_path / "out", "--save", "json", "--save", "video"
    ) as process:
        found = tmp_path / "out/127.0.0.1_street.ndjson"
        wait_for(lambda: count(found) >= 10, process)
        server.kill()
        server.start(other)
        wait_for(lambda: found.read_text().count('"width": 320,') >= 10, process)
        process.send_signal(signal.SIGTERM)
        err = ended(process, 143)
    records = lines(found)
    check_live(records)
    assert {(record["width"], record["height"]) for record in records} == {(640, 272), (320, 240)}
    assert "it is tried again" in err
    assert "there again after" in err
    assert "ms old in the mean" in err
    video = images(tmp_path / "out/127.0.0.1_street.mp4")
    assert len(video) == len(records)
    assert {frame.shape for frame in video} == {(272, 640, 3)}
    shown = stamps_s(tmp_path / "out/127.0.0.1_street.mp4")
    for position, record in zip(shown, records, strict=True):
        assert position - shown[0] == pytest.approx(record["time_s"] - records[0]["time_s"], abs=0.002)


def test_lines_to_a_pipe_for_a_given_time(tmp_path: Path, model: Path, server: RtspServer) -> None:
    words = (server.address, "--model", model, "--stdout", "--duration", "2s")
    begun = time.monotonic()
    with start_infer(*words, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    records = [json.loads(line) for line in out.splitlines()]
    check_live(records)
    assert records
    assert records[-1]["time_s"] <= 2.5
    assert time.monotonic() - begun > 2
    assert list(tmp_path.iterdir()) == []
    assert "results in" not in err


def test_a_pipe_whose_reader_leaves(tmp_path: Path, model: Path, server: RtspServer) -> None:
    with start_infer(
        server.address, "--model", model, "--stdout", stdout=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["width"] == 640
        process.stdout.close()
        process.stdout = None
        ended(process, 0)


def test_segments_play_alone_and_survive_a_kill(tmp_path: Path, model: Path, server: RtspServer) -> None:
    out = tmp_path / "out"
    words = (server.address, "--model", model, "--outdir", out, "--segment", "1s", "--quiet")
    with start_infer(*words) as process:
        wait_for(lambda: len(list(out.glob("*Z.mp4"))) >= 2 and len(list(out.glob("*.part.mp4"))) == 1, process)
        process.kill()
        process.communicate()
    whole = sorted(path for path in out.glob("*.mp4") if ".part" not in path.name)
    (growing,) = out.glob("*.part.mp4")
    for path in whole:
        assert len(images(path)) == count(path.with_suffix(".ndjson")) > 0
        assert all(record["outputs"] == [path.name] for record in lines(path.with_suffix(".ndjson")))
        assert stamps_s(path)[0] == 0
        with av.open(str(path)) as container:
            assert 0.8 < container.duration / av.time_base < 8
    # a frame becomes a fragment when the next one tells how long it is shown
    assert len(images(growing)) >= count(out / growing.name.replace(".part.mp4", ".ndjson")) - 2
    frames = [record["frame"] for path in sorted(out.glob("*.ndjson")) for record in lines(path)]
    assert frames == sorted(set(frames))


@pytest.mark.long
def test_memory_threads_and_files_stay_while_a_stream_comes_and_goes(
    tmp_path: Path, model: Path, server: RtspServer
) -> None:
    out = tmp_path / "out"
    words = (server.address, "--model", model, "--outdir", out, "--segment", "1s", "--quiet")

    def taken(process: subprocess.Popen[str]) -> tuple[int, int, int]:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        )
        files = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        return int(status["VmRSS"].split()[0]), int(status["Threads"]), files

    def segments() -> int:
        return len(list(out.glob("*Z.mp4")))

    with start_infer(*words) as process:
        wait_for(lambda: segments() >= 8, process)
        memory, threads, files = taken(process)
        # the clip ends and begins anew by itself, too
        for number in range(4):
            server.kill()
            server.start()
            wait_for(lambda wanted=8 * (number + 2): segments() >= wanted, process)  # type: ignore[misc]
        later = taken(process)
        process.send_signal(signal.SIGINT)
        ended(process, 130)
    assert later[0] < 1.05 * memory
    assert later[1] <= threads + 1
    assert later[2] <= files + 2


def test_a_lost_stream_is_given_up_after_the_time_asked_for(
    tmp_path: Path, model: Path, server: RtspServer
) -> None:
    out = tmp_path / "out"
    with start_infer(server.address, "--model", model, "--outdir", out, "--retry", "1s") as process:
        found = out / "127.0.0.1_street.ndjson"
        wait_for(lambda: count(found) >= 5, process)
        server.kill()
        err = ended(process, 1)
    assert "error: " in err
    assert "lost after" in err
    assert len(images(out / "127.0.0.1_street.mp4")) == count(found)
