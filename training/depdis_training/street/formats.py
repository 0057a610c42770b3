"""How one generated picture is written in a real set's own folders and file formats."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from depdis_deploy.taxonomy import CITYSCAPES_16, IGNORE, view_camvid
from depdis_training.data.label_maps import class_names, written_ids
from depdis_training.data.samples import FARTHEST_M

if TYPE_CHECKING:
    from . import StreetPicture

BASELINE_M = 0.209313  # of Cityscapes' stereo camera
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95)


@dataclass(frozen=True)
class Format:
    """A set's files.

    stem: the index of a picture -> what its files are called.
    paths: (stem, split) -> a picture's files below the root; `encoded`: their contents in the same order.
    common: the focal length in pixels of each picture by its stem -> the whole set's own files.
    divided: whether there are a training and a validation split.
    """

    stem: Callable[[int], str]
    paths: Callable[[str, str], tuple[str, ...]]
    encoded: Callable[[StreetPicture], tuple[bytes, ...]]
    common: Callable[[Mapping[str, float]], dict[str, bytes]]
    divided: bool


def depth_cm(depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Metres as 16-bit centimetres, 65535 the sky; at least 1, since 0 says unknown."""
    return np.asarray(np.clip(np.rint(depth_m * np.float32(100)), 1, 65535), np.uint16)


def disparity(depth_m: NDArray[np.float32], focal_px: float) -> NDArray[np.uint16]:
    """Cityscapes' 16-bit disparity, 256 baseline f / depth + 1; 0, not measured, for the sky."""
    values = np.rint(np.float32(256 * BASELINE_M * focal_px) / depth_m) + 1
    return np.where(depth_m >= FARTHEST_M, 0, np.clip(values, 1, 65535)).astype(np.uint16)


def png(values: NDArray[Any]) -> bytes:
    """A PNG of (H, W) or (H, W, 3) RGB values, 8 or 16 bit."""
    return _encoded(".png", values, ())


def palette_png(values: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """An 8-bit palette PNG of (H, W) indices; palette: (256, 3) uint8."""
    picture = Image.fromarray(values)
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def label_palette(indices: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """(256, 3) uint8: Cityscapes' colours, for the ids that `indices` (256,) gives the 16 classes."""
    palette = np.zeros((256, 3), np.uint8)
    for index, colour in enumerate(CITYSCAPES_16.palette):
        palette[index if indices is None else indices[index]] = colour
    return palette


def _encoded(suffix: str, values: NDArray[Any], settings: tuple[int, ...]) -> bytes:
    pixels = np.ascontiguousarray(values[..., ::-1]) if values.ndim == 3 else values
    done, data = cv2.imencode(suffix, pixels, list(settings))
    if not done:
        raise ValueError(f"cannot write {values.dtype} values of shape {values.shape} as {suffix}")
    return data.tobytes()


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def _synthia_paths(stem: str, split: str) -> tuple[str, ...]:
    return f"RGB/{stem}.png", f"GT/LABELS/{stem}.png", f"Depth/{stem}.png"


def _synthia(picture: StreetPicture) -> tuple[bytes, ...]:
    # The original keeps the class in the red channel and an instance number in the green one.
    labels = np.zeros((*picture.labels.shape, 3), np.uint16)
    labels[..., 0] = written_ids("synthia")[picture.labels]
    return png(picture.image), png(labels), png(depth_cm(picture.depth_m))


def _synthia_common(focal_px: Mapping[str, float]) -> dict[str, bytes]:
    return {"cameras.json": _json({stem: {"focal_px": value} for stem, value in sorted(focal_px.items())})}


def _cityscapes_paths(stem: str, split: str) -> tuple[str, ...]:
    endings = {
        "leftImg8bit": "leftImg8bit.png",
        "gtFine": "gtFine_labelIds.png",
        "disparity": "disparity.png",
        "camera": "camera.json",
    }
    return tuple(f"{kind}/{split}/street/{stem}_{ending}" for kind, ending in endings.items())


def _cityscapes(picture: StreetPicture) -> tuple[bytes, ...]:
    height, width = picture.labels.shape
    camera = {
        "extrinsic": {"baseline": BASELINE_M},
        "intrinsic": {"fx": picture.focal_px, "fy": picture.focal_px, "u0": width / 2, "v0": height / 2},
    }
    labels = png(written_ids("cityscapes")[picture.labels])
    return png(picture.image), labels, png(disparity(picture.depth_m, picture.focal_px)), _json(camera)


def _mapillary_paths(labels: str, stem: str, split: str) -> tuple[str, ...]:
    folder = {"train": "training", "val": "validation"}[split]
    return f"{folder}/images/{stem}.jpg", f"{folder}/{labels}/{stem}.png"


def _mapillary(layout: str, picture: StreetPicture) -> tuple[bytes, ...]:
    ids = written_ids(layout)
    return _encoded(".jpg", picture.image, _JPEG), palette_png(ids[picture.labels], label_palette(ids))


def _mapillary_common(layout: str, config: str, focal_px: Mapping[str, float]) -> dict[str, bytes]:
    colours = label_palette(written_ids(layout)).tolist()
    labels = [
        {"readable": name, "name": name.lower(), "color": colours[value], "evaluate": True, "instances": False}
        for value, name in enumerate(class_names(layout))
    ]
    return {config: _json({"labels": labels, "version": layout.removeprefix("mapillary-v")})}


def _mapillary_format(layout: str, labels: str, config: str) -> Format:
    return Format(
        "street_{:06d}".format, partial(_mapillary_paths, labels), partial(_mapillary, layout),
        partial(_mapillary_common, layout, config), True,
    )  # fmt: skip


def _camvid_paths(stem: str, split: str) -> tuple[str, ...]:
    return f"{split}/{stem}.png", f"{split}annot/{stem}.png"


def _camvid(picture: StreetPicture) -> tuple[bytes, ...]:
    # Each of the 16 classes has a place among the 11, so that void (11) never occurs.
    return png(picture.image), png(view_camvid()[picture.labels])


def _own_paths(stem: str, split: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{split}/{stem}.png" for folder in ("images", "labels", "depth"))


def _own(picture: StreetPicture) -> tuple[bytes, ...]:
    return png(picture.image), palette_png(picture.labels, label_palette()), png(depth_cm(picture.depth_m))


def _own_common(focal_px: Mapping[str, float]) -> dict[str, bytes]:
    description = {
        "names": CITYSCAPES_16.names,
        "ids": list(range(len(CITYSCAPES_16))),
        "palette": CITYSCAPES_16.palette,
        "ignore": [IGNORE],
        "depth": {"metres_per_unit": 0.01, "invalid": 0, "sky": 65535},
        "maps_to": {"cityscapes-16": {name: name for name in CITYSCAPES_16.names}},
    }
    lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in description.items())
    return {"taxonomy.yaml": lines.encode(), **_synthia_common(focal_px)}


FORMATS = {
    "synthia": Format("{:07d}".format, _synthia_paths, _synthia, _synthia_common, False),
    "cityscapes": Format("street_{:06d}_000019".format, _cityscapes_paths, _cityscapes, lambda _: {}, True),
    "mapillary-v1.2": _mapillary_format("mapillary-v1.2", "labels", "config.json"),
    "mapillary-v2.0": _mapillary_format("mapillary-v2.0", "v2.0/labels", "config_v2.0.json"),
    "camvid": Format("street_{:06d}".format, _camvid_paths, _camvid, lambda _: {}, True),
    "own": Format("street_{:06d}".format, _own_paths, _own, _own_common, True),
}
