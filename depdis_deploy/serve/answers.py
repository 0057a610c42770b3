"""Content negotiation by `Accept` and query, and the encoding of responses."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import UsageError
from depdis_deploy.job import PANELS
from depdis_deploy.prediction import Prediction

Part = bytes | memoryview

JSON, PNG, NPZ = "application/json", "image/png", "application/x-npz"
# Media types in the order of preference, with further names for an NPZ file.
_OFFERED = {JSON: JSON, PNG: PNG, NPZ: NPZ, "application/zip": NPZ, "application/octet-stream": NPZ}
MAPS = ("labels", "depth", "density", "confidence")
OUTPUTS = (*MAPS, "overlay")
UNITS = {
    "labels": "index into names", "depth": "cm", "density": "1/255", "confidence": "1/255", "overlay": "sRGB",
}  # fmt: skip

_PNG_BYTES_PER_PIXEL = {"labels": 1, "depth": 2, "density": 1, "confidence": 1, "overlay": 3}
_PANEL_IMAGES = {"overlay": 1, "side-by-side": 2, "quad": 4}
_OVERHEAD = 2**16


class NotAcceptable(ValueError):
    """The server has none of the media types that the client accepts."""


@dataclass(frozen=True)
class Wanted:
    """The requested response.

    media_type: as requested; form: JSON, PNG or NPZ; outputs: names of maps; panel: layout of the overlay.
    """

    media_type: str
    form: str
    outputs: tuple[str, ...]
    panel: str

    def computed(self, available: Sequence[str]) -> tuple[str, ...]:
        """Return the model outputs that the response needs; the others are not computed."""
        needed = set(self.outputs)
        if "overlay" in needed:
            needed |= PANELS[self.panel]
        if self.form == JSON:
            needed.add("depth")
        return tuple(name for name in available if name == "labels" or name in needed)


def wanted(accept: str, query: Sequence[tuple[str, str]], available: Sequence[str]) -> Wanted:
    """Parse the `Accept` header and the query.

    Raises:
        UsageError: An unknown parameter or output.
        NotAcceptable: None of the accepted media types is available.
    """
    media_type = negotiated(accept)
    form = _OFFERED[media_type]
    panels = [value for key, value in query if key == "panel"]
    outputs = tuple(dict.fromkeys(value for key, value in query if key == "output"))
    unknown = [key for key, _ in query if key not in ("output", "panel")]
    if unknown:
        raise UsageError(
            f"unknown parameter {unknown[0][:40]!r}: expected output or panel, and the image's bytes as the "
            "body (URLs are not fetched)"
        )
    for name in outputs:
        if name not in OUTPUTS or (name in MAPS and name not in available):
            raise UsageError(f"output {name[:40]!r}: expected one of {', '.join((*available, 'overlay'))}")
    if len(panels) > 1 or any(panel not in PANELS for panel in panels):
        raise UsageError(f"panel: expected one of {', '.join(PANELS)}")
    if form == PNG and len(outputs) > 1:
        raise UsageError("a PNG holds one output: request one, or accept application/x-npz or application/json")
    if form == NPZ and "overlay" in outputs:
        raise UsageError("an NPZ holds no overlay: request the overlay as image/png")
    return Wanted(media_type, form, outputs or _default(form, available), panels[0] if panels else "overlay")


def _default(form: str, available: Sequence[str]) -> tuple[str, ...]:
    if form == NPZ:
        return tuple(available)
    return ("labels",) if form == PNG else ()


def negotiated(accept: str) -> str:
    """Return the media type that the client prefers, JSON where it has no preference."""
    if not accept.strip():
        return JSON
    ranges = [_range(part) for part in accept.split(",")]

    def weight(media_type: str) -> float:
        """Return the weight given by the most specific matching range."""
        fitting = [(kind.count("*"), -share) for kind, share in ranges if _fits(kind, media_type)]
        return -min(fitting)[1] if fitting else 0.0

    best = max(_OFFERED, key=weight)  # the first of equals
    if weight(best) <= 0:
        raise NotAcceptable(f"Accept: expected one of {JSON}, {PNG}, {NPZ}, got {accept[:80]!r}")
    return best


def _range(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    share = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                share = min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                share = 0.0
    return kind, share if share == share else 0.0


def _fits(kind: str, media_type: str) -> bool:
    return kind in (media_type, "*/*", media_type.split("/")[0] + "/*")


def estimated_size(asked: Wanted, pixels: int) -> int:
    """Return the expected bytes of the response body for an image of `pixels` pixels.

    Exact for an NPZ. PNG files of predictions are several times smaller than half their pixels' bytes.
    """
    if asked.form == NPZ:
        names = {"labels", *asked.outputs}
        return _OVERHEAD + pixels * sum(1 if name == "labels" else 4 for name in names)
    raw = pixels * sum(_PNG_BYTES_PER_PIXEL[name] for name in asked.outputs)
    if "overlay" in asked.outputs:
        raw += pixels * 3 * (_PANEL_IMAGES[asked.panel] - 1)
    return _OVERHEAD + (raw // 2 if asked.form == PNG else raw * 2 // 3)  # JSON holds PNGs in base64


def encoded(prediction: Prediction, asked: Wanted) -> list[Part]:
    """Return the parts of the response body."""
    if asked.form == PNG:
        return [prediction.encoded(asked.outputs[0], asked.panel)]
    if asked.form == NPZ:
        return _npz(prediction.arrays())
    maps = {name: _embedded(prediction, name, asked.panel) for name in asked.outputs}
    return [(json.dumps(described(prediction) | ({"maps": maps} if maps else {})) + "\n").encode()]


def _npz(arrays: Mapping[str, NDArray[Any]]) -> list[Part]:
    """Return an uncompressed NPZ file in parts, which share the arrays' memory.

    Compression would shrink the floats by a quarter and take several times as long as the prediction.
    """
    file = _Parts()
    with zipfile.ZipFile(cast(IO[bytes], file), "w") as archive:
        for name, array in arrays.items():
            array = np.ascontiguousarray(array)
            header = np.lib.format.header_data_from_array_1_0(array)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array_header_1_0(entry, header)
                entry.write(array.reshape(-1).view(np.uint8).data)
    return file.parts()


class _Parts:
    """A file for zipfile that keeps what is written as it is, without copying."""

    def __init__(self) -> None:
        self._by_offset: dict[int, Part] = {}
        self._offset = 0

    def write(self, data: Part) -> int:
        self._by_offset[self._offset] = (
            data  # an entry's header is written again at the same offset, with sizes
        )
        self._offset += len(data)
        return len(data)

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int) -> int:
        self._offset = offset
        return offset

    def flush(self) -> None:
        """Do nothing."""

    def parts(self) -> list[Part]:
        return list(self._by_offset.values())


def described(prediction: Prediction) -> dict[str, Any]:
    """Return the record of a prediction without the fields of files and videos."""
    record = prediction.record()
    return {key: value for key, value in record.items() if key not in ("source", "frame", "time_s", "held")}


def _embedded(prediction: Prediction, name: str, panel: str) -> dict[str, str]:
    png = prediction.encoded(name, panel)
    return {"media_type": PNG, "unit": UNITS[name], "base64": base64.b64encode(png).decode()}
