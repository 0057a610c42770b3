"""Data sets in their own layouts: SYNTHIA, Cityscapes, Mapillary Vistas, CamVid, one's own, frames, films."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from depdis_deploy.command import InputError
from depdis_deploy.taxonomy import Taxonomy

from .camvid import CamVid
from .cityscapes import Cityscapes
from .drive import Drive
from .frames import Frames
from .mapillary import mapillary_v12, mapillary_v20
from .own import Own
from .samples import Dataset, FileDataset, Sample
from .synthia import Synthia

LAYOUTS: dict[str, Callable[..., FileDataset]] = {
    "synthia": Synthia,
    "cityscapes": Cityscapes,
    "mapillary-v1.2": mapillary_v12,
    "mapillary-v2.0": mapillary_v20,
    "camvid": CamVid,
    "frames": Frames,
    "drive": Drive,
    "own": Own,
}


def open_dataset(
    layout: str, root: Path | str, split: str, taxonomy: Taxonomy | None, *, whole: bool = True
) -> FileDataset:  # fmt: skip
    """The data set at `root`, its labels as indices into `taxonomy`; None: the classes that it describes.

    Checks that the folders and files of the layout are there; the files' contents are checked when they are
    read. whole False: so is whether labels and depth are there. InputError names what is wrong; ValueError a
    taxonomy that the set has no labels for.
    """
    if layout not in LAYOUTS:
        raise InputError(f"no data set layout {layout!r}; there are {', '.join(LAYOUTS)}")
    if taxonomy is None and layout != "own":
        raise InputError(f"a {layout} set describes no classes of its own: only layout own has taxonomy own")
    return LAYOUTS[layout](Path(root), split, taxonomy, whole=whole)


__all__ = ["LAYOUTS", "Dataset", "FileDataset", "Sample", "open_dataset"]
