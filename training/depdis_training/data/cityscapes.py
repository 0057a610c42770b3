"""Cityscapes, and generated streets in its layout.

leftImg8bit/SPLIT/CITY/X_leftImg8bit.png, gtFine/SPLIT/CITY/X_gtFine_labelIds.png,
disparity/SPLIT/CITY/X_disparity.png and camera/SPLIT/CITY/X_camera.json.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.json_files import read_json
from depdis_deploy.taxonomy import Taxonomy

from . import reading
from .label_images import code_of, read_labels
from .label_maps import label_colours, label_table
from .samples import FARTHEST_M, Sample

SPLITS = ("train", "val", "test")


class Cityscapes:
    """One split. Labels and depth are those of `val` alone: the training pictures' labels are never read,
    since adaptation has none. Depth is given where the set has disparity and camera files."""

    def __init__(self, root: Path, split: str, taxonomy: Taxonomy, whole: bool = True) -> None:
        if split not in SPLITS:
            raise InputError(f"Cityscapes has no split {split!r}; it has {', '.join(SPLITS)}")
        self.taxonomy = taxonomy
        self._code = code_of(label_table("cityscapes", taxonomy), label_colours("cityscapes"))
        pictures = reading.folder(root, "leftImg8bit", split, what="Cityscapes")
        ending = "_leftImg8bit.png"
        found = [
            path
            for path in reading.files(pictures, (".png",), "*/*")
            if path.name.lower().endswith(ending.lower())
        ]
        if not found:
            raise InputError(f"{pictures}: holds no city/*{ending} files")
        places = [path.relative_to(pictures).as_posix()[: -len(ending)] for path in found]
        self.names = [place.rsplit("/", 1)[-1] for place in places]
        self._files: dict[str, list[Path]] = {"picture": found}
        if split == "val":
            where = reading.folder(root, "gtFine", split, what="Cityscapes")
            self._files["labels"] = reading.counterparts(where, places, "_gtFine_labelIds.png")
        if split == "val" and (root / "disparity" / split).is_dir():
            self._files["depth"] = reading.counterparts(root / "disparity" / split, places, "_disparity.png")
        if "depth" in self._files or (root / "camera" / split).is_dir():
            self._files["camera"] = reading.counterparts(root / "camera" / split, places, "_camera.json")
        for kind in ("labels", "depth", "camera"):
            reading.require(self._files.get(kind, ()), str(root), whole)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name, files = self.names[index], self.files(index)
        image = reading.read_rgb(files["picture"])
        labels = depth_m = focal_px = None
        if "labels" in files:
            labels = read_labels(files["labels"], self._code)
        if "camera" in files:
            focal_px, baseline_m = _camera(files["camera"])
            if "depth" in files:
                depth_m = _depth(files["depth"], focal_px * baseline_m)
        reading.same_size(name, picture=image, labels=labels, depth=depth_m)
        return Sample(name, image, labels, depth_m, focal_px)

    def files(self, index: int) -> dict[str, Path]:
        """What sample `index` is read from."""
        return {kind: paths[index] for kind, paths in self._files.items()}


def _camera(path: Path) -> tuple[float, float]:
    """The focal length in pixels and the baseline in metres."""
    camera = read_json(path, dict)
    try:
        focal_px, baseline_m = camera["intrinsic"]["fx"], camera["extrinsic"]["baseline"]
    except (KeyError, TypeError):
        raise InputError(f"{path}: no intrinsic.fx and extrinsic.baseline, which a camera file has") from None
    return (
        reading.positive(focal_px, "intrinsic.fx", path),
        reading.positive(baseline_m, "extrinsic.baseline", path),
    )


def _depth(path: Path, focal_baseline: float) -> NDArray[np.float32]:
    """(H, W) float32 metres from 16-bit p: disparity (p - 1) / 256 pixels; 0 where p <= 1, nothing measured."""
    values = reading.read_png(path)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise InputError(f"{path}: disparity is one channel of 16 bits, got {values.dtype} {values.shape}")
    if not values.any():
        raise InputError(f"{path}: every disparity is 0; the file holds no depth")
    disparity = (values.astype(np.float32) - 1) / 256
    valid = disparity > 0
    depth_m = np.divide(np.float32(focal_baseline), disparity, out=np.zeros_like(disparity), where=valid)
    return np.minimum(depth_m, np.float32(FARTHEST_M))
