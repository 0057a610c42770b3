"""Files of data sets -> arrays, with one clear line for each way in which they can be wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.json_files import shown
from depdis_deploy.media.image_decoding import check, decode_stored
from depdis_deploy.media.image_files import read_file
from depdis_deploy.pictures import MAX_PIXELS

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def folder(root: Path, *parts: str, what: str) -> Path:
    """root/parts, which has to be a folder; `what` says which data set expects it."""
    path = root.joinpath(*parts)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the root of the {what} set")
    if not path.is_dir():
        raise InputError(f"{root}: no folder {'/'.join(parts)}, which a {what} set has; is this its root?")
    return path


def files(where: Path, suffixes: Iterable[str], pattern: str = "*") -> list[Path]:
    """Return the files below a folder that have one of the suffixes in any case, sorted, without hidden ones.

    Raises:
        InputError: There is none, or two have the same name but for the suffix.
    """
    wanted = tuple(suffixes)
    found = sorted(
        path for path in where.glob(pattern) if path.suffix.lower() in wanted and not path.name.startswith(".")
    )
    if not found:
        raise InputError(f"{where}: holds no {' or '.join(wanted)} files")
    by_stem: dict[Path, Path] = {}
    for path in found:
        if (other := by_stem.setdefault(path.with_suffix(""), path)) is not path:
            raise InputError(f"{other} and {path.name}: two images of one name; remove or rename one")
    return found


def counterparts(where: Path, names: Iterable[str], ending: str = ".png") -> list[Path]:
    """Return the file `where`/NAME`ending` of each name, the ending in any case; it may be missing.

    Args:
        where: The folder. Names may lead into folders below it.
        names: Names without the ending, such as "a" or "city/a".
        ending: What follows the name, such as "_labelIds.png".

    Raises:
        InputError: A name has two such files.
    """
    listed: dict[Path, dict[str, Path]] = {}
    found = []
    for name in names:
        plain = where / f"{name}{ending}"
        if plain.parent not in listed:
            listed[plain.parent] = _by_stem(plain.parent, ending)
        found.append(listed[plain.parent].get(plain.name.removesuffix(ending), plain))
    return found


def _by_stem(where: Path, ending: str) -> dict[str, Path]:
    stems: dict[str, Path] = {}
    for entry in sorted(os.listdir(where)) if where.is_dir() else []:
        if entry.lower().endswith(ending.lower()) and not entry.startswith("."):
            path, stem = where / entry, entry[: -len(ending)]
            if (other := stems.setdefault(stem, path)) is not path:
                raise InputError(f"{other} and {entry}: two files of one image; remove one")
    return stems


def require(paths: Iterable[Path], what: str, whole: bool = True) -> None:
    """Raise if some of the files are missing: how many, and the first by name. whole False: never."""
    lacking = [path for path in paths if not path.is_file()] if whole else []
    if lacking:
        count = "1 file" if len(lacking) == 1 else f"{len(lacking)} files"
        first = ", the first" if len(lacking) > 1 else ""
        raise InputError(f"{what}: {count} missing{first}: {lacking[0]}{_other_format(lacking[0])}")


def _other_format(missing: Path) -> str:
    """A hint where a file of that name has another suffix."""
    same = (
        missing.with_suffix(suffix) for suffix in (".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
    )
    other = next((path for path in same if path.is_file()), None)
    return "" if other is None else f"; expected a PNG, got {other.name}: export it as PNG"


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) uint8 RGB, as stored: a data set's labels lie on the stored pixels."""
    if path.suffix.lower() == ".png":
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        return np.ascontiguousarray(_decoded(path, flags)[..., ::-1], np.uint8)
    # Pillow rejects a truncated JPEG; OpenCV fills it with grey.
    image = decode_stored(read_file(path, MAX_PIXELS), str(path), max_pixels=MAX_PIXELS)
    return np.asarray(image.convert("RGB"))


def orientation(path: Path) -> int:
    """Return the EXIF orientation of an image file, 1 to 8. Its pixels are not decoded."""
    header = check(read_file(path, MAX_PIXELS), str(path), max_pixels=MAX_PIXELS)
    return header.orientation or 1


def read_png(path: Path) -> NDArray[Any]:
    """A PNG's own values: (H, W) or (H, W, channels in BGR order), 8 or 16 bit."""
    return _decoded(path, cv2.IMREAD_UNCHANGED)


def read_depth_cm(path: Path) -> NDArray[np.float32]:
    """A 16-bit PNG of centimetres as (H, W) float32 metres, 0 unknown, 65535 the sky's 655.35."""
    values = read_depth_values(path, "in centimetres")
    if not values.any():
        raise InputError(f"{path}: every depth is 0; the file holds no depth")
    return values.astype(np.float32) / np.float32(100)


def read_depth_values(path: Path, unit: str = "as taxonomy.yaml says") -> NDArray[np.uint16]:
    """(H, W) uint16 of a depth PNG; InputError where it is not one channel of 16 bits."""
    values = read_png(path)
    if values.dtype != np.uint16 or values.ndim != 2:
        bits = values.dtype.itemsize * 8
        channels = 1 if values.ndim == 2 else values.shape[2]
        raise InputError(
            f"{path}: depth is one channel of 16 bits {unit}, this file has {channels} of {bits} bits"
        )
    return values


def same_size(name: str, **pictures: NDArray[Any] | None) -> None:
    """Raise unless all pictures of one sample have the same height and width."""
    sizes = {what: values.shape[1::-1] for what, values in pictures.items() if values is not None}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{what} {width}x{height}" for what, (width, height) in sizes.items())
        raise InputError(f"{name}: sizes differ: {listed}")


def focal_lengths(cameras: Mapping[str, Any], names: Iterable[str], path: Path) -> dict[str, float]:
    """The focal lengths in pixels by picture from a cameras.json; all of the pictures have to be in it."""
    try:
        return {name: focal_length(cameras[name], path) for name in names}
    except KeyError as error:
        raise InputError(f"{path}: no focal_px for {error}") from None


def focal_length(camera: Any, path: Path) -> float:
    """The `focal_px` of a camera; InputError where it is missing or not a positive number."""
    return positive(camera.get("focal_px") if isinstance(camera, Mapping) else None, "focal_px", path)


def positive(value: Any, what: str, path: Path) -> float:
    """A number of a JSON file; InputError where it is none or not above 0."""
    if type(value) not in (int, float) or value <= 0:
        raise InputError(f"{path}: expected a positive number {what}, got {shown(value)}")
    return float(value)


def _decoded(path: Path, flags: int) -> NDArray[Any]:
    data = read_file(path, MAX_PIXELS)
    values = None
    # The decoder prints to stderr by itself at what the missing end shows beforehand.
    if b"IEND" in data[-16:]:
        check(data, str(path), max_pixels=MAX_PIXELS, formats=("PNG",))
        values = cv2.imdecode(np.frombuffer(data, np.uint8), flags)  # noqa: TID251 (a PNG that was checked)
    if values is None:
        raise InputError(f"{path}: corrupt or no PNG; copy it again")
    return values
