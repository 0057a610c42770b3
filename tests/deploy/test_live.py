from __future__ import annotations

import os
import socket
from pathlib import Path

import cv2
import pytest
from calling import lines
from clips import images, joined, jumping_clip, level, make_clip
from hostile_videos import enormous_clip
from small_rtsp import SmallRtsp

from depdis_deploy import live, patience, recording
from depdis_deploy.command import InputError
from depdis_deploy.infer import run
from depdis_deploy.job import Options
from depdis_deploy.patience import Patience
from depdis_deploy.sources import Source


def test_a_stream_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TIMEOUT_S", (0.5, 0.5))
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(InputError, match="cannot be opened") as refusal,
    ):
        live.NetworkStream(Source("stream", f"rtsp://me:secret@127.0.0.1:{server.getsockname()[1]}/x"))
    assert "secret" not in str(refusal.value)


def test_a_stream_without_a_frame_rate_gets_the_usual_one(tmp_path: Path) -> None:
    with (
        SmallRtsp([enormous_clip(tmp_path / "a.ts", (64, 64))]) as server,
        live.NetworkStream(Source("stream", server.address), Patience(retry_s=0)) as stream,
    ):
        assert (stream.rate, stream.size) == (30, (64, 64))
        assert list(stream)


def test_a_lost_stream_is_opened_again_and_its_end_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.01)
    notes: list[str] = []
    clip = make_clip(tmp_path / "a.ts", 11)  # the last frame is not sent to its end
    with SmallRtsp([clip, clip]) as server:
        source = Source("stream", server.address)
        with live.NetworkStream(source, Patience(retry_s=1.0, note=notes.append), stride=2) as stream:
            assert stream.size == (96, 64)
            frames = list(stream)
    assert [frame.index for frame in frames] == list(range(0, 20, 2))
    stamps = [frame.pts for frame in frames if frame.pts is not None]
    assert stamps == sorted(set(stamps))
    assert stamps[0] == 0
    assert int(frames[5].image[-3, -3, 0]) == pytest.approx(level(0), abs=3)
    assert stream.damage is not None
    assert "lost after 20 frames" in stream.damage
    assert "lost after 10 frames" in notes[0]
    assert "there again" in notes[1]


def test_jumps_of_a_camera_s_own_stamps_change_no_time(tmp_path: Path) -> None:
    forward, back = (jumping_clip(tmp_path / f"{jump_s}.ts", jump_s) for jump_s in (7200, 95_443))
    both = joined(tmp_path / "both.ts", forward, back)
    with (
        SmallRtsp([both]) as server,
        live.NetworkStream(Source("stream", server.address), Patience(retry_s=0.0)) as stream,
    ):
        times = [frame.time_s for frame in stream if frame.time_s is not None]
    assert len(times) > 30
    assert times == sorted(set(times))
    assert times[-1] < 600  # by the clock


def test_a_stream_may_change_its_size_midway(tmp_path: Path) -> None:
    large, small = make_clip(tmp_path / "a.ts", 10), make_clip(tmp_path / "b.ts", 10, size=(48, 32))
    both = tmp_path / "both.ts"
    both.write_bytes(large.read_bytes() + small.read_bytes())
    with (
        SmallRtsp([both]) as server,
        live.NetworkStream(Source("stream", server.address), Patience(retry_s=0.0)) as stream,
    ):
        shapes = [frame.image.shape for frame in stream]
    assert shapes[0] == (64, 96, 3)
    assert shapes[-1] == (32, 48, 3)
    assert len(shapes) >= 19


def test_what_is_no_video_midway_is_passed_over(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.ts", 40).read_bytes()
    torn = tmp_path / "torn.ts"
    middle = len(clip) // 2 // 188 * 188
    torn.write_bytes(clip[:middle] + bytes(range(256)) * 8 + clip[middle + 4 * 188 :])
    with (
        SmallRtsp([torn]) as server,
        live.NetworkStream(Source("stream", server.address), Patience(retry_s=0.0)) as stream,
    ):
        assert len(list(stream)) > 20


class Cameras:
    """OpenCV's own reader, on films in the place of devices: what each opening of the camera finds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *films: Path | None) -> None:
        self._films = iter(films)
        self._real = cv2.VideoCapture
        monkeypatch.setattr(live.cv2, "VideoCapture", self.open)

    def open(self, number: int) -> cv2.VideoCapture:
        return self._real(str(next(self._films) or "missing"))


def test_a_camera_that_is_pulled_out_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.01)
    first, second = (
        make_clip(tmp_path / f"{name}.avi", 5, size=size, codec="mpeg4")
        for name, size in (("a", (96, 64)), ("b", (64, 48)))
    )
    Cameras(monkeypatch, first, None, None, second, *[None] * 99)
    notes: list[str] = []
    with live.Camera(Source("camera", "0"), Patience(retry_s=0.5, note=notes.append)) as camera:
        frames = list(camera)
    assert [frame.index for frame in frames] == list(range(10))
    assert [frame.image.shape[:2] for frame in frames] == [(64, 96)] * 5 + [(48, 64)] * 5
    assert int(frames[9].image[-3, -3, 0]) == pytest.approx(level(4), abs=6)
    arrived = [frame.arrived_s for frame in frames if frame.arrived_s is not None]
    assert arrived == sorted(arrived)
    assert len(arrived) == 10
    assert camera.damage == "camera 0: lost after 10 frames; what came was used"
    assert [note.split(":")[1].split(" after")[0] for note in notes] == [" lost", " there again", " lost"]


def test_what_a_live_run_writes_is_brought_to_the_disk(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(number: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{number}").rpartition("/")[2])
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(recording, "_SYNC_EVERY_S", 0.0)
    monkeypatch.chdir(tmp_path)
    with SmallRtsp([make_clip(tmp_path / "a.ts", 20)]) as server:
        options = Options(
            sources=(server.address,), model=model, outdir=tmp_path / "out", retry_s=0.0, quiet=True
        )
        assert run(options) == 1  # it was lost, and not tried again
    assert {"127.0.0.1_x.ndjson", "127.0.0.1_x.part.mp4", "out"} <= set(synced)
    assert [name for name in synced if name.startswith(".127.0.0.1_x.")]  # before it is given its name
    assert len(images(tmp_path / "out/127.0.0.1_x.mp4")) == len(lines(tmp_path / "out/127.0.0.1_x.ndjson"))
