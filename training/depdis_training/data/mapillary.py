"""Mapillary Vistas v1.2 and v2.0, and generated streets in their layouts.

v1.2: SPLIT/images/X.jpg, SPLIT/labels/X.png, config.json. v2.0: SPLIT/images/X.jpg, SPLIT/v2.0/labels/X.png,
config_v2.0.json. A label's value is its position in the configuration's list, its colour the one given there;
classes are found by their readable names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError
from depdis_deploy.json_files import read_json, shown
from depdis_deploy.taxonomy import Colour, Taxonomy

from . import reading
from .label_images import code_of, read_labels
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
        images = reading.folder(root, place, "images", what=what)
        self._pictures = reading.files(images, (".jpg", ".jpeg"))
        self.names = [path.stem for path in self._pictures]
        if split == "val":
            config = root / ("config.json" if version == "v1.2" else f"config_{version}.json")
            if version == "v1.2" and not config.exists() and (root / "config_v1.2.json").exists():
                raise InputError(f"{root}: this is Mapillary Vistas v2.0; use layout mapillary-v2.0")
            labels = ("labels",) if version == "v1.2" else (version, "labels")
            self._labels = reading.counterparts(reading.folder(root, place, *labels, what=what), self.names)
            reading.require(self._labels, str(root), whole)
            names, palette = _classes(config)
            self._code = code_of(label_table(f"mapillary-{version}", taxonomy, names), palette)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name, files = self.names[index], self.files(index)
        image = reading.read_rgb(files["picture"])
        if "labels" not in files:
            return Sample(name, image)
        labels = read_labels(files["labels"], self._code)
        reading.same_size(name, picture=image, labels=labels)
        return Sample(name, image, labels)

    def files(self, index: int) -> dict[str, Path]:
        """What sample `index` is read from."""
        files = {"picture": self._pictures[index]}
        if self._split == "val":
            files["labels"] = self._labels[index]
        return files


def mapillary_v12(root: Path, split: str, taxonomy: Taxonomy, whole: bool = True) -> Mapillary:
    """Mapillary Vistas v1.2."""
    return Mapillary(root, split, taxonomy, "v1.2", whole)


def mapillary_v20(root: Path, split: str, taxonomy: Taxonomy, whole: bool = True) -> Mapillary:
    """Mapillary Vistas v2.0 with its own 124 classes."""
    return Mapillary(root, split, taxonomy, "v2.0", whole)


def _classes(config: Path) -> tuple[list[str], dict[int, Colour]]:
    """The readable names in the order of their label values, and the colours of the values that have one."""
    content = read_json(config, dict)
    try:
        names = [str(entry["readable"]) for entry in content["labels"]]
        colours = [entry.get("color") for entry in content["labels"]]
    except (AttributeError, KeyError, TypeError):
        raise InputError(f"{config}: no list `labels` of entries with `readable` names") from None
    if len(names) > 256:
        raise InputError(f"{config}: {len(names)} labels, expected at most 256, the values of an 8-bit image")
    return names, {value: _colour(colour, config) for value, colour in enumerate(colours) if colour is not None}


def _colour(given: Any, config: Path) -> Colour:
    if not isinstance(given, list) or len(given) != 3 or not all(type(level) is int for level in given):
        raise InputError(f"{config}: expected a color of 3 whole numbers, got {shown(given)}")
    if not all(0 <= level <= 255 for level in given):
        raise InputError(f"{config}: expected a color of levels from 0 to 255, got {shown(given)}")
    return given[0], given[1], given[2]
