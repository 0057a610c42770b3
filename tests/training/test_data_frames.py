"""Frames of the user's own camera: folders of pictures and sampled videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from depdis_deploy.command import InputError
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.data import open_dataset


def clip(path: Path, levels: list[int], aspect: Fraction = Fraction(1)) -> None:
    """A video of 10 frames a second, frame i of the grey level `levels[i]`."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for index, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def test_a_video_is_sampled_in_time_and_standing_scenes_once(tmp_path: Path) -> None:
    path = tmp_path / "drive.mp4"
    # Frames 0, 5, 10, ... are half a second apart; 10 and 15 show what 5 showed.
    clip(path, [20] * 5 + [90] * 15 + [160] * 5 + [230] * 5)
    frames = open_dataset("frames", path, "train", CITYSCAPES_16)
    assert frames.names == ["drive_000000", "drive_000005", "drive_000020", "drive_000025"]
    assert len(frames) == 4
    for index, level in enumerate((20, 90, 160, 230)):
        sample = frames[index]
        assert sample.image.shape == (48, 64, 3)
        assert np.abs(sample.image.astype(int) - level).mean() < 3
        assert sample.labels is None
        assert sample.depth_m is None


def test_samples_all_parts_of_a_joined_video(tmp_path: Path) -> None:
    part, joined = tmp_path / "part.ts", tmp_path / "joined.ts"
    clip(part, [20] * 5 + [90] * 5)
    joined.write_bytes(3 * part.read_bytes())
    frames = open_dataset("frames", joined, "train", CITYSCAPES_16)
    assert frames.names == [f"joined_{index:06d}" for index in range(0, 30, 5)]


@pytest.mark.parametrize(("aspect", "shape"), [(Fraction(3, 2), (48, 96, 3)), (Fraction(1, 2), (96, 64, 3))])
def test_frames_of_a_video_get_square_pixels(
    tmp_path: Path, aspect: Fraction, shape: tuple[int, int, int]
) -> None:
    clip(tmp_path / "a.mp4", [90, 90], aspect)
    assert open_dataset("frames", tmp_path / "a.mp4", "train", CITYSCAPES_16)[0].image.shape == shape


def test_a_folder_of_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = np.zeros((6, 8, 3), np.uint8)
    image[..., 0] = 200  # blue for OpenCV
    for name in ("b.png", "a.png"):
        assert cv2.imwrite(str(tmp_path / name), image)
    (tmp_path / "notes.txt").write_text("not a picture")
    frames = open_dataset("frames", tmp_path, "train", CITYSCAPES_16)
    assert frames.names == ["a", "b"]
    assert "skipped 1 file: 1 .txt" in capsys.readouterr().err
    assert np.array_equal(frames[1].image, image[..., ::-1])


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures or videos"):
        open_dataset("frames", tmp_path, "train", CITYSCAPES_16)
    with pytest.raises(InputError, match="no such file"):
        open_dataset("frames", tmp_path / "none.mp4", "train", CITYSCAPES_16)
    with pytest.raises(InputError, match="no split 'night'; train, val, all"):
        open_dataset("frames", tmp_path, "night", CITYSCAPES_16)


def test_rejects_a_playlist_that_names_another_file(tmp_path: Path) -> None:
    clip(tmp_path / "private.ts", [20] * 6)
    path = tmp_path / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/private.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError, match="not a readable video"):
        open_dataset("frames", path, "train", CITYSCAPES_16)
