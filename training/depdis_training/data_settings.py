"""Sections of a configuration that name data sets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from depdis_deploy import taxonomy
from depdis_deploy.address import is_address, masked

from .section import Section

TAXONOMIES = {
    "cityscapes-16": taxonomy.CITYSCAPES_16,
    "cityscapes-7": taxonomy.CITYSCAPES_7,
    "camvid-11": taxonomy.CAMVID_11,
}

TaxonomyName = Literal["cityscapes-16", "cityscapes-7", "camvid-11", "own"]
Size = tuple[int, int]


class StreetData(Section):
    """A generated street set, made on first use. Sizes are (width, height) in pixels."""

    domain: Literal["source", "target", "random", "near"] = "source"
    pictures: int = Field(default=500, ge=1)
    size: Size = (320, 160)
    seed: int = Field(default=0, ge=0)


class Data(Section):
    """A data set: its layout on disk, where it lies, and the taxonomy that its labels are read in.

    taxonomy: `own` is the classes of the set's taxonomy.yaml, which the layout own has.
    street: how to generate it where `root` is not given; null for a set that has to be there.
    """

    layout: str
    root: str | None = None
    split: str = "train"
    taxonomy: TaxonomyName = "cityscapes-16"
    street: StreetData | None = None

    @field_validator("root")
    @classmethod
    def _is_no_address(cls, root: str | None) -> str | None:
        if root is not None and is_address(root):
            raise ValueError(
                f"{masked(root)}: training reads files, not a camera; record a video and give that"
            )
        return root
