"""The times of frames and audio where a file's time stamps restart, jump, repeat, lack or are coarse."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from calling import Call, lines
from clips import joined, jumping_clip, level, make_clip, stamps_s

from depdis_deploy import Predictor
from depdis_deploy.benchmark.accuracy import pictures
from depdis_deploy.clip import VideoFile, count_frames
from depdis_deploy.interruption import Interruption
from depdis_deploy.job import Job, Options
from depdis_deploy.media.frame_times import FrameTimes
from depdis_deploy.media.timeline import Timeline
from depdis_deploy.recording import Recording
from depdis_deploy.sources import Source

EVEN = pytest.approx([0.04] * 39, abs=1e-6)
TS_TICK = Fraction(1, 90_000)
CONTAINERS = {"broadcast": 0x200, "file": 0}


def times_s(path: Path, **options: int) -> tuple[VideoFile, list[float], list[str]]:
    notes: list[str] = []
    with VideoFile(str(path), note=notes.append, **options) as clip:
        return clip, [frame.time_s for frame in clip if frame.time_s is not None], notes


def end_s(clip: VideoFile) -> float:
    return float(clip.end_pts * clip.time_base)


def audio_s(path: Path) -> tuple[np.ndarray, float]:
    """The samples of a video's audio as one channel, and the time of the first one."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]), float(frames[0].time)


def joinable(folder: Path, suffix: str, sound: str | None = None) -> list[Path]:
    codec = {"mpg": "mpeg2video"}.get(suffix, "libx264")
    return [
        make_clip(folder / f"{number}.{suffix}", 20, codec=codec, sound=sound, loudness=loudness)
        for number, loudness in enumerate((8000, 0))
    ]


@pytest.mark.parametrize(("suffix", "sound"), [("ts", "aac"), ("mpg", "mp2"), ("ts", None)])
def test_joined_recordings_follow_each_other_with_their_audio(
    tmp_path: Path, call: Call, suffix: str, sound: str | None
) -> None:
    both = joined(tmp_path / f"both.{suffix}", *joinable(tmp_path, suffix, sound))
    result = call(both, "--outdir", "out")
    assert result.status == 0
    assert result.err.count("time stamps jump by") == 1
    stamps = stamps_s(tmp_path / "out/both.mp4")
    assert np.diff(stamps) == EVEN
    recorded = [record["time_s"] for record in lines(tmp_path / "out/both.ndjson")]
    assert recorded == pytest.approx(stamps, abs=1e-5)
    with av.open(str(tmp_path / "out/both.mp4")) as container:
        video = container.streams.video[0]
        assert video.duration * video.time_base == Fraction(8, 5)
        assert len(container.streams.audio) == (sound is not None)
    if sound:
        samples, first_s = audio_s(tmp_path / "out/both.mp4")
        rate = 48000
        assert first_s + len(samples) / rate == pytest.approx(1.6, abs=0.05)
        loud = np.flatnonzero(np.abs(samples) > 0.05)
        # the tone ends where the first recording does
        assert first_s + loud[0] / rate == pytest.approx(0.0, abs=0.04)
        assert first_s + loud[-1] / rate == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("jump_s", [7200.0, 95_443.0, 20.0])
def test_closes_a_jump_of_a_broadcast_format(tmp_path: Path, jump_s: float) -> None:
    clip, times, notes = times_s(jumping_clip(tmp_path / "a.ts", jump_s, frames=40))
    assert np.diff(times) == EVEN
    assert end_s(clip) == pytest.approx(1.6)
    assert len(notes) == 1


def test_keeps_a_gap_of_minutes_but_not_of_hours_in_matroska(tmp_path: Path) -> None:
    clip, times, notes = times_s(jumping_clip(tmp_path / "pause.mkv", 180.0))
    assert max(np.diff(times)) == pytest.approx(180.04)
    assert end_s(clip) == pytest.approx(180.8)
    assert notes == []
    assert np.diff(times_s(jumping_clip(tmp_path / "jump.mkv", 7200.0, frames=40))[1]) == EVEN


def test_keeps_a_long_gap_that_an_mp4_declares(tmp_path: Path) -> None:
    clip, times, notes = times_s(jumping_clip(tmp_path / "a.mp4", 7200.0))
    assert max(np.diff(times)) == pytest.approx(7200.04)
    assert end_s(clip) == pytest.approx(7200.8)
    assert notes == []


def test_keeps_a_gap_in_which_the_audio_goes_on(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "a.ts", 6, rate=Fraction(1, 3), stamps=[0, 1, 2, 15, 16, 17], time_base=Fraction(1),
        sound="aac", options={"max_interleave_delta": "0"},
    )  # fmt: skip
    assert times_s(path)[1] == pytest.approx([0, 1, 2, 15, 16, 17], abs=1e-3)


def test_orders_frames_of_an_avi_with_b_frames(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.avi", 40)
    clip, times, _ = times_s(path)
    assert np.diff(times) == EVEN
    assert end_s(clip) == pytest.approx(1.6)


def test_keeps_coarse_stamps_as_they_are(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 4, 5, 6, 19, 20, 21, 22, 24, 25, 26, 27, 28]
    path = make_clip(
        tmp_path / "a.mp4", len(stamps), rate=30, stamps=stamps, time_base=Fraction(1, 30),
        options={"video_track_timescale": "30"},
    )  # fmt: skip
    clip, times, _ = times_s(path)
    assert times == pytest.approx([stamp / 30 for stamp in stamps], abs=1e-6)
    assert end_s(clip) == pytest.approx(29 / 30)


@pytest.mark.parametrize("count", [1, 1_000_000])
def test_a_wrong_frame_count_in_the_header_changes_no_time(tmp_path: Path, count: int) -> None:
    path = make_clip(tmp_path / "a.avi", 40, codec="mpeg4")
    data = bytearray(path.read_bytes())
    length = data.index(b"strh") + 8 + 32
    data[length : length + 4] = count.to_bytes(4, "little")
    path.write_bytes(data)
    clip, times, _ = times_s(path)
    assert np.diff(times) == EVEN
    assert end_s(clip) == pytest.approx(1.6)
    assert clip.damage is None


def test_reads_the_rate_of_raw_video_from_its_codec(tmp_path: Path) -> None:
    rate = Fraction(30_000, 1001)
    clip, times, _ = times_s(make_clip(tmp_path / "a.h264", 20, rate=rate))
    assert clip.rate == rate
    assert times == pytest.approx([index / float(rate) for index in range(20)], abs=1e-5)
    assert end_s(clip) == pytest.approx(20 / float(rate), abs=1e-5)


def test_the_benchmark_samples_a_whole_video_whatever_its_header_says(tmp_path: Path) -> None:
    part = make_clip(tmp_path / "part.ts", 20)
    three = joined(tmp_path / "joined.ts", part, part, part)
    assert count_frames(Source("video", str(three))) == 60
    levels = [int(image[-3, -3, 0]) for image in pictures(three, 5)]
    assert levels == pytest.approx([level(index % 20) for index in range(0, 60, 12)], abs=3)
    assert len(pictures(jumping_clip(tmp_path / "jump.ts", 7200.0), 5)) == 5


def test_a_lost_camera_does_not_prolong_a_segment(tmp_path: Path, model: Path) -> None:
    options = Options(segment_s=1.0, save=("video",), quiet=True)
    job = Job(options, Predictor(model, threads=1), tmp_path, 1, Interruption())
    clip = SimpleNamespace(time_base=TS_TICK, rate=Fraction(25), aspect=Fraction(1), audio=None, start_s=0.0)
    recording = Recording(job, clip, "camera", "camera", "camera", live=True)  # type: ignore[arg-type]
    for pts in (0, 3600, 7200 * 90_000):
        recording.add(pts, np.full((96, 64), 100, np.uint8), (64, 64), None)
    recording.finish(None)
    with av.open(str(min(tmp_path.glob("*.mp4")))) as container:
        stream = container.streams.video[0]
        assert stream.frames == 2
        assert stream.duration * stream.time_base < 11


# FrameTimes


def placed(
    tick: Fraction, rate: Fraction | int, pts: Sequence[int | None], dts: Sequence[int | None] | None = None,
    duration: int = 0, stamped: bool = True,
) -> tuple[list[float], float]:  # fmt: skip
    times = FrameTimes(tick, Fraction(rate), stamped=stamped)
    found = []
    for index, stamp in enumerate(pts):
        frame = av.VideoFrame(2, 2)
        frame.pts, frame.dts = stamp, stamp if dts is None else dts[index]
        frame.duration = duration
        found.append(float(times.place(frame) * times.time_base))
    return found, float(times.end * times.time_base)


@pytest.mark.parametrize(
    ("tick", "rate", "pts", "expected"),
    [
        (Fraction(1, 1000), 25, [0, 40, None, 120], [0, 0.04, 0.08, 0.12]),
        (Fraction(1, 1000), 25, [0, 40, 80, 40, 160], [0, 0.04, 0.08, 0.1, 0.16]),
        (TS_TICK, 25, [0, 0, 3600, 3600, 7200], [0, 0.02, 0.04, 0.06, 0.08]),
        (Fraction(1), 25, [index // 25 for index in range(60)], [index / 25 for index in range(60)]),
        (Fraction(1, 10**9), 25, [10**9, 10**9 + 40_000_000], [0, 0.04]),
        (Fraction(1, 1000), Fraction(30_000, 1001), [500, 533, 567, 600], [0, 0.033367, 0.066733, 0.1001]),
        (Fraction(1, 1000), 1000, [0, 33, 67, 100], [0, 0.033, 0.067, 0.1]),
        (Fraction(1, 25), 25, [-2, -1, 0, 5], [0, 0.04, 0.08, 0.28]),
        (Fraction(1, 25), 25, [None, None, None], [0, 0.04, 0.08]),
    ],
    ids=["missing", "swapped", "repeated", "seconds", "nanoseconds", "rounded", "variable", "negative", "none"],
)  # fmt: skip
def test_frame_times(
    tick: Fraction, rate: Fraction | int, pts: list[int | None], expected: list[float]
) -> None:
    assert placed(tick, rate, pts)[0] == pytest.approx(expected, abs=2e-5)


def test_decoding_stamps_apply_once_presentation_stamps_went_wrong() -> None:
    found, _ = placed(Fraction(1, 25), 25, [1, 4, 3, 5, 2, 7], [2, 3, 4, 5, 6, 7])
    assert all(0.01 < second - first < 0.13 for first, second in pairwise(found))
    assert found[-1] == pytest.approx(0.24)


def test_formats_without_stamps_have_the_nominal_rate() -> None:
    found, end = placed(Fraction(1, 1_200_000), 50, [0, 7, 7, None], stamped=False)
    assert found == pytest.approx([0, 0.02, 0.04, 0.06])
    assert end == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("pts", "duration", "hold_s"),
    [([0, 40, 80], 7_200_000, 10.0), ([0, 30_000, 60_000], 90_000, 30.0), ([0, 40], 500, 0.5), ([0], 0, 0.04)],
)
def test_the_last_frame_is_held_for_a_limited_time(pts: list[int], duration: int, hold_s: float) -> None:
    found, end = placed(Fraction(1, 1000), 25, pts, duration=duration)
    assert end - found[-1] == pytest.approx(hold_s, abs=1e-3)


# Timeline


def followed(kind: str, *packets: tuple[float, ...] | tuple[float, str]) -> tuple[list[float], list[str]]:
    """Times of packets of 40 ms: (dts,) or (dts, "audio")."""
    notes: list[str] = []
    container = SimpleNamespace(format=SimpleNamespace(flags=CONTAINERS[kind]))
    timeline = Timeline(container, notes.append)
    found = []
    for dts_s, *stream in packets:
        name = str(stream[0]) if stream else "video"
        packet = SimpleNamespace(
            pts=round(dts_s * 90_000), dts=round(dts_s * 90_000), duration=3600, time_base=TS_TICK,
            stream_index=name == "audio", stream=SimpleNamespace(type=name),
        )  # fmt: skip
        timeline.place(packet)  # type: ignore[arg-type]
        assert packet.dts == packet.pts
        found.append(packet.dts / 90_000)
    return found, notes


@pytest.mark.parametrize("kind", ["broadcast", "file"])
@pytest.mark.parametrize("wrong_s", [7300.0, 1.0, -5000.0])
def test_one_wrong_stamp_moves_nothing_after_it(kind: str, wrong_s: float) -> None:
    found, notes = followed(kind, (10.0,), (10.04,), (wrong_s,), (10.12,), (10.16,))
    assert found == pytest.approx([10.0, 10.04, 10.08, 10.12, 10.16])
    assert len(notes) == 1


def test_both_streams_share_one_offset() -> None:
    packets = [(0.0,), (0.0, "audio"), (0.04,), (0.04, "audio"), (50.0, "audio"), (50.03,), (50.04, "audio")]
    found, _ = followed("broadcast", *packets)  # type: ignore[arg-type]
    assert found == pytest.approx([0, 0, 0.04, 0.04, 0.08, 0.08, 0.09])


def test_drops_stamps_that_no_clock_shows() -> None:
    timeline = Timeline(SimpleNamespace(format=SimpleNamespace(flags=0)))
    for stamp, expected in ((2**63 - 1, None), (0, 0), (2**62 + 1, None), (3600, 3600)):
        packet = SimpleNamespace(
            pts=stamp, dts=stamp, duration=3600, time_base=TS_TICK, stream_index=0,
            stream=SimpleNamespace(type="video"),
        )  # fmt: skip
        timeline.place(packet)  # type: ignore[arg-type]
        assert (packet.pts, packet.dts) == (expected, expected)


def test_small_steps_and_gaps_are_kept() -> None:
    found, notes = followed("broadcast", (1.0,), (0.95,), (1.04,), (9.0,), (18.9,))
    assert found == pytest.approx([1.0, 0.95, 1.04, 9.0, 18.9])
    assert notes == []
