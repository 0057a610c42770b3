"""Mapillary Vistas v1.2 and v2.0, and generated streets in their layouts.

v1.2: SPLIT/images/X.jpg, SPLIT/labels/X.png, config.json. v2.0: SPLIT/images/X.jpg, SPLIT/v2.0/labels/X.png,
config_v2.0.json. A label's value is its position in the configuration's list; classes are found by their
readable names.
"""

from __future__ import annotations

from pathlib import Path

from depdis_deploy.command import InputError
from depdis_deploy.json_files import read_json
from depdis_deploy.taxonomy import Taxonomy

from . import reading
from .label_maps import label_table
from .samples import Sample

# The folders of each split: older code calls the first `train`.
SPLITS = {"train": ("training", "train"), "val": ("validation", "val"), "test": ("testing", "test")}


class Mapillary:
    """One split. Labels are given for `val` alone: those of the training pictures are never read."""

    def __init__(
        self, root: Path, split: str, taxonomy: Taxonomy, version: str, whole: bool = True
    ) -> None:  # fmt: skip
        if split not in SPLITS:
            raise InputError(f"Mapillary Vistas has no split {split!r}; it has {', '.join(SPLITS)}")
        what = f"Mapillary Vistas {version}"
        self.taxonomy = taxonomy
        self._split = split
        folders = SPLITS[split]
        place = next((name for name in folders if (root / name).is_dir()), folders[0])
        self._images = reading.folder(root, place, "images", what=what)
        self.names = [path.stem for path in reading.files(self._images, (".jpg", ".jpeg"))]
        self._suffix = {path.stem: path.suffix for path in self._images.iterdir()}
        if split == "val":
            config = root / ("config.json" if version == "v1.2" else f"config_{version}.json")
            if version == "v1.2" and not config.exists() and (root / "config_v1.2.json").exists():
                raise InputError(f"{root}: this is Mapillary Vistas v2.0; use layout mapillary-v2.0")
            labels = ("labels",) if version == "v1.2" else (version, "labels")
            self._labels = reading.folder(root, place, *labels, what=what)
            reading.require((self._labels / f"{name}.png" for name in self.names), str(root), whole)
            self._label_table = label_table(f"mapillary-{version}", taxonomy, _class_names(config))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name, files = self.names[index], self.files(index)
        image = reading.read_rgb(files["picture"])
        if "labels" not in files:
            return Sample(name, image)
        labels = reading.mapped(reading.read_indices(files["labels"]), *self._label_table, files["labels"])
        reading.same_size(name, picture=image, labels=labels)
        return Sample(name, image, labels)

    def files(self, index: int) -> dict[str, Path]:
        """What sample `index` is read from."""
        name = self.names[index]
        files = {"picture": self._images / f"{name}{self._suffix[name]}"}
        if self._split == "val":
            files["labels"] = self._labels / f"{name}.png"
        return files


def mapillary_v12(root: Path, split: str, taxonomy: Taxonomy, whole: bool = True) -> Mapillary:
    """Mapillary Vistas v1.2."""
    return Mapillary(root, split, taxonomy, "v1.2", whole)


def mapillary_v20(root: Path, split: str, taxonomy: Taxonomy, whole: bool = True) -> Mapillary:
    """Mapillary Vistas v2.0 with its own 124 classes."""
    return Mapillary(root, split, taxonomy, "v2.0", whole)


def _class_names(config: Path) -> list[str]:
    """The readable names in the order of their label values."""
    content = read_json(config, dict)
    try:
        names = [str(entry["readable"]) for entry in content["labels"]]
    except (KeyError, TypeError):
        raise InputError(f"{config}: no list `labels` of entries with `readable` names") from None
    if len(names) > 256:
        raise InputError(f"{config}: {len(names)} labels, expected at most 256, the values of an 8-bit image")
    return names
