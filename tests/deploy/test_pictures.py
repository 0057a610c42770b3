from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from benchmarks import hostile_images as hostile
from depdis_deploy import pictures
from depdis_deploy.command import InputError
from depdis_deploy.media.image_files import TooLarge
from depdis_deploy.pictures import read_picture
from depdis_deploy.taxonomy import CITYSCAPES_16


@pytest.fixture
def scene() -> np.ndarray:
    """A smooth picture whose four corners differ, 48 x 32."""
    rows, columns = np.mgrid[0:32, 0:48]
    return np.stack([rows * 8, columns * 5, (rows + columns) * 3], axis=2).astype(np.uint8)


def close(found: np.ndarray, expected: np.ndarray, within: float = 1.0) -> bool:
    return found.shape == expected.shape and float(np.abs(found.astype(int) - expected).mean()) <= within


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, scene: np.ndarray, orientation: int, kind: str) -> None:
    undo: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1),
        7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1], 8: lambda a: np.rot90(a, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](scene)))
    stored.save(tmp_path / "phone", kind, exif=exif, **({"quality": 98} if kind in ("JPEG", "WEBP") else {}))
    assert close(read_picture(tmp_path / "phone"), scene, 3)


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
        "missing.png": "no such file", "empty.jpg": "empty", "text.png": "not an image",
        "cut.jpg": "truncated", "head.jpg": "truncated", "moving.gif": "ffmpeg -i moving.gif",
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


UNLISTED = {
    "EPS": hostile.POSTSCRIPT,
    "EPS with a preview": hostile.postscript_with_preview(),
    "EPS behind other bytes": b"\x04\r\n" + hostile.POSTSCRIPT,
    "PDF": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n",
    "PSD": b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(64),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + bytes(40),
    "EMF": b"\x01\0\0\0" + bytes(36) + b" EMF" + bytes(40),
    "ICO": b"\0\0\x01\0\x01\0" + bytes(40),
    "ICNS": b"icns" + struct.pack(">I", 16) + b"ic07" + struct.pack(">I", 8),
    "PCX": b"\n\x05\x01\x08" + bytes(124),
    "FITS": b"SIMPLE  =                    T".ljust(2880),
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
}


@pytest.mark.parametrize("name", ["street.png", "street.jpg", "street.tif", "street.eps", "street"])
@pytest.mark.parametrize("kind", UNLISTED)
def test_rejects_unlisted_formats_and_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    started = tmp_path / "started"
    program = tmp_path / "bin/gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho > {started}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    (tmp_path / name).write_bytes(UNLISTED[kind])
    with pytest.raises(InputError) as error:
        read_picture(tmp_path / name)
    assert not started.exists()
    assert "not an image in a supported format, expected JPEG, PNG" in str(error.value)


COSTLY: dict[str, tuple[Callable[[], bytes], str]] = {
    "JPEG scans": (lambda: hostile.jpeg_with_scans(64, 64, 200), "scans or more, expected at most 100"),
    "JPEG scans behind an invalid segment": (
        lambda: hostile.jpeg_with_scans(64, 64, 200, b"\xff\xfe\0\0"), "scans or more, expected at most 100",
    ),
    "JPEG segments": (lambda: hostile.jpeg_with_segments(5000), "too many segments, expected at most 4,096"),
    "JPEG markers": (lambda: hostile.jpeg_with_segments(5000, b"\xff\xd0"), "too many segments"),
    "JPEG tables": (
        lambda: hostile.jpeg_with_segments(10, b"\xff\xdb\xff\xfd" + bytes(65_531)), "bytes of tables, expected"
    ),
    "PNG data chunks": (lambda: hostile.png_with_chunks(5000, b"IDAT"), "too many chunks, expected at most"),
    "PNG private chunks": (lambda: hostile.png_with_chunks(5000, b"prIv"), "too many chunks"),
    "WebP chunks": (lambda: hostile.webp_with_chunks(1001), "too many chunks, expected at most 1,000"),
    "BMP runs": (lambda: hostile.bmp_with_runs(64, 64, b"\1\0" * 2**19), "bytes of run-length encoded BMP"),
    "BMP rows": (lambda: hostile.bmp_with_runs(40_000, 1, b"\0\2\0\xff"), "40,000 pixels a row"),
    "GIF comment": (lambda: hostile.gif_with_blocks(5000, comment=True), "too many blocks, expected at most"),
    "GIF image": (lambda: hostile.gif_with_blocks(5000, comment=False), "too many blocks"),
    "TIFF tile": (lambda: hostile.tiff_with_tiles(64, 32, 20_000, 20_000), "tiles of 20000x20000"),
    "TIFF tile, raw": (lambda: hostile.tiff_with_tiles(64, 32, 20_000, 20_000, 1), "tiles of 20000x20000"),
    "TIFF tiles": (lambda: hostile.tiff_with_tiles(1, 1_000_000, 16, 16), "take 16,000,000 pixels"),
    "TIFF rows": (lambda: hostile.tiff_with_shared_strips(6000, 0), "6,000 strips or tiles, expected at most"),
    "TIFF strips": (lambda: hostile.tiff_with_shared_strips(100, 10_000), "in a file of"),
    "TIFF entries": (lambda: hostile.tiff(dict.fromkeys(range(1000, 6000), (4, 1, 1))), "directory entries"),
    "TIFF with LZMA": (lambda: hostile.tiff_with_tiles(64, 32, 64, 32, 34925), "compression 34925 is not"),
    "TIFF samples": (lambda: hostile.tiff({277: (4, 1, 10**9)}), "samples per pixel, expected at most 6"),
    "JPEG 2000 tiles": (lambda: hostile.jpeg2000_with_tiles(8000, 8000, 1), "tiles, expected at most 4,096"),
    "PPM header": (lambda: b"P6\n" + b"#\n" * 5000 + b"1 1\n255\nabc", "no size within its first 4,096 bytes"),
    "PPM text": (lambda: b"P3\n1 1\n255\n" + b"1 " * 600_000, "bytes of text for 3 values, expected at most"),
    "PPM comments": (lambda: b"P3\n1 1\n255\n" + b"#\n" * 5000 + b"1 2 3", "5,000 comments, expected at most"),
}  # fmt: skip


@pytest.mark.parametrize("kind", COSTLY)
def test_rejects_images_that_are_costly_to_decode(tmp_path: Path, kind: str) -> None:
    make, words = COSTLY[kind]
    (tmp_path / "a.png").write_bytes(make())
    with pytest.raises(InputError, match=words) as caught:
        read_picture(tmp_path / "a.png")
    assert str(caught.value).startswith(f"{tmp_path / 'a.png'}: ")
    assert "\n" not in str(caught.value)


METADATA: dict[str, Callable[[], bytes]] = {
    "EXIF entries": lambda: hostile.jpeg_with_exif(5000),
    "PNG texts": lambda: hostile.png_with_chunks(500, b"zTXt", b"C\0\0" + zlib.compress(bytes(10**6))),
    "PNG EXIF texts": lambda: hostile.png_with_chunks(
        500, b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(10**6))
    ),
    "PNG profiles": lambda: hostile.png_with_chunks(500, b"iCCP", b"C\0\0" + zlib.compress(bytes(10**6))),
    "TIFF entries": lambda: hostile.tiff_with_entries(2000, 10**6),
    "TIFF directories": lambda: hostile.tiff_with_directories(20_000),
    "JPEG fill bytes": lambda: hostile.jpeg_with_segments(10**5, b"\xff"),
}


def test_metadata_takes_no_memory(tmp_path: Path) -> None:
    for index, make in enumerate(METADATA.values()):
        (tmp_path / f"{index}.image").write_bytes(make())
    code = """
import sys
import numpy as np
from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from depdis_deploy.child_limits import limit_memory
from depdis_deploy.media.image_files import TooLarge
from depdis_deploy.pictures import read_picture
limit_memory(48 * 2**20)
for path in sys.argv[1:]:
    assert read_picture(path).shape == (32, 64, 3), path
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (400_000, 1)])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_reads_thin_images(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    width, height = size
    (tmp_path / "a").write_bytes(hostile.encoded(width, height, kind))
    assert (read_picture(tmp_path / "a") == (90, 120, 30)).all()
    assert read_picture(tmp_path / "a").shape == (height, width, 3)


@pytest.mark.parametrize("maxval", [1, 100, 255, 1000, 65535])
@pytest.mark.parametrize("digit", [2, 3, 5, 6])
def test_reads_netpbm_as_pillow_does(tmp_path: Path, scene: np.ndarray, digit: int, maxval: int) -> None:
    values = scene.astype(np.uint32) * maxval // 255
    values = values if digit in (3, 6) else values[..., 0]
    text = b" ".join(b"%d" % value for value in values.ravel()) + b"# end\n"
    binary = values.astype(">u2" if maxval > 255 else "u1").tobytes()
    head = b"P%d\n# a comment\n48 32\n%d\n" % (digit, maxval)
    (tmp_path / "a.ppm").write_bytes(head + (text if digit < 4 else binary))
    with Image.open(tmp_path / "a.ppm") as file:
        expected = np.asarray(file).astype(np.int64)
    if digit in (2, 5):
        expected = np.repeat(expected[..., None], 3, axis=2)
        expected = (expected + 128) // 257 if maxval > 255 else expected
    assert (read_picture(tmp_path / "a.ppm") == expected).all()


@pytest.mark.parametrize("digit", [1, 4])
def test_reads_bitmaps(tmp_path: Path, scene: np.ndarray, digit: int) -> None:
    bits = (scene[..., 0] > 100).astype(np.uint8)
    text, packed = "\n".join("".join(map(str, row)) for row in bits).encode(), np.packbits(bits, 1).tobytes()
    (tmp_path / "a.pbm").write_bytes(b"P%d 48 32\n" % digit + (text if digit == 1 else packed))
    assert (read_picture(tmp_path / "a.pbm")[..., 0] == 255 - 255 * bits).all()


@pytest.mark.parametrize("big_tiff", [False, True])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_reads_tiff(tmp_path: Path, scene: np.ndarray, compression: str | None, big_tiff: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    image = Image.fromarray(np.ascontiguousarray(np.rot90(scene, -1)))
    image.save(tmp_path / "a.tif", compression=compression, big_tiff=big_tiff, exif=exif)
    assert (read_picture(tmp_path / "a.tif") == scene).all()


@pytest.mark.parametrize("kind", ["JPEG2000", "AVIF"])
def test_reads_formats_of_the_child_process(tmp_path: Path, scene: np.ndarray, kind: str) -> None:
    Image.fromarray(scene).save(tmp_path / "a.png", kind)
    assert close(read_picture(tmp_path / "a.png"), scene, 6)


@pytest.mark.parametrize("place", ["eXIf", "XMP", "ImageMagick"])
def test_orientation_of_a_png_is_applied(tmp_path: Path, scene: np.ndarray, place: str) -> None:
    exif, texts = Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0112] = 3
    block = exif.tobytes()
    if place == "XMP":
        texts.add_itxt("XML:com.adobe.xmp", "<x tiff:Orientation='3'/><y tiff:Orientation=\"3\"/>")
    elif place == "ImageMagick":
        texts.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
    kept = {"exif": exif} if place == "eXIf" else {}
    Image.fromarray(scene[::-1, ::-1].copy()).save(tmp_path / "a.png", pnginfo=texts, **kept)
    assert (read_picture(tmp_path / "a.png") == scene).all()


def test_the_name_of_an_image_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(hostile.encoded(8, 8, "PNG"))
    assert read_picture(tmp_path / "a.jpg").shape == (8, 8, 3)


def test_rejects_pipes_devices_and_zero_sizes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "none.png").write_bytes(hostile.png_claiming(0, 8))
    expected = {"pipe.png": "got a folder, named pipe", "none.png": "0x8 is empty", "/dev/zero": "device"}
    for name, words in expected.items():
        with pytest.raises(InputError, match=words):
            read_picture(tmp_path / name)


def test_a_file_larger_than_its_image_can_be_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(hostile.encoded(8, 8, "PNG"))
    os.truncate(path, 100 * 2**20)
    with pytest.raises(TooLarge, match="104,857,600 bytes are too large, expected at most 67,109,664"):
        read_picture(path, max_pixels=100)


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
