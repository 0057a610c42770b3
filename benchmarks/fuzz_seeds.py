"""Whole files of every kind that the commands read, small, for a fuzzer to change."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

ROOT = Path(__file__).parents[1]
# The tests' small model and clips are real ones, and small is what thousands of runs want.
sys.path.append(str(ROOT / "tests" / "deploy"))

_VIDEOS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("h264.mp4", "libx264", {"sound": "aac"}), ("turned.mov", "libx264", {"rotation": 90}),
    ("pieces.mp4", "libx264", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
    ("h264.mkv", "libx264", {"sound": "libopus"}), ("ffv1.avi", "ffv1", {"sound": "pcm_s16le"}),
    ("mpeg4.avi", "mpeg4", {}), ("mpeg2.ts", "mpeg2video", {"sound": "mp2"}), ("vp9.webm", "libvpx-vp9", {}),
    ("h264.flv", "libx264", {}), ("bare.h264", "libx264", {}), ("mpeg1.mpg", "mpeg1video", {}),
    ("raw.y4m", "rawvideo", {}), ("wmv.wmv", "wmv2", {}),
)  # fmt: skip


def scene(size: tuple[int, int] = (80, 48)) -> Image.Image:
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    levels = np.stack([rows * 5, columns * 3, 255 - (rows + columns) * 2], axis=2)
    return Image.fromarray(levels.astype(np.uint8))


def make_pictures(folder: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds: list[tuple[str, str, str, dict[str, Any]]] = [
        ("a.jpg", "JPEG", "RGB", {}), ("progressive.jpg", "JPEG", "RGB", {"progressive": True}),
        ("turned.jpg", "JPEG", "RGB", {"exif": turned}), ("cmyk.jpg", "JPEG", "CMYK", {}),
        ("a.png", "PNG", "RGB", {}), ("palette.png", "PNG", "P", {}), ("alpha.png", "PNG", "RGBA", {}),
        ("bits.png", "PNG", "1", {}), ("deep.png", "PNG", "I;16", {}), ("a.webp", "WEBP", "RGB", {}),
        ("lossless.webp", "WEBP", "RGBA", {"lossless": True}), ("a.bmp", "BMP", "RGB", {}),
        ("a.tif", "TIFF", "RGB", {}), ("lzw.tif", "TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("deflate.tif", "TIFF", "L", {"compression": "tiff_adobe_deflate"}),
        ("jpeg.tif", "TIFF", "RGB", {"compression": "jpeg"}),
        ("fax.tif", "TIFF", "1", {"compression": "group4"}), ("a.gif", "GIF", "P", {}),
        ("a.ppm", "PPM", "RGB", {}), ("a.pgm", "PPM", "L", {}), ("a.jp2", "JPEG2000", "RGB", {}),
    ]  # fmt: skip
    if features.check("avif"):
        kinds.append(("a.avif", "AVIF", "RGB", {}))
    for name, kind, mode, options in kinds:
        picture = scene().convert("L").convert(mode) if mode == "I;16" else scene().convert(mode)
        picture.save(folder / name, kind, **options)


def make_videos(folder: Path) -> None:
    from clips import make_clip

    for name, codec, options in _VIDEOS:
        make_clip(folder / name, 10, codec=codec, **options)


def make_models(folder: Path) -> None:
    from tiny_model import write_tiny_model

    write_tiny_model(folder / "area.onnx")
    write_tiny_model(folder / "fit.onnx", kind="fit")
    write_tiny_model(folder / "labels.onnx", outputs=("labels",), canonical_focal_px=None)


def make_manifests(folder: Path) -> None:
    """An OpenVINO model with its manifest beside it; the manifest of the ONNX files is inside."""
    import openvino
    from tiny_model import manifest, write_tiny_model

    from depdis_deploy.backends import describe

    path = write_tiny_model(folder / "colours.onnx")
    openvino.save_model(openvino.convert_model(str(path)), str(folder / "colours.xml"), compress_to_fp16=False)
    described = json.loads(manifest().to_json())
    described["density"] = describe(ROOT / "depdis_deploy" / "models" / "depdis-street.onnx").density
    (folder / "colours.json").write_text(json.dumps(described))


def make_checkpoints(folder: Path) -> None:
    """The network's own, whose weights take megabytes, and ones of the same layout without them."""
    import torch
    from safetensors.torch import save_file

    from depdis_training.checkpoint import write_checkpoint, write_weights
    from depdis_training.network import build_network

    torch.manual_seed(0)
    network = build_network(16, "efficientnet_lite0")
    write_weights(folder / "network.safetensors", network, None)
    write_checkpoint(folder / "network.pt", network, None, config={"seed": 0}, step=3, state={})
    described = {"num_classes": 16, "backbone": "efficientnet_lite0", "branches": ["depth"]}
    weights = {"stem.weight": torch.zeros(3, 4)}
    metadata = {"format": "depdis-checkpoint", "version": "1", "network": json.dumps(described)}
    save_file(weights, folder / "small.safetensors", metadata)
    content = {
        "format": "depdis-checkpoint", "version": 1, "network": described, "manifest": None, "weights": weights,
        "config": {}, "step": 1, "state": {"random": [1, 2.5, "x"]},
    }  # fmt: skip
    torch.save(content, folder / "small.pt")
    torch.save({"model": {"layer.weight": torch.ones(2, 2)}, "optimizer": {}}, folder / "released.pth")
    torch.save(content, folder / "old.pth", _use_new_zipfile_serialization=False)
    (folder / "bare.pth").write_bytes(pickle.dumps({"weights": [1.0, 2.0]}))


def make_lists(folder: Path) -> None:
    scene().save(folder / "good.png")
    lines = [
        "# pictures", "good.png", "./good.png", "../in/good.png", "none.png", "", "/etc/passwd", "/dev/zero",
        "/proc/self/mem", "http://127.0.0.1:9/a.png", "x" * 300 + ".png", "ümläut ☃.png", "a\tb.png", "~/x.png",
        "$HOME/x.mp4", "0",
    ]  # fmt: skip
    (folder / "list.txt").write_text("\n".join(lines))


def clip_and_model(folder: Path, frames: int) -> tuple[Path, Path]:
    """A video with sound, and the small model."""
    from clips import make_clip
    from tiny_model import write_tiny_model

    clip = make_clip(folder / "drive.mp4", frames, size=(160, 80), sound="aac")
    return clip, write_tiny_model(folder / "colours.onnx")


_MAKERS = {
    "pictures": make_pictures, "videos": make_videos, "models": make_models, "manifests": make_manifests,
    "checkpoints": make_checkpoints, "lists": make_lists,
}  # fmt: skip


def make_all(place: Path, kinds: Collection[str]) -> None:
    """A folder for each of the kinds, and those that all need: models, and pictures for requests."""
    for kind, make in _MAKERS.items():
        if kind in kinds or kind in ("models", "pictures"):
            (place / kind).mkdir()
            make(place / kind)
