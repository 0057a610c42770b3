"""SYNTHIA-RAND-CITYSCAPES, and generated streets in its layout.

RGB/NAME.png; labels in parsed_LABELS/NAME.png (8 bit) or GT/LABELS/NAME.png (16 bit, three channels, the id
in the red one); Depth/NAME.png (16 bit, centimetres; some copies nest Depth/Depth). Generated sets add
cameras.json with each picture's focal length; the original gives none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from depdis_deploy.command import InputError
from depdis_deploy.json_files import read_json
from depdis_deploy.taxonomy import Taxonomy

from . import reading
from .label_images import code_of, read_labels, red_labels
from .label_maps import label_table
from .samples import Sample

SPLITS = ("train", "val", "all")


class Synthia:
    """The whole set under each of the split names, since SYNTHIA is not divided."""

    def __init__(self, root: Path, split: str, taxonomy: Taxonomy, whole: bool = True) -> None:
        if split not in SPLITS:
            raise InputError(f"SYNTHIA has no split {split!r}; {', '.join(SPLITS)} all mean the whole set")
        self.taxonomy = taxonomy
        self._code = code_of(label_table("synthia", taxonomy))
        pictures = reading.files(reading.folder(root, "RGB", what="SYNTHIA-RAND-CITYSCAPES"), (".png",))
        _refuse_synthia_rand(root, pictures)
        depth = reading.folder(root, "Depth", what="SYNTHIA-RAND-CITYSCAPES")
        if (depth / "Depth").is_dir():
            depth = depth / "Depth"
        self._parsed = (root / "parsed_LABELS").is_dir()
        label_folder = ("parsed_LABELS",) if self._parsed else ("GT", "LABELS")
        labels = reading.folder(root, *label_folder, what="SYNTHIA-RAND-CITYSCAPES")
        self.names = [path.stem for path in pictures]
        self._files = {
            "picture": pictures,
            "labels": reading.counterparts(labels, self.names),
            "depth": reading.counterparts(depth, self.names),
        }
        for kind in ("labels", "depth"):
            reading.require(self._files[kind], f"{kind} of {root}", whole)
        cameras = root / "cameras.json"
        self._focal_px = (
            reading.focal_lengths(read_json(cameras, dict), self.names, cameras) if cameras.exists() else {}
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name, files = self.names[index], self.files(index)
        image = reading.read_rgb(files["picture"])
        labels = (
            read_labels(files["labels"], self._code)
            if self._parsed
            else red_labels(files["labels"], self._code)
        )
        depth_m = reading.read_depth_cm(files["depth"])
        reading.same_size(name, picture=image, labels=labels, depth=depth_m)
        return Sample(name, image, labels, depth_m, self._focal_px.get(name))

    def files(self, index: int) -> dict[str, Path]:
        """What sample `index` is read from."""
        return {kind: paths[index] for kind, paths in self._files.items()}


def _refuse_synthia_rand(root: Path, pictures: Sequence[Path]) -> None:
    """The set of 13,407 pictures, which is easily taken for this one, names its files ap_000_..."""
    if (root / "GTTXT").is_dir() or (pictures[0].name.startswith("ap_") and not (root / "Depth").is_dir()):
        raise InputError(
            f"{root}: this is SYNTHIA-RAND, which has no depth; what is needed is SYNTHIA-RAND-CITYSCAPES "
            "(9,400 pictures in RGB, Depth and GT)"
        )
