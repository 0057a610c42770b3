from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from clips import images, level, make_clip, picture, stamps_s

from depdis_deploy.clip import VideoFile
from depdis_deploy.video import VideoWriter, _resampled, even_size, to_yuv


def recode(source: Path, path: Path, **options: int) -> VideoWriter:
    with VideoFile(str(source), **options) as clip:
        writer = None
        for frame in clip:
            size = even_size(frame.image)
            if writer is None:
                writer = VideoWriter(
                    path, size, time_base=clip.time_base, rate=clip.rate, aspect=clip.aspect
                )  # fmt: skip
            assert frame.pts is not None
            writer.write(to_yuv(frame.image, size), frame.pts)
        assert writer is not None
        writer.close()
        assert writer.finish(clip.end_pts, clip.audio, audio_start_s=clip.start_s) is None
    return writer


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25)])
def test_length_rate_and_pictures_are_the_sources(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    source = make_clip(tmp_path / f"in.{suffix}", 30, rate=rate)
    out = tmp_path / "out.mp4"
    writer = recode(source, out)
    assert not writer.part.exists()
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == rate
        assert stream.frames == 30
        assert stream.duration * stream.time_base == 30 / rate
    assert [int(image[-3, -3, 0]) for image in images(out)] == pytest.approx(
        [level(i) for i in range(30)], abs=3
    )
    assert images(out)[0][3, 3] == pytest.approx([200, 30, 30], abs=6)
    data = out.read_bytes()
    assert data.find(b"moov") < data.find(b"mdat")


def test_stamps_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    stamps = [0, 100, 150, 400, 410, 800, 1000, 1300]
    source = make_clip(tmp_path / "in.mkv", 8, stamps=stamps, time_base=Fraction(1, 1000))
    recode(source, tmp_path / "out.mp4")
    assert stamps_s(tmp_path / "out.mp4") == pytest.approx([s / 1000 for s in stamps], abs=2e-4)


def test_a_stride_keeps_the_length(tmp_path: Path) -> None:
    recode(make_clip(tmp_path / "in.mp4", 20), tmp_path / "out.mp4", stride=5)
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.frames == 4
        assert stream.average_rate == 5
        assert stream.duration * stream.time_base == Fraction(20, 25)


@pytest.mark.parametrize(
    ("suffix", "sound", "kept_as"),
    [("mp4", "aac", "aac"), ("mov", "pcm_s16le", "aac"), ("mkv", "libopus", "opus")],
)
def test_sound_is_kept(tmp_path: Path, suffix: str, sound: str, kept_as: str) -> None:
    source = make_clip(tmp_path / f"in.{suffix}", 50, sound=sound)
    recode(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == kept_as
        heard = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(stream)])
        assert len(heard) / stream.codec_context.sample_rate == pytest.approx(2.0, abs=0.05)
        spectrum = np.abs(np.fft.rfft(heard[4800:52800] * np.hanning(48000)))
        assert abs(int(spectrum.argmax()) - 440) <= 2


def test_fills_short_gaps_of_reencoded_audio_with_silence() -> None:
    def frames() -> Iterator[av.AudioFrame]:
        for start_s in (1, 1.5, 500):
            frame = av.AudioFrame.from_ndarray(np.full((1, 4800), 9000, np.int16), layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 48000, Fraction(1, 1000), round(1000 * start_s)
            yield frame

    encoder = SimpleNamespace(sample_rate=48000, layout=av.AudioLayout("mono"))
    heard = list(_resampled(frames(), encoder, 1.0, np.inf))
    samples = np.concatenate([frame.to_ndarray()[0] for frame in heard])
    assert len(samples) == 48000 * 0.7
    assert np.flatnonzero(samples[4800:24000]).size < 100
    assert samples[25000:].min() > 0.1
    assert float(heard[-1].time) == pytest.approx(499, abs=0.1)


def test_odd_panels_are_padded_and_changed_ones_scaled() -> None:
    odd = picture(3, (95, 63))
    assert even_size(odd) == (96, 64)
    assert to_yuv(odd, (96, 64)).shape == (96, 96)
    grown = to_yuv(picture(3, (200, 120)), (96, 64))
    assert grown.shape == (96, 96)
    assert grown.flags.c_contiguous


@pytest.mark.parametrize("size", [(640, 2), (2, 640), (2, 2), (4, 6), (62, 62), (64, 126)])
def test_encodes_every_even_size_without_shifting_colours(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    panel = np.full((height, width, 3), (200, 30, 30), np.uint8)
    panel[height // 2 :] = (30, 30, 200)
    rate = Fraction(25)
    writer = VideoWriter(tmp_path / "a.mp4", size, time_base=1 / rate, rate=rate, aspect=Fraction(1))
    for pts in range(2):
        writer.write(to_yuv(panel, size), pts)
    writer.close()
    writer.finish(2)
    shown = images(tmp_path / "a.mp4")
    assert [image.shape for image in shown] == [panel.shape] * 2
    if height >= 8:  # colour has half of the rows
        away = np.abs(shown[0].astype(int) - panel).max(axis=(1, 2))
        assert away[: height // 2 - 4].max() < 20
        assert away[height // 2 + 4 :].max() < 20


@pytest.mark.parametrize(
    ("time_base", "rate", "step"),
    [
        (Fraction(1, 10_000), Fraction(1, 10**9), 10**13),
        (Fraction(1, 10_000), Fraction(1, 86_400), 864 * 10**6),
        (Fraction(1, 90_000), Fraction(25), 2**31),
        (Fraction(1, 90_000), Fraction(25), 2**40),
        (Fraction(1, 10**9), Fraction(1, 5), 5 * 10**9),
        (Fraction(1, 10**9), Fraction(10**9), 1),
        (Fraction(1, 2**31 - 1), Fraction(1, 2**31 - 1), (2**31 - 1) ** 2),
    ],
)
def test_extreme_rates_and_gaps_give_growing_stamps(
    tmp_path: Path, time_base: Fraction, rate: Fraction, step: int
) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", (16, 16), time_base=time_base, rate=rate, aspect=Fraction(1))
    for index in range(3):
        writer.write(np.full((24, 16), 100, np.uint8), index * step)
    writer.close()
    writer.finish(3 * step)
    stamps = stamps_s(tmp_path / "a.mp4")
    assert len(stamps) == 3
    # exact up to what MP4 can express
    ends_s = float(min(step, 2**31 * max(time_base, Fraction(1, 10**6)) / time_base) * time_base)
    assert np.diff(stamps) == pytest.approx([ends_s] * 2, rel=0.01)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.duration * stream.time_base) == pytest.approx(3 * ends_s, rel=0.01)


def test_part_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep me")
    (tmp_path / "a.part.mp4").symlink_to(tmp_path / "mine")
    recode(make_clip(tmp_path / "in.mp4", 3), tmp_path / "a.mp4")
    assert (tmp_path / "mine").read_bytes() == b"keep me"
    assert len(images(tmp_path / "a.mp4")) == 3


ENDLESS = """
import sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from depdis_deploy.video import VideoWriter
rate = Fraction(25)
writer = VideoWriter(Path(sys.argv[1]), (96, 64), time_base=1 / rate, rate=rate, aspect=Fraction(1))
for index in range(10**9):
    writer.write(np.full((96, 96), 16 + index % 200, np.uint8), index)
    if index == 100:
        print("going", flush=True)
"""


def test_the_part_plays_after_sigkill(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(out)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(images(tmp_path / "out.part.mp4")) > 60
    assert not out.exists()
