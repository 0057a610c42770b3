"""One picture -> what the page's viewer shows: the picture, maps as pictures, and the figures of each pixel."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.colours import DEPTH_TICKS_M, FARTHEST_M, NEAREST_M, depth_position, scale_table
from depdis_deploy.taxonomy import Colour

if TYPE_CHECKING:
    from depdis_deploy import Prediction

VIEW_SIDE = 1280  # the longer side of what the browser gets; downloads have every pixel
DOWNLOADS = {
    "overlay": "Overlay",
    "labels": "Labels, palette PNG",
    "depth": "Depth, 16-bit PNG in cm",
    "npz": "All maps, NPZ",
    "json": "Figures, JSON",
}
_LISTED_FROM = 0.001  # as in the drawn legends
_GZIP_LEVEL = 1


def view_of(prediction: Prediction, folder: Path) -> dict[str, Any]:
    """What the viewer needs, with its files written into `folder`.

    `values` is gzip of four planes, row by row at the view's size: label (uint8), depth in centimetres (uint16,
    little endian), density and confidence in hundredths (uint8 each); a map that the model lacks is 0 and not
    in `maps`. A pixel of the view is the nearest one of the picture, so its figures are those of the arrays.
    """
    rows, columns = _chosen(*prediction.image.shape[:2])
    labels = prediction.labels[np.ix_(rows, columns)]
    found: dict[str, Any] = {"labels": labels}
    for name in ("depth", "density", "confidence"):
        values = getattr(prediction, name)
        if values is not None:
            found[name] = values[np.ix_(rows, columns)]
    (folder / "values.gz").write_bytes(gzip.compress(_planes(found), _GZIP_LEVEL))
    _write_jpeg(folder / "picture.jpg", _shrunk(prediction.image, (len(columns), len(rows))))
    return {
        "width": len(columns), "height": len(rows), "full": list(prediction.image.shape[1::-1]),
        "picture": url(folder / "picture.jpg"), "values": url(folder / "values.gz"),
        "maps": [name for name in found if name != "labels"],
        "classes": classes_of(prediction), "farthest": prediction.manifest.depth_range_m[1],
    }  # fmt: skip


def classes_of(prediction: Prediction) -> list[dict[str, Any]]:
    """The classes that are there, the largest first: label, name, colour and share."""
    palette, statistics = prediction.manifest.taxonomy.palette, prediction.statistics
    there = [label for label, found in enumerate(statistics) if found.share >= _LISTED_FROM]
    return [
        {
            "label": label, "name": prediction.names[label], "colour": hexadecimal(palette[label]),
            "share": round(statistics[label].share, 4),
        }
        for label in sorted(there, key=lambda label: statistics[label].share, reverse=True)
    ]  # fmt: skip


def scales() -> dict[str, Any]:
    """The colours of the three maps: a table of 256 from left to right, ticks at their places, and the unit."""
    shares = [(place, f"{place:g}") for place in (0.0, 0.5, 1.0)]
    return {
        "depth": {
            "colours": _table("depth"),
            "ticks": [
                (depth_position(m), f"{m}+" if m == DEPTH_TICKS_M[-1] else f"{m}") for m in DEPTH_TICKS_M
            ],
            "unit": "metres",
            "range": [NEAREST_M, FARTHEST_M],
        },
        "density": {"colours": _table("density"), "ticks": shares, "unit": "unusual to usual"},
        "confidence": {"colours": _table("density"), "ticks": shares, "unit": "unsure to sure"},
    }


def hexadecimal(colour: Colour) -> str:
    """A colour as pages write it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def url(path: Path) -> str:
    """Where the browser gets a file of the results; relative, so that a proxy's prefix is kept."""
    return f"gradio_api/file={path}"


def _chosen(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows and columns of the picture that the view shows."""
    scale = min(1.0, VIEW_SIDE / max(height, width))
    sizes = [max(1, round(side * scale)) for side in (height, width)]
    rows, columns = (
        np.minimum(((np.arange(size) + 0.5) * side / size).astype(np.intp), side - 1)
        for size, side in zip(sizes, (height, width), strict=True)
    )
    return rows, columns


def _planes(maps: dict[str, NDArray[Any]]) -> bytes:
    shape = maps["labels"].shape
    nothing = np.zeros(shape, np.float32)
    depth, density, confidence = (maps.get(name, nothing) for name in ("depth", "density", "confidence"))
    centimetres = np.clip(np.rint(depth * np.float32(100)), 0, 65535).astype("<u2")
    return b"".join(
        (
            maps["labels"].tobytes(), centimetres.tobytes(), np.rint(density * 100).astype(np.uint8).tobytes(),
            np.rint(confidence * 100).astype(np.uint8).tobytes(),
        )
    )  # fmt: skip


def _table(kind: str) -> list[list[int]]:
    return [[int(level) for level in colour] for colour in scale_table(kind)[:, 0]]


def _shrunk(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if image.shape[1::-1] == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write_jpeg(path: Path, image: NDArray[np.uint8]) -> None:
    cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 92])
