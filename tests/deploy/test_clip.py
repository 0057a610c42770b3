from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from calling import Call, lines
from clips import faststart, images, level, make_clip
from hostile_videos import enormous_clip, lying_clip, playlists
from small_rtsp import SmallRtsp

from depdis_deploy import Predictor
from depdis_deploy.clip import VideoFile, open_clip
from depdis_deploy.command import InputError
from depdis_deploy.infer_video import infer_video
from depdis_deploy.interruption import Interruption
from depdis_deploy.job import Job, Options
from depdis_deploy.sources import Frame, Source


def read(path: Path, **options: int) -> tuple[VideoFile, list[Frame]]:
    with VideoFile(str(path), **options) as clip:
        return clip, list(clip)


def red_corner(image: np.ndarray) -> str:
    height, width = image.shape[:2]
    red = image[..., 0].astype(int) - image[..., 1] > 100
    rows, columns = np.nonzero(red)
    return ("top" if rows.mean() < height / 2 else "bottom") + (
        "left" if columns.mean() < width / 2 else "right"
    )


@pytest.mark.parametrize(
    ("rotation", "size", "corner"),
    [(0, (96, 64), "topleft"), (90, (64, 96), "bottomleft"), (180, (96, 64), "bottomright"),
     (-90, (64, 96), "topright")],
)  # fmt: skip
def test_frames_come_upright(tmp_path: Path, rotation: int, size: tuple[int, int], corner: str) -> None:
    # the display matrix turns counter-clockwise by `rotation`
    clip, frames = read(make_clip(tmp_path / "phone.mp4", 3, rotation=rotation))
    assert clip.size == size
    assert frames[0].image.shape == (size[1], size[0], 3)
    assert red_corner(frames[0].image) == corner


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(12)])
def test_nominal_rates_come_back_exactly(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    clip, frames = read(make_clip(tmp_path / f"clip.{suffix}", 60, rate=rate, codec=codec))
    assert clip.rate == rate
    assert [frame.pts * clip.time_base for frame in frames if frame.pts is not None] == [
        i / rate for i in range(60)
    ]
    assert clip.end_pts * clip.time_base == 60 / rate
    assert [frame.index for frame in frames] == list(range(60))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_variable_rate_keeps_each_stamp(tmp_path: Path, suffix: str) -> None:
    stamps = [0, 100, 150, 400, 410, 800, 1000, 1300, 1400, 1500]
    path = make_clip(tmp_path / f"v.{suffix}", 10, stamps=stamps, time_base=Fraction(1, 1000))
    clip, frames = read(path)
    assert [frame.time_s for frame in frames] == pytest.approx([s / 1000 for s in stamps], abs=2e-4)
    assert clip.damage is None


def test_stride_takes_every_nth_frame_and_counts_them_all(tmp_path: Path) -> None:
    clip, frames = read(make_clip(tmp_path / "a.mp4", 20), stride=6)
    assert [frame.index for frame in frames] == [0, 6, 12, 18]
    assert [int(frame.image[-3, -3, 0]) for frame in frames] == pytest.approx(
        [level(i) for i in (0, 6, 12, 18)], abs=2
    )
    assert clip.total == 4
    assert clip.end_pts * clip.time_base == Fraction(20, 25)


def test_a_truncated_video_gives_what_can_be_decoded_and_says_so(tmp_path: Path) -> None:
    whole = faststart(make_clip(tmp_path / "a.mp4", 100, size=(320, 240)), tmp_path / "b.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.7)])
    clip, frames = read(cut)
    assert 10 < len(frames) < 100
    assert clip.damage is not None
    assert f"{len(frames)} of 100 frames" in clip.damage
    assert read(whole)[0].damage is None


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", 100, size=(320, 240), options={})
    data = bytearray(path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 1500] = bytes(1500)
    path.write_bytes(data)
    clip, frames = read(path)
    assert len(frames) > 30
    assert clip.damage is not None


def only_sound(path: Path) -> None:
    make_clip(path.with_name("with.mp4"), 10, sound="aac")
    with av.open(str(path.with_name("with.mp4"))) as source, av.open(str(path), "w") as out:
        stream = source.streams.audio[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)


def no_frames(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        out.start_encoding()


def index_lost(path: Path) -> None:
    whole = make_clip(path.with_name("whole.mp4"), 50)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("hello, world\n" * 100), "not a readable video"),
        (index_lost, "cut off before its index"),
        (only_sound, "no video"),
        (no_frames, "no frame|no video|not a readable"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, make: object, says: str) -> None:
    path = tmp_path / "bad.mp4"
    make(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=says):
        read(path)


def test_a_missing_file_keeps_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        VideoFile(str(tmp_path / "none.mp4"))


def decoders() -> int:
    return sum(type(one) is av.VideoCodecContext for one in gc.get_objects())


@pytest.mark.parametrize("frames", [0, 2, 5], ids=["not read", "read in part", "read to the end"])
def test_its_decoder_goes_when_it_is_closed_not_when_garbage_is_collected(tmp_path: Path, frames: int) -> None:
    path = make_clip(tmp_path / "short.mp4", 5)
    gc.collect()
    gc.disable()
    try:
        before = decoders()
        with VideoFile(str(path)) as clip:
            assert len(list(islice(clip, frames))) == frames
            assert decoders() == before + 1
        assert decoders() == before
    finally:
        gc.enable()


def test_opens_no_file_that_a_playlist_names(tmp_path: Path, call: Call, model: Path) -> None:
    predictor = Predictor(model)
    for name, path in playlists(tmp_path).items():
        with pytest.raises(InputError, match="not a readable video"):
            read(path)
        if name in ("absolute.m3u8", "concat.mp4"):
            with pytest.raises(InputError, match="not a readable video"):
                next(predictor.stream(path))
            result = call(path, "--outdir", tmp_path / f"out-{name}", "--quiet")
            assert result.status == 1
            assert len(result.err.splitlines()) == len(result.errors) == 1
            assert not list(tmp_path.glob("out-*/*.mp4"))


def feed(pipe: Path, data: bytes) -> Path:
    """Make a named pipe through which these bytes come once."""
    os.mkfifo(pipe)

    def write() -> None:
        with suppress(BrokenPipeError):
            pipe.write_bytes(data)

    threading.Thread(target=write, daemon=True).start()
    return pipe


def test_a_playlist_from_a_pipe_opens_no_file(tmp_path: Path) -> None:
    sent = playlists(tmp_path)["absolute.m3u8"].read_bytes()
    with pytest.raises(InputError, match="not a readable video"):
        open_clip(Source("video", str(feed(tmp_path / "pipe.mp4", sent))))


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "concat:a.mp4|b.mp4", "file:c.mp4", "-i.mp4", "%03d.mp4", "fd:.mp4"]
)
def test_reads_and_writes_names_that_look_like_urls(tmp_path: Path, call: Call, name: str) -> None:
    make_clip(tmp_path / "clip.mp4", 3, sound="aac").rename(tmp_path / name)
    result = call("--outdir", "out:put", "--quiet", "--", name)
    assert result.status == 0, result.err
    (video,) = (tmp_path / "out:put").glob("*.mp4")
    assert len(images(video)) == 3


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "mpg", "ts", "flv", "h264", "wmv"])
def test_reads_each_container_by_its_content(tmp_path: Path, suffix: str) -> None:
    codec = {"avi": "mpeg4", "mpg": "mpeg2video", "flv": "flv", "wmv": "wmv2"}.get(suffix, "libx264")
    path = make_clip(tmp_path / f"clip.{suffix}", 20, codec=codec).rename(tmp_path / "clip.bin")
    clip, frames = read(path)
    assert [int(frame.image[-3, -3, 0]) for frame in frames] == pytest.approx(
        [level(i) for i in range(20)], abs=6
    )
    assert clip.rate == 25
    assert clip.damage is None


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mpg", "ts", "flv"])
def test_reads_each_container_from_a_pipe(tmp_path: Path, suffix: str) -> None:
    codec, options = ("mpeg2video", {}) if suffix == "mpg" else ("libx264", {"movflags": "frag_keyframe"})
    sent = make_clip(tmp_path / f"clip.{suffix}", 20, codec=codec, options=options if suffix == "mp4" else {})
    with open_clip(Source("video", str(feed(tmp_path / "pipe.bin", sent.read_bytes())))) as clip:
        found = [int(frame.image[-3, -3, 0]) for frame in clip]
    assert found == pytest.approx([level(i) for i in range(20)], abs=6)
    assert clip.damage is None


OPEN_ALL = """
import sys
from depdis_deploy.clip import open_clip
from depdis_deploy.command import InputError
from depdis_deploy.sources import Source
for place in sys.argv[1:]:
    try:
        open_clip(Source("stream" if "://" in place else "video", place))
    except InputError as error:
        assert "16000x16000 are too large" in str(error), error
    else:
        raise AssertionError(place)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_probing_allocates_no_enormous_frames(tmp_path: Path) -> None:
    """In pipes, and in transport streams over RTSP: one image of 16000x16000 takes 384 MB."""
    pipes = [
        feed(tmp_path / f"pipe.{suffix}", enormous_clip(tmp_path / f"a.{suffix}").read_bytes())
        for suffix in ("ts", "mpg", "flv")
    ]
    with SmallRtsp([tmp_path / "a.ts"]) as server:
        words = [sys.executable, "-c", OPEN_ALL, *map(str, pipes), server.address]
        found = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) < 300_000


@pytest.mark.parametrize(("name", "sound"), [("a.mkv", "aac"), ("a.ts", "mp2"), ("a.ts", None)])
def test_reads_a_pipe_once_and_reports_the_loss_of_its_audio(
    tmp_path: Path, call: Call, name: str, sound: str | None
) -> None:
    whole = make_clip(tmp_path / name, 5, sound=sound).read_bytes()
    result = call(feed(tmp_path / "pipe", whole), "--outdir", "out")
    assert result.status == 0
    assert result.err.count("the audio is not kept") == (sound is not None)
    assert len(images(tmp_path / "out/pipe.mp4")) == 5


def test_rejects_a_codec_that_is_not_supported(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.avi", 3, codec="zmbv", pixels="bgr0")
    with pytest.raises(InputError, match="the video codec zmbv is not supported"):
        read(path)


SIZES = [((64, 64), 4), ((128, 96), 4), ((400, 400), 4), ((96, 128), 4)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.avi", "mjpeg"), ("a.mjpeg", "mjpeg"), ("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.ts", "libx264")],
)
def test_frames_may_change_size_up_to_the_limit(tmp_path: Path, name: str, codec: str) -> None:
    path = lying_clip(tmp_path / name, codec, SIZES)
    shapes = [frame.image.shape[:2] for frame in read(path)[1]]
    assert set(shapes) == {(64, 64), (96, 128), (400, 400), (128, 96)}
    clip, frames = read(path, max_pixels=20_000)
    assert {frame.image.shape[:2] for frame in frames} == {(64, 64), (96, 128), (128, 96)}
    assert len(frames) >= 11
    assert clip.damage is not None
    assert "more than 20,000 pixels" in clip.damage


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.ts", "a.flv"])
def test_rejects_a_video_of_frames_above_the_limit(tmp_path: Path, name: str) -> None:
    path = make_clip(tmp_path / name, 5, size=(320, 240), codec="mpeg4" if name == "a.avi" else "libx264")
    with pytest.raises(InputError, match="20,000 pixels"):
        read(path, max_pixels=20_000)


@pytest.mark.parametrize("name", ["a.avi", pytest.param("a.mjpeg", marks=pytest.mark.long)])
def test_leaves_out_enormous_frames_that_the_header_hides(tmp_path: Path, call: Call, name: str) -> None:
    lying_clip(tmp_path / name, "mjpeg", [((64, 64), 2), ((8200, 8200), 1), ((64, 64), 2)])
    result = call(name, "--outdir", "out", "--save", "json", "--quiet")
    assert result.status == 1
    assert len(result.err.splitlines()) == len(result.errors) == 1
    assert "1 frames have more than 67,108,864 pixels" in result.err
    assert [record["width"] for record in lines(tmp_path / "out/a.ndjson")] == [64] * 4


def test_large_frames_in_a_batch_do_not_wait_for_each_other(tmp_path: Path, model: Path) -> None:
    """Two frames of this size may be in progress, and a batch takes five."""
    path = make_clip(tmp_path / "a.mp4", 12)
    options = Options(batch=5, save=("json",), quiet=True)
    job = Job(options, Predictor(model, threads=1), tmp_path, 2, Interruption())
    infer_video(job, Source("video", str(path)), "a", "a", max_pixels=96 * 64)
    job.records.close()
    assert [record["frame"] for record in lines(tmp_path / "a.ndjson")] == list(range(12))


def test_leaving_closes_a_video_that_another_thread_reads(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", 400)
    with VideoFile(str(path)) as clip:
        frames = iter(clip)
        next(frames)
        reading = threading.Thread(target=lambda: list(frames))
        reading.start()
    reading.join(60)
    assert not reading.is_alive()


def test_skips_a_stream_that_appears_partway(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.flv", 150)  # longer than what is probed for streams
    sound = b"\x2f" + bytes(100)
    tag = b"\x08" + len(sound).to_bytes(3, "big") + bytes(7) + sound + (11 + len(sound)).to_bytes(4, "big")
    path.write_bytes(path.read_bytes() + tag)
    clip, frames = read(path)
    assert len(frames) == 150
    assert clip.damage is None
