from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import images, level, make_clip, picture, stamps_s

from depdis_deploy.clip import VideoFile
from depdis_deploy.video import VideoWriter, even_size, to_yuv


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


def test_odd_panels_are_padded_and_changed_ones_scaled() -> None:
    odd = picture(3, (95, 63))
    assert even_size(odd) == (96, 64)
    assert to_yuv(odd, (96, 64)).shape == (96, 96)
    grown = to_yuv(picture(3, (200, 120)), (96, 64))
    assert grown.shape == (96, 96)
    assert grown.flags.c_contiguous


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
