from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depdis_deploy import pictures
from depdis_deploy.command import InputError
from depdis_deploy.pictures import read_picture
from depdis_deploy.taxonomy import CITYSCAPES_16


@pytest.fixture
def scene() -> np.ndarray:
    """A smooth picture whose four corners differ, 48 x 32."""
    rows, columns = np.mgrid[0:32, 0:48]
    return np.stack([rows * 8, columns * 5, (rows + columns) * 3], axis=2).astype(np.uint8)


def close(found: np.ndarray, expected: np.ndarray, within: float = 1.0) -> bool:
    return found.shape == expected.shape and float(np.abs(found.astype(int) - expected).mean()) <= within


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, scene: np.ndarray, orientation: int) -> None:
    undo: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1),
        7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1], 8: lambda a: np.rot90(a, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](scene)))
    stored.save(tmp_path / "phone.jpg", quality=98, exif=exif)
    assert close(read_picture(tmp_path / "phone.jpg"), scene, 3)


def test_grey_palette_one_bit_and_cmyk(tmp_path: Path, scene: np.ndarray) -> None:
    grey = scene[..., 1]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert close(read_picture(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, axis=2), 0)
    Image.fromarray(scene).quantize(256).save(tmp_path / "palette.png")
    assert close(read_picture(tmp_path / "palette.png"), scene, 6)
    Image.fromarray((grey > 120).astype(np.uint8) * 255).convert("1").save(tmp_path / "bits.png")
    assert set(np.unique(read_picture(tmp_path / "bits.png"))) == {0, 255}
    Image.fromarray(scene).convert("CMYK").save(tmp_path / "print.jpg", quality=98)
    assert close(read_picture(tmp_path / "print.jpg"), scene, 6)


def test_transparency_lies_on_white(tmp_path: Path, scene: np.ndarray) -> None:
    alpha = np.zeros(scene.shape[:2], np.uint8)
    alpha[:, 24:] = 255
    Image.fromarray(np.dstack([scene, alpha])).save(tmp_path / "cut.png")
    found = read_picture(tmp_path / "cut.png")
    assert (found[:, :24] == 255).all()
    assert (found[:, 24:] == scene[:, 24:]).all()


def test_sixteen_bits_become_eight(tmp_path: Path, scene: np.ndarray) -> None:
    deep = scene[..., 0].astype(np.uint16) * 257
    for name in ("deep.png", "deep.tif"):
        Image.fromarray(deep).save(tmp_path / name)
        assert (read_picture(tmp_path / name) == scene[..., :1]).all()


def test_sixteen_bit_colour(tmp_path: Path, scene: np.ndarray) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "deep.png"), scene[..., ::-1].astype(np.uint16) * 257)
    assert close(read_picture(tmp_path / "deep.png"), scene, 0)


def header_only(path: Path, width: int, height: int) -> Path:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 11_000)])
def test_a_huge_picture_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="too large"):
        read_picture(header_only(tmp_path / "huge.png", *size))


def test_what_is_no_picture_is_refused_in_one_line(tmp_path: Path, scene: np.ndarray) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("hello, I am no picture")
    whole = tmp_path / "whole.jpg"
    Image.fromarray(np.tile(scene, (8, 8, 1))).save(whole, quality=95)
    data = whole.read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "head.jpg").write_bytes(data[:30])
    frames = [Image.fromarray(np.roll(scene, shift, 1)) for shift in range(4)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    Image.fromarray(scene[..., 0].astype(np.float32)).save(tmp_path / "float.tif")
    (tmp_path / "folder.png").mkdir()
    expected = {
        "missing.png": "no such file", "empty.jpg": "empty", "text.png": "not a picture",
        "cut.jpg": "truncated", "head.jpg": "picture", "moving.gif": "ffmpeg -i moving.gif",
        "moving.webp": "animated", "float.tif": "floats", "folder.png": "folder",
    }  # fmt: skip
    for name, words in expected.items():
        with pytest.raises(InputError, match=words) as caught:
            read_picture(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_still_gif_and_a_phones_double_picture_are_pictures(tmp_path: Path, scene: np.ndarray) -> None:
    Image.fromarray(scene).save(tmp_path / "still.gif")
    assert close(read_picture(tmp_path / "still.gif"), scene, 8)
    first, second = Image.fromarray(scene), Image.fromarray(scene[::-1].copy())
    first.save(tmp_path / "stereo.jpg", "MPO", save_all=True, append_images=[second], quality=98)
    assert close(read_picture(tmp_path / "stereo.jpg"), scene, 3)


def test_written_files_say_what_they_hold(tmp_path: Path) -> None:
    labels = np.array([[0, 3, 15], [255, 2, 1]], np.uint8)
    pictures.write_labels(tmp_path / "labels.png", labels, CITYSCAPES_16)
    with Image.open(tmp_path / "labels.png") as file:
        assert file.mode == "P"
        assert (np.asarray(file) == labels).all()
        colours = np.asarray(file.convert("RGB"))
        assert tuple(colours[0, 1]) == CITYSCAPES_16.palette[3]
        assert tuple(colours[1, 0]) == (0, 0, 0)
    depth_m = np.array([[0.0, 10.004, 655.35], [1000, 3.125, 80]], np.float32)
    pictures.write_depth(tmp_path / "depth.png", depth_m)
    with Image.open(tmp_path / "depth.png") as file:
        assert file.text["Unit"] == "cm"  # type: ignore[attr-defined]
        assert np.asarray(file).tolist() == [[0, 1000, 65535], [65535, 313, 8000]]
    pictures.write_share(tmp_path / "density.png", np.array([[0, 0.5, 1]], np.float32), "density")
    with Image.open(tmp_path / "density.png") as file:
        assert (file.mode, np.asarray(file).tolist()) == ("L", [[0, 128, 255]])


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="Not a directory"):
        pictures.write_rgb(tmp_path / "file" / "a.png", np.zeros((2, 2, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
