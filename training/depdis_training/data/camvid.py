"""CamVid in the layout of SegNet's tutorial: train/, val/, test/ with pictures, trainannot/ and so on with
8-bit labels of the same names (0 sky ... 10 bicyclist, 11 void)."""

from __future__ import annotations

from pathlib import Path

from depdis_deploy.command import InputError
from depdis_deploy.taxonomy import CAMVID_11, Taxonomy

from . import reading
from .label_images import code_of, read_labels
from .label_maps import label_table
from .samples import Sample

SPLITS = ("train", "val", "test")
VOID = (0, 0, 0)  # the colour of id 11


class CamVid:
    """One split, pictures as PNG or JPEG. Labels are given where the set has them: a target's are optional."""

    def __init__(self, root: Path, split: str, taxonomy: Taxonomy, whole: bool = True) -> None:
        if split not in SPLITS:
            raise InputError(f"CamVid has no split {split!r}; it has {', '.join(SPLITS)}")
        self.taxonomy = taxonomy
        self._code = code_of(label_table("camvid", taxonomy), dict(enumerate((*CAMVID_11.palette, VOID))))
        self._pictures = reading.files(reading.folder(root, split, what="CamVid"), reading.PICTURE_SUFFIXES)
        self.names = [path.stem for path in self._pictures]
        annotations = root / f"{split}annot"
        self._labels = reading.counterparts(annotations, self.names) if annotations.is_dir() else None
        reading.require(self._labels or (), str(root), whole)

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
        if self._labels is not None:
            files["labels"] = self._labels[index]
        return files
