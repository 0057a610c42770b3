"""A user's own set: images/, labels/ and depth/ with files of equal names, described by taxonomy.yaml.

Pictures lie in images/ or in folders below it; images/train, images/val and images/test are splits. Labels and
depth lie in the same place below labels/ and depth/. See docs/data.md.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.json_files import read_json
from depdis_deploy.taxonomy import Taxonomy

from . import reading
from .description import FILE, Description, read_description
from .label_images import read_labels
from .samples import FARTHEST_M, Sample

SPLITS = ("train", "val", "test", "all")
_WHAT = "user's own"


class Own:
    """One split, or the whole set under each name where it is not divided.

    taxonomy None: the set's own classes. whole False: missing files are found when they are read. Labels and
    depth are given where the split has them; where there is a folder of them, it has to hold all.
    """

    def __init__(self, root: Path, split: str, taxonomy: Taxonomy | None, whole: bool = True) -> None:
        pictures = reading.folder(root, "images", what=_WHAT)
        self._description = read_description(root / FILE)
        self.taxonomy = taxonomy or self._description.classes
        self._code = self._description.code()
        self._lookup = None if taxonomy is None else self._description.lookup(taxonomy)
        place = _place(root, pictures, split)
        found = reading.files(pictures / place, reading.PICTURE_SUFFIXES, "**/*")
        self._pictures = found
        stems = [path.relative_to(pictures / place).with_suffix("").as_posix() for path in found]
        self.names = [stem.replace("/", "_") for stem in stems]
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise InputError(f"{pictures}: two pictures are named {twice[0]}; rename one")
        self._labels = self._beside(root / "labels" / place, stems, whole)
        self._depth = self._beside(root / "depth" / place, stems, whole)
        if self._depth is not None and self._description.depth is None:
            raise InputError(
                f"{root / FILE}: says nothing of the unit of the folder depth; "
                "add depth: {metres_per_unit: 0.01} for centimetres"
            )
        cameras = root / "cameras.json"
        self._focal_px: dict[str, float] = {}
        if cameras.exists():
            self._focal_px = reading.focal_lengths(read_json(cameras, dict), map(_key, stems), cameras)
        self._stems = stems

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name, files = self.names[index], self.files(index)
        image = reading.read_rgb(files["picture"])
        labels = self._read_labels(files["labels"]) if "labels" in files else None
        depth_m = self._read_depth(files["depth"]) if "depth" in files else None
        reading.same_size(name, picture=image, labels=labels, depth=depth_m)
        return Sample(
            name,
            image,
            labels,
            depth_m,
            self._focal_px.get(_key(self._stems[index]), self._description.focal_px),
        )

    def files(self, index: int) -> dict[str, Path]:
        """What sample `index` is read from."""
        kinds = {"picture": self._pictures, "labels": self._labels, "depth": self._depth}
        return {kind: paths[index] for kind, paths in kinds.items() if paths is not None}

    @staticmethod
    def _beside(where: Path, stems: list[str], whole: bool) -> list[Path] | None:
        if not where.is_dir():
            return None
        paths = reading.counterparts(where, stems)
        reading.require(paths, str(where), whole)
        return paths

    def _read_labels(self, path: Path) -> NDArray[np.uint8]:
        own = read_labels(path, self._code)
        return own if self._lookup is None else self._lookup[own]

    def _read_depth(self, path: Path) -> NDArray[np.float32]:
        unit = self._description.depth
        assert unit is not None
        values = reading.read_depth_values(path)
        depth_m = values.astype(np.float32) * np.float32(unit.metres_per_unit)
        np.minimum(depth_m, np.float32(FARTHEST_M), out=depth_m)
        if unit.sky is not None:
            depth_m[values == unit.sky] = FARTHEST_M
        if unit.invalid is not None:
            depth_m[values == unit.invalid] = 0
        if not depth_m.any():
            raise InputError(f"{path}: every depth is 0 or invalid; the file holds no depth")
        return depth_m


def describe(root: Path) -> Description:
    """The description of the set at `root`."""
    return read_description(root / FILE)


def _key(stem: str) -> str:
    """The name in cameras.json: the place below the split's folder."""
    first, _, rest = stem.partition("/")
    return rest if first in SPLITS else stem


def _place(root: Path, pictures: Path, split: str) -> str:
    """The folder of a split below images/; "" for the whole."""
    if split not in SPLITS:
        raise InputError(f"a user's own set has no split {split!r}; it has {', '.join(SPLITS)}")
    there = [name for name in SPLITS if (pictures / name).is_dir()]
    if not there or split == "all":
        return ""
    if split not in there:
        raise InputError(f"{root}: no folder images/{split}; its splits are {', '.join(there)}")
    return split
