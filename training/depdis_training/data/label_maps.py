"""Each data set's own label ids -> indices into a taxonomy. The figures are in label_maps.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_7, CITYSCAPES_16, IGNORE, Taxonomy, view_camvid

_TAXONOMIES = {"cityscapes-16": CITYSCAPES_16, "cityscapes-7": CITYSCAPES_7, "camvid-11": CAMVID_11}


class LabelTable(NamedTuple):
    """table: (256,) uint8, a set's id -> the taxonomy's index or 255. known: (256,) bool, the set's ids."""

    table: NDArray[np.uint8]
    known: NDArray[np.bool_]


def label_table(layout: str, taxonomy: Taxonomy, names: Sequence[str] | None = None) -> LabelTable:
    """The table of a layout's ids for one of the taxonomies that it can be read in.

    names: the set's own class names, an id being the position, for sets that bring their list along; by
    default the published one. ValueError lists the taxonomies of that layout. CamVid's classes are read from
    every set that gives the 16, through their view.
    """
    maps, readable = _label_maps()[layout], readable_in(layout)
    wanted = next((name for name in readable if _TAXONOMIES[name].names == taxonomy.names), None)
    if wanted is None:
        raise ValueError(
            f"{layout} can be read in the classes of {', '.join(readable)}, not in {', '.join(taxonomy.names)}"
        )
    through = wanted if wanted in maps["to"] else "cityscapes-16"
    table = np.full(256, IGNORE, np.uint8)
    known = np.zeros(256, np.bool_)
    known[IGNORE] = True
    for value, name in enumerate(maps["names"] if names is None else names):
        known[value] = True
        if name in maps["to"][through]:
            table[value] = _TAXONOMIES[through].index(maps["to"][through][name])
    return LabelTable(table if through == wanted else view_camvid()[table], known)


def readable_in(layout: str) -> list[str]:
    """The names of the taxonomies that a layout's labels can be read in."""
    readable = [*_label_maps()[layout]["to"]]
    return [*readable, "camvid-11"] if "cityscapes-16" in readable else readable


def class_names(layout: str) -> list[str]:
    """The data set's own class names; a label id is the position."""
    return list(_label_maps()[layout]["names"])


def label_colours(layout: str) -> dict[int, tuple[int, int, int]]:
    """The published colour of each of the layout's ids."""
    return {
        value: (red, green, blue) for value, (red, green, blue) in enumerate(_label_maps()[layout]["colours"])
    }


def written_ids(layout: str) -> NDArray[np.uint8]:
    """(256,) uint8: index into the 16 classes -> the layout's own id of that class, for writing."""
    maps = _label_maps()[layout]
    table = np.zeros(256, np.uint8)
    for index, name in enumerate(CITYSCAPES_16.names):
        table[index] = maps["names"].index(maps["written"].get(name, name))
    return table


@cache
def _label_maps() -> dict[str, Any]:
    text = (resources.files(__package__) / "label_maps.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
