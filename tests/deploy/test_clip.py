from __future__ import annotations

import gc
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from clips import faststart, level, make_clip

from depdis_deploy.clip import VideoFile
from depdis_deploy.command import InputError
from depdis_deploy.sources import Frame


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


def playlist(path: Path) -> None:
    make_clip(path.with_name("inner.ts"), 10)
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ninner.ts\n#EXT-X-ENDLIST\n")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("hello, world\n" * 100), "not a readable video"),
        (index_lost, "cut off before its index"),
        (only_sound, "no video"),
        (no_frames, "no frame|no video|not a readable"),
        (playlist, "not a readable video"),
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
