"""Label PNGs -> classes, by one rule for ids and colours, however the PNG stores them.

Lossless tools store the same image in other ways: they sort the palette, turn grey levels into a palette,
reduce the bits, or expand a palette to RGB. Only the colours that a viewer shows stay the same. A file is
read by what its set says of ids and colours, and rejected where two readings of it differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.media.image_decoding import decode_stored
from depdis_deploy.media.image_files import read_file
from depdis_deploy.media.image_formats import png
from depdis_deploy.pictures import MAX_PIXELS
from depdis_deploy.taxonomy import IGNORE, Colour, Taxonomy

from .label_maps import LabelTable
from .reading import read_png

UNKNOWN = -1  # in tables: neither a class nor ignored
_IDS = 65536  # values of a label of at most 16 bits
_JPEG = b"\xff\xd8\xff"
_PNG_END = b"IEND\xaeB`\x82"
_FIX = "save it as an 8-bit grey PNG of ids or an RGB PNG of colours"


@dataclass(frozen=True, eq=False)
class LabelCode:
    """What ids and colours of label images mean in one data set. One object for all files of a set.

    Attributes:
        classes: (65536,) int16, the class of each id, 255 ignored, UNKNOWN for values that are no id.
        colours: The class of each colour, 255 ignored. Empty where the set does not define colours.
        palette: The colour of each id in an indexed PNG, as far as the set defines it.
        expected: What errors say of the ids and colours that exist.
    """

    classes: NDArray[np.int16]
    colours: Mapping[Colour, int]
    palette: Mapping[int, Colour]
    expected: str
    _seen: dict[int, tuple[Colour, Path]] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=Lock, repr=False)

    @cached_property
    def colour_classes(self) -> NDArray[np.int16]:
        """(2**24,) int16, the class of each colour as 0xRRGGBB."""
        table = np.full(1 << 24, UNKNOWN, np.int16)
        for (red, green, blue), value in self.colours.items():
            table[red << 16 | green << 8 | blue] = value
        return table

    def require_same_palette(self, path: Path, indices: NDArray[Any], colours: NDArray[np.uint8]) -> None:
        """Check that indices have the colours that they have in the set's other files.

        Without known colours this is the only trace of a palette that was sorted.

        Args:
            path: The indexed PNG.
            indices: (N,) the indices that occur in it.
            colours: (N, 3) uint8, their colours.

        Raises:
            InputError: An index has another colour in a file that was read before.
        """
        for index, colour in zip(indices.tolist(), map(tuple, colours.tolist()), strict=True):
            with self._lock:
                other, elsewhere = self._seen.setdefault(index, (colour, path))
            if other != colour:
                raise InputError(
                    f"{path}: palette index {index} has the colour {list(colour)}, but {list(other)} in "
                    f"{elsewhere}; a tool has sorted the palette: copy the original label files, or give the "
                    "classes' colours as `palette` in taxonomy.yaml"
                )


def code_of(table: LabelTable, palette: Mapping[int, Colour] | None = None) -> LabelCode:
    """Return the code of a set whose ids are those of a table.

    Args:
        table: The class of each id.
        palette: The colour of each id. A colour of ids of different classes says nothing by itself.
    """
    classes = np.full(_IDS, UNKNOWN, np.int16)
    classes[:256] = np.where(table.known, table.table.astype(np.int16), UNKNOWN)
    colours: dict[Colour, int] = {}
    for value, colour in (palette or {}).items():
        if colours.setdefault(colour, int(classes[value])) != classes[value]:
            colours[colour] = UNKNOWN
    highest = int(np.flatnonzero(table.known[:IGNORE])[-1])
    return LabelCode(classes, colours, palette or {}, f"this set's ids are 0 to {highest}")


def written_code(taxonomy: Taxonomy, table: NDArray[np.uint8] | None = None) -> LabelCode:
    """Return the code of label files that this package writes: indices of `taxonomy`, 255 black.

    Args:
        taxonomy: The classes of the files.
        table: (256,) uint8, the class to return for each of them; None: the same.
    """
    known = np.zeros(256, np.bool_)
    known[[*range(len(taxonomy)), IGNORE]] = True
    classes = np.arange(256, dtype=np.uint8) if table is None else table
    palette = {index: tuple(map(int, colour)) for index, colour in enumerate(taxonomy.palette)}
    return code_of(LabelTable(classes, known), {**palette, IGNORE: (0, 0, 0)})  # type: ignore[dict-item]


def read_labels(path: Path, code: LabelCode) -> NDArray[np.uint8]:
    """Read a label PNG as (H, W) uint8 classes of `code`, 255 ignored.

    Raises:
        InputError: Not a PNG, a value or colour that the set does not define, or one whose readings differ.
    """
    image, bits = _decoded(path)
    if image.mode in ("RGB", "RGBA"):
        if bits > 8:
            raise InputError(f"{path}: labels have 16 bits for each of 3 channels; {_FIX}")
        return _of_colours(path, np.asarray(image), _transparent(image), code)
    if image.mode == "P":
        return _of_palette(path, image, code)
    values = np.asarray(image)
    if image.mode == "1":
        values = values.astype(np.uint8) * np.uint8(255)
    elif image.mode == "LA":
        values = values[..., 0]
    return _of_grey(path, np.ascontiguousarray(values), _transparent(image), bits, code)


def red_labels(path: Path, code: LabelCode) -> NDArray[np.uint8]:
    """Read a PNG of SYNTHIA's GT/LABELS, which keeps ids in the red channel, as `read_labels` does."""
    values = read_png(path)
    if values.ndim != 3:
        raise InputError(f"{path}: labels in GT/LABELS have three channels, the id in red; this file has one")
    red = np.ascontiguousarray(values[..., 2])
    if values.dtype == np.uint8 and not red.any() and values.any():
        raise InputError(f"{path}: the ids were lost with 16 bits of a channel, got 8; copy the original file")
    used = _occurring(red)
    return _mapped(path, red, used, _Reading(code.classes[used], "label id", used.tolist()), code)


def _decoded(path: Path) -> tuple[Any, int]:
    """Return the image as it is stored, and its bits per sample."""
    data = read_file(path, MAX_PIXELS)
    if data.startswith(_JPEG):
        raise InputError(f"{path}: labels are a JPEG, whose compression changes them; export them as PNG")
    if not data.startswith(png.SIGNATURE) or _PNG_END not in data:
        raise InputError(f"{path}: corrupt or no PNG; copy it again")
    return decode_stored(data, str(path), max_pixels=MAX_PIXELS, formats=("PNG",)), data[24]


def _transparent(image: Any) -> NDArray[np.bool_] | None:
    """(H, W) where nothing of the stored colour is seen; None: nowhere."""
    key = image.info.get("transparency")
    if image.mode in ("RGBA", "LA"):
        hidden = np.asarray(image)[..., -1] == 0
    elif key is not None:
        values = np.asarray(image)
        hidden = values == key if values.ndim == 2 else (values == np.asarray(key)).all(-1)
    else:
        return None
    return hidden if hidden.any() else None


@dataclass(frozen=True)
class _Reading:
    """One way to read a file: `found`, the (N,) class of each value that occurs, for errors called `what`."""

    found: NDArray[np.int16]
    what: str
    names: list[Any]

    @property
    def valid(self) -> bool:
        return bool((self.found != UNKNOWN).all())


def _of_palette(path: Path, image: Any, code: LabelCode) -> NDArray[np.uint8]:
    values = np.asarray(image)
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    used = _occurring(values)
    if used[-1] >= len(palette):
        raise InputError(f"{path}: palette index {used[-1]} has no colour, of {len(palette)}; copy it again")
    colours = palette[used]
    by_index = _Reading(code.classes[used], "label id", used.tolist())
    by_colour = _colour_reading(colours, code)
    levels = colours[:, 0] if bool((palette == palette[:, :1]).all()) else None
    by_level = None if levels is None else _Reading(code.classes[levels], "label id", levels.tolist())
    hidden = _hidden_entries(image, used)
    if code.colours:
        if by_index.valid and _agrees(used, palette, code):
            return _mapped(path, values, used, by_index, code)
        other = [] if levels is None else _raw_black_and_white(levels, used, code)
        chosen = _only(path, [by_colour, *([by_level] if by_level else []), *other])
    elif by_level is not None and by_level.valid:
        assert levels is not None
        chosen = _only(path, [by_level, *_raw_black_and_white(levels, used, code)])
    else:
        if by_index.valid:
            code.require_same_palette(path, used, colours)
        return _mapped(path, values, used, by_index, code)
    _require_seen(path, chosen.found[hidden])
    return _mapped(path, values, used, chosen, code)


def _of_grey(
    path: Path, values: NDArray[Any], hidden: NDArray[np.bool_] | None, bits: int, code: LabelCode
) -> NDArray[np.uint8]:
    used = _occurring(values)
    chosen = _Reading(code.classes[used], "label id", used.tolist())
    if code.colours and used[-1] <= 255:
        by_colour = _colour_reading(np.repeat(used[:, None], 3, 1).astype(np.uint8), code)
        if not chosen.valid and by_colour.valid:
            chosen = by_colour
        elif bits < 8:
            chosen = _only(path, [chosen, by_colour])
    if bits < 8:
        step = 255 // (2**bits - 1)
        chosen = _only(path, [chosen, *_raw_black_and_white(used, used // step, code)])
    if hidden is not None:
        seen = np.isin(used, np.unique(values[hidden]))
        _require_seen(path, chosen.found[seen])
    return _mapped(path, values, used, chosen, code)


def _of_colours(
    path: Path, values: NDArray[np.uint8], hidden: NDArray[np.bool_] | None, code: LabelCode
) -> NDArray[np.uint8]:
    red, green, blue = (values[..., channel] for channel in range(3))
    grey = bool((red == green).all() and (red == blue).all())
    if not code.colours:
        if grey:
            return _of_grey(path, np.ascontiguousarray(red), hidden, 8, code)
        raise InputError(
            f"{path}: labels are colours, but no palette is known; give it in taxonomy.yaml, or save ids"
        )
    found = code.colour_classes[values[..., :3].astype(np.int32) @ np.array([65536, 256, 1], np.int32)]
    unknown = found == UNKNOWN
    if unknown.any():
        if grey and (code.classes[red] != UNKNOWN).all():
            return _of_grey(path, np.ascontiguousarray(red), hidden, 8, code)
        raise _out_of_range(path, "colour", values[..., :3], unknown, code)
    if hidden is not None:
        _require_seen(path, found[hidden])
    return found.astype(np.uint8)


def _occurring(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the values that occur, sorted."""
    if values.dtype != np.uint8:
        return np.flatnonzero(np.bincount(values.ravel()))
    # 20 times as fast as bincount, which makes 64-bit integers of the values first
    return np.flatnonzero(cv2.calcHist([values], [0], None, [256], [0, 256]))


def _colour_reading(colours: NDArray[np.uint8], code: LabelCode) -> _Reading:
    listed = [tuple(colour) for colour in colours.tolist()]
    found = np.array([code.colours.get(colour, UNKNOWN) for colour in listed], np.int16)
    return _Reading(found, "colour", [list(colour) for colour in listed])


def _agrees(used: NDArray[Any], palette: NDArray[np.uint8], code: LabelCode) -> bool:
    """Whether each index has the colour of its class.

    An ignored one may have a colour that the set does not define, if other entries show that the palette is
    not sorted: those of classes in their places, or index 255, which no sorted palette of fewer colours has.
    """
    colours = [tuple(colour) for colour in palette.tolist()]
    in_place = any(code.palette.get(index) == colour for index, colour in enumerate(colours))
    for index in used.tolist():
        of_colour = code.colours.get(colours[index], None)
        if code.palette.get(index) == colours[index]:
            if of_colour == UNKNOWN and not _has_all_of(colours[index], palette, code):
                return False
        elif code.classes[index] != IGNORE or not (
            index == IGNORE or of_colour == IGNORE or (of_colour is None and in_place)
        ):
            return False
    return True


def _has_all_of(colour: Colour, palette: NDArray[np.uint8], code: LabelCode) -> bool:
    """Whether each id of a colour has its own entry, of which a tool that sorts palettes makes a single one."""
    return all(
        index < len(palette) and tuple(palette[index].tolist()) == colour
        for index, of_index in code.palette.items()
        if of_index == colour
    )


def _raw_black_and_white(levels: NDArray[Any], raw: NDArray[Any], code: LabelCode) -> Iterator[_Reading]:
    """Give the reading of black and white as 0 and 1, as masks of two classes are stored."""
    if set(levels.tolist()) <= {0, IGNORE} and not np.array_equal(levels, raw):
        reading = _Reading(code.classes[raw], "label id", raw.tolist())
        if reading.valid:
            yield reading


def _hidden_entries(image: Any, used: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) which of the palette's entries are transparent."""
    key = image.info.get("transparency")
    if isinstance(key, bytes):
        alpha = np.full(256, 255, np.uint8)
        alpha[: len(key)] = np.frombuffer(key, np.uint8)[:256]
        return np.asarray(alpha[used] == 0)
    return np.asarray(used == key) if isinstance(key, int) else np.zeros(len(used), np.bool_)


def _only(path: Path, readings: list[_Reading]) -> _Reading:
    """Return the valid reading; the first where none is. InputError: two of them differ."""
    valid = [reading for reading in readings if reading.valid]
    for other in valid[1:]:
        differing = np.flatnonzero(valid[0].found != other.found)
        if differing.size:
            one, two = (f"{reading.what} {reading.names[differing[0]]}" for reading in (valid[0], other))
            raise InputError(f"{path}: labels can be read as {one} or as {two}, which differ; {_FIX}")
    return valid[0] if valid else readings[0]


def _require_seen(path: Path, hidden: NDArray[np.int16]) -> None:
    """InputError where transparent pixels have a class: tools change the colours below them."""
    if (hidden != IGNORE).any():
        raise InputError(f"{path}: transparent pixels have the colour of a class; {_FIX} without transparency")


def _mapped(
    path: Path, values: NDArray[Any], used: NDArray[Any], reading: _Reading, code: LabelCode
) -> NDArray[np.uint8]:
    """Return the classes of `values`, of which (N,) `used` occur."""
    if not reading.valid:
        wrong = reading.names[int(np.flatnonzero(reading.found == UNKNOWN)[0])]
        place = values == used[int(np.flatnonzero(reading.found == UNKNOWN)[0])]
        raise _out_of_range(path, reading.what, wrong, place, code)
    table = np.zeros(256 if values.dtype == np.uint8 else _IDS, np.uint8)
    table[used] = reading.found
    return np.asarray(cv2.LUT(values, table) if values.dtype == np.uint8 else table[values])


def _out_of_range(path: Path, what: str, wrong: Any, place: NDArray[np.bool_], code: LabelCode) -> InputError:
    row, column = np.argwhere(place)[0]
    value = wrong[row, column].tolist() if isinstance(wrong, np.ndarray) else wrong
    if what == "colour" and tuple(value) in code.colours:
        return InputError(
            f"{path}: colour {value} at column {column}, row {row} is of several classes, and the palette was "
            "sorted; copy the original label files"
        )
    return InputError(f"{path}: {what} {value} at column {column}, row {row} is out of range: {code.expected}")
