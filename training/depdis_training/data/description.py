"""`taxonomy.yaml`: what a user's own set says of itself: classes, ids or colours, depth unit, focal length."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from depdis_deploy.command import InputError
from depdis_deploy.json_files import read_text, shortened, shown
from depdis_deploy.taxonomy import (
    CAMVID_11,
    CITYSCAPES_7,
    CITYSCAPES_16,
    IGNORE,
    VIEW_7,
    VIEW_CAMVID,
    Colour,
    Taxonomy,
)
from depdis_training.yaml_text import LARGEST_YAML, parse_yaml

from .label_images import UNKNOWN, LabelCode

FILE = "taxonomy.yaml"
_KNOWN = {"cityscapes-16": CITYSCAPES_16, "cityscapes-7": CITYSCAPES_7, "camvid-11": CAMVID_11}
_THROUGH_16 = {"cityscapes-7": VIEW_7, "camvid-11": VIEW_CAMVID}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Depth(_Part):
    """The unit of 16-bit depth: value x metres_per_unit is metres; `invalid` and `sky` are values."""

    metres_per_unit: float = Field(gt=0)
    invalid: int | None = 0
    sky: int | None = None


class _File(_Part):
    names: list[str] = Field(min_length=1)
    ids: list[int | list[int]] | None = None
    palette: list[tuple[int, int, int]] | None = None
    ignore: list[int | tuple[int, int, int]] = [IGNORE]
    depth: Depth | None = None
    focal_px: float | None = Field(default=None, gt=0)
    maps_to: dict[str, dict[str, str]] = {}


@dataclass(frozen=True)
class Description:
    """A read taxonomy.yaml.

    classes: the set's own; by_id: label value -> class or 255; by_colour: the same by (red, green, blue), None
    where the file gives no palette; maps_to: own names -> names of a taxonomy, by that taxonomy's name.
    """

    path: Path
    classes: Taxonomy
    by_id: Mapping[int, int]
    by_colour: Mapping[Colour, int] | None
    depth: Depth | None
    focal_px: float | None
    maps_to: Mapping[str, Mapping[str, str]]

    def code(self) -> LabelCode:
        """What ids and colours of the set's label images mean, in its own classes."""
        classes = np.full(65536, UNKNOWN, np.int16)
        for value, index in self.by_id.items():
            classes[value] = index
        palette = {value: self.classes.palette[index] for value, index in self.by_id.items() if index != IGNORE}
        expected = f"neither a class of {FILE} nor under its ignore"
        return LabelCode(classes, self.by_colour or {}, palette if self.by_colour else {}, expected)

    def lookup(self, taxonomy: Taxonomy) -> NDArray[np.uint8]:
        """(256,) uint8: own class -> index into `taxonomy`, 255 for what it has no class for.

        By the file's maps_to; where that leaves a taxonomy out, through its 16 classes, else by equal names.
        InputError where none of the set's classes has a place in `taxonomy`.
        """
        mapping = self._mapping(taxonomy)
        if not mapping:
            raise InputError(
                f"{self.path}: says of no class what it is among {', '.join(taxonomy.names)}; "
                "add maps_to with that taxonomy, or use the set's own classes with taxonomy: own"
            )
        return self.classes.lookup(mapping, taxonomy)

    def _mapping(self, taxonomy: Taxonomy) -> Mapping[str, str]:
        wanted = next((name for name, known in _KNOWN.items() if known.names == taxonomy.names), None)
        if wanted is not None and wanted in self.maps_to:
            return self.maps_to[wanted]
        if wanted in _THROUGH_16 and "cityscapes-16" in self.maps_to:
            view = _THROUGH_16[wanted]
            return {own: view[name] for own, name in self.maps_to["cityscapes-16"].items()}
        return {name: name for name in self.classes.names if name in taxonomy.names}

    def readable_in(self) -> list[str]:
        """The names of the taxonomies that the set's labels can be read in, beside its own."""
        return [name for name, known in _KNOWN.items() if self._mapping(known)]


def read_description(path: Path) -> Description:
    """The description in a taxonomy.yaml; InputError in one line for whatever is wrong with it."""
    if not path.exists():
        raise InputError(
            f"{path}: no such file, which describes a set's classes; for pictures alone use layout frames"
        )
    text = read_text(path, LARGEST_YAML)
    try:
        return _described(path, _File.model_validate(parse_yaml(text)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(
            str(part) for part in first["loc"] if not str(part).startswith(("tuple", "list", "int"))
        )
        if first["type"] == "extra_forbidden":
            raise InputError(
                f"{path}: unknown key {shortened(where, 60)}; known are {', '.join(_File.model_fields)}"
            ) from None
        got = "" if first["type"] == "missing" else f", got {shown(first['input'])}"
        raise InputError(f"{path}: {shortened(where, 60) or 'the file'}: {first['msg']}{got}") from None
    except ValueError as error:
        raise InputError(f"{path}: {shortened(error)}") from None


def _described(path: Path, fields: _File) -> Description:
    for key in ("ids", "palette"):
        given = getattr(fields, key)
        if given is not None and len(given) != len(fields.names):
            raise ValueError(f"{len(fields.names)} names need as many {key}, got {len(given)}")
    palette = tuple(fields.palette) if fields.palette is not None else _colours(len(fields.names))
    classes = Taxonomy(tuple(fields.names), palette)
    by_id: dict[int, int] = {value: IGNORE for value in fields.ignore if isinstance(value, int)}
    for index, values in enumerate(range(len(classes)) if fields.ids is None else fields.ids):
        for value in [values] if isinstance(values, int) else values:
            _put(by_id, value, index, f"id {value}", classes)
    if not all(0 <= value <= 65535 for value in by_id):
        raise ValueError(f"ids are 0 to 65535, got {min(by_id)} to {max(by_id)}")
    by_colour: dict[Colour, int] | None = None
    if fields.palette is not None:
        by_colour = {value: IGNORE for value in fields.ignore if isinstance(value, tuple)}
        for index, colour in enumerate(fields.palette):
            _put(by_colour, colour, index, f"colour {list(colour)}", classes)
    return Description(
        path, classes, by_id, by_colour, fields.depth, fields.focal_px, _checked(fields.maps_to, classes)
    )


def _put(table: dict[Any, int], key: Any, index: int, what: str, classes: Taxonomy) -> None:
    if key in table:
        before = "ignore" if table[key] == IGNORE else classes.names[table[key]]
        raise ValueError(f"{what} is of both {before} and {classes.names[index]}")
    table[key] = index


def _checked(maps_to: dict[str, dict[str, str]], classes: Taxonomy) -> dict[str, dict[str, str]]:
    for name, mapping in maps_to.items():
        if name not in _KNOWN:
            raise ValueError(f"maps_to knows {', '.join(_KNOWN)}, got {name}")
        try:
            classes.lookup(mapping, _KNOWN[name])
        except ValueError as error:
            raise ValueError(f"maps_to.{name}: {error}") from None
    return maps_to


def _colours(count: int) -> tuple[Colour, ...]:
    """Colours that differ, for classes whose file gives none: hues a golden angle apart, in three tones."""
    tones = ((0.75, 0.85), (0.55, 0.65), (0.85, 0.55))
    colours = []
    for index in range(count):
        saturation, value = tones[index % len(tones)]
        red, green, blue = colorsys.hsv_to_rgb(index * 0.618034 % 1, saturation, value)
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return tuple(colours)
