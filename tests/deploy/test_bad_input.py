"""Each kind of bad input: one line that says what to do, the right exit status, nothing left behind."""

from __future__ import annotations

import os
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from calling import infer
from clips import make_clip, write_picture
from PIL import Image

from benchmarks import hostile_images as hostile


def missing(folder: Path) -> list[object]:
    return [folder / "none.mp4"]


def empty(folder: Path) -> list[object]:
    (folder / "a.jpg").touch()
    return [folder / "a.jpg"]


def text_named_png(folder: Path) -> list[object]:
    (folder / "a.png").write_text("This is no picture.\n" * 20)
    return [folder / "a.png"]


def postscript_named_png(folder: Path) -> list[object]:
    (folder / "street.png").write_bytes(hostile.POSTSCRIPT)
    return [folder / "street.png"]


def pipe_named_png(folder: Path) -> list[object]:
    os.mkfifo(folder / "pipe.png")
    return [folder / "pipe.png"]


def truncated_jpeg(folder: Path) -> list[object]:
    path = write_picture(folder / "a.jpg", (320, 240))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return [path]


def index_lost(folder: Path) -> list[object]:
    path = make_clip(folder / "a.mp4", 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return [path]


def huge_header(folder: Path) -> list[object]:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))
    (folder / "a.png").write_bytes(data + chunk(b"IEND", b""))
    return [folder / "a.png"]


def animated_gif(folder: Path) -> list[object]:
    frames = [Image.new("RGB", (32, 32), (level, 0, 0)) for level in (0, 100, 200)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    return [folder / "a.gif"]


def empty_folder(folder: Path) -> list[object]:
    (folder / "in").mkdir()
    return [folder / "in"]


def full_outdir(folder: Path) -> list[object]:
    (folder / "out").mkdir()
    (folder / "out/mine.txt").write_text("keep me")
    return [write_picture(folder / "a.png"), "--outdir", folder / "out"]


def outdir_below_a_file(folder: Path) -> list[object]:
    (folder / "file").write_text("keep me")
    return [write_picture(folder / "a.png"), "--outdir", folder / "file" / "out"]


def outdir_is_a_file(folder: Path) -> list[object]:
    (folder / "file").write_text("keep me")
    return [write_picture(folder / "a.png"), "--outdir", folder / "file"]


def outdir_of_the_source(folder: Path) -> list[object]:
    return [make_clip(folder / "a.mp4", 3), "--outdir", folder, "--exist-ok"]


def no_camera(folder: Path) -> list[object]:
    return ["99"]


def no_stream(folder: Path) -> list[object]:
    return ["rtsp://me:secret@127.0.0.1:9/live"]


def web_address(folder: Path) -> list[object]:
    return ["https://me:secret@example.org/a.mp4"]


def no_such_number(folder: Path) -> list[object]:
    return ["99999999999"]


def broken_into_an_empty_outdir(folder: Path) -> list[object]:
    (folder / "mine").mkdir()
    return [*text_named_png(folder), "--outdir", folder / "mine"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (missing, "no such file"), (empty, "empty"), (text_named_png, "a.png"), (truncated_jpeg, "a.jpg"),
        (postscript_named_png, "not an image"), (pipe_named_png, "got a folder, named pipe"),
        (index_lost, "cut off"), (huge_header, "60000"), (animated_gif, "anima"), (empty_folder, "no pictures"),
        (full_outdir, "--exist-ok"), (outdir_below_a_file, "--outdir"), (outdir_is_a_file, "--outdir"),
        (outdir_of_the_source, "replace its source"), (no_camera, "camera 99"), (no_stream, "127.0.0.1:9/live"),
        (web_address, "rtsp://"), (no_such_number, "up to 99"), (broken_into_an_empty_outdir, "a.png"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], list[object]], says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    words = make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
    result = infer(capfd, monkeypatch, "--model", model, "--quiet", *words)
    assert result.status == 1
    assert len(result.err.splitlines()) == 1, result.err
    assert result.err.startswith("error: ")
    assert says in result.err
    assert "secret" not in result.err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert all(path.is_dir() for path in folders)


def not_onnx(folder: Path) -> Path:
    (folder / "m.onnx").write_bytes(b"certainly not a protobuf" * 10)
    return folder / "m.onnx"


def pickled(folder: Path) -> Path:
    (folder / "m.onnx").write_bytes(pickle.dumps({"weights": [1.0] * 100}))
    return folder / "m.onnx"


def no_model(folder: Path) -> Path:
    return folder / "none.onnx"


def foreign(folder: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "relu", [value], [out])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "m.onnx")
    return folder / "m.onnx"


@pytest.mark.parametrize("make", [not_onnx, pickled, no_model, foreign])
def test_a_model_that_is_none_is_refused_in_one_line(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], Path],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path)
    result = infer(capfd, monkeypatch, "--model", path, write_picture(tmp_path / "a.png"))
    assert result.status == 1
    assert len(result.err.splitlines()) == 1, result.err
    assert path.name in result.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--save", "movie"), 2, "--save movie"), (("--panel", "triple"), 2, "--panel triple"),
        (("--camera-fov", "200"), 2, "--camera-fov 200"), (("--stride", "0"), 2, "stride"),
        (("--camera-height", "0"), 2, "--camera-height 0"), (("--camera-height", "1.5"), 2, "no class road"),
        (("--batch", "many"), 2, "batch"), (("--nonsense",), 2, "--nonsense"), (("--device", "7"), 1, "7"),
        (("--device", "abacus"), 2, "abacus"), (("--imgsz", "640"), 2, "WIDTHxHEIGHT"),
        (("--imgsz", "16x16"), 2, "sides of 32"), (("--imgsz", "2x64x32"), 2, "takes WIDTHxHEIGHT, such"),
    ],
)  # fmt: skip
def test_wrong_usage(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...], status: int, says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = infer(capfd, monkeypatch, "--model", model, write_picture(tmp_path / "a.png"), *words)
    assert result.status == status
    assert says in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "runs").exists()
