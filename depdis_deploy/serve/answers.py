"""What a request asks for, by `Accept` and query, and the bytes that answer it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from depdis_deploy.command import UsageError
from depdis_deploy.job import PANELS
from depdis_deploy.prediction import Prediction

JSON, PNG, NPZ = "application/json", "image/png", "application/x-npz"
# What is offered, in the order of preference, with the names under which an archive is asked for as well.
_OFFERED = {JSON: JSON, PNG: PNG, NPZ: NPZ, "application/zip": NPZ, "application/octet-stream": NPZ}
MAPS = ("labels", "depth", "density", "confidence")
OUTPUTS = (*MAPS, "overlay")
UNITS = {
    "labels": "index into names", "depth": "cm", "density": "1/255", "confidence": "1/255", "overlay": "sRGB",
}  # fmt: skip


class NotAcceptable(ValueError):
    """None of the media types that a client accepts can be given."""


@dataclass(frozen=True)
class Wanted:
    """media_type: as asked for; form: JSON, PNG or NPZ; outputs: the maps wanted; panel: of an overlay."""

    media_type: str
    form: str
    outputs: tuple[str, ...]
    panel: str

    def computed(self, available: Sequence[str]) -> tuple[str, ...]:
        """Which of the model's outputs that takes; the others are not computed."""
        needed = set(self.outputs)
        if "overlay" in needed:
            needed |= PANELS[self.panel]
        if self.form == JSON:
            needed.add("depth")
        return tuple(name for name in available if name == "labels" or name in needed)


def wanted(accept: str, query: Sequence[tuple[str, str]], available: Sequence[str]) -> Wanted:
    """Read a request. UsageError: a parameter or output that there is not; NotAcceptable."""
    media_type = negotiated(accept)
    form = _OFFERED[media_type]
    panels = [value for key, value in query if key == "panel"]
    outputs = tuple(dict.fromkeys(value for key, value in query if key == "output"))
    unknown = [key for key, _ in query if key not in ("output", "panel")]
    if unknown:
        raise UsageError(
            f"there is no parameter {unknown[0][:40]!r}; expected output or panel, and the picture's own bytes "
            "as the body (an address is not fetched)"
        )
    for name in outputs:
        if name not in OUTPUTS or (name in MAPS and name not in available):
            raise UsageError(f"output {name[:40]!r}: expected one of {', '.join((*available, 'overlay'))}")
    if len(panels) > 1 or any(panel not in PANELS for panel in panels):
        raise UsageError(f"panel: expected one of {', '.join(PANELS)}")
    if form == PNG and len(outputs) > 1:
        raise UsageError("a PNG holds one output; ask for one, or accept application/x-npz or application/json")
    if form == NPZ and "overlay" in outputs:
        raise UsageError("an NPZ holds maps; ask for the overlay as image/png")
    return Wanted(media_type, form, outputs or _default(form, available), panels[0] if panels else "overlay")


def _default(form: str, available: Sequence[str]) -> tuple[str, ...]:
    if form == NPZ:
        return tuple(available)
    return ("labels",) if form == PNG else ()


def negotiated(accept: str) -> str:
    """The media type to answer with: the most wanted of those offered, JSON where it is all the same."""
    if not accept.strip():
        return JSON
    ranges = [_range(part) for part in accept.split(",")]

    def weight(media_type: str) -> float:
        """By the most specific range that fits."""
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


def encoded(prediction: Prediction, asked: Wanted) -> bytes:
    """The body of the answer."""
    if asked.form == PNG:
        return prediction.encoded(asked.outputs[0], asked.panel)
    if asked.form == NPZ:
        # As it is: its floats shrink by a quarter, in several times the time of the prediction.
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **prediction.arrays())
        return buffer.getvalue()
    maps = {name: _embedded(prediction, name, asked.panel) for name in asked.outputs}
    return (json.dumps(described(prediction) | ({"maps": maps} if maps else {})) + "\n").encode()


def described(prediction: Prediction) -> dict[str, Any]:
    """What the runtime records of a picture, without what only a file or a video has."""
    record = prediction.record()
    return {key: value for key, value in record.items() if key not in ("source", "frame", "time_s", "held")}


def _embedded(prediction: Prediction, name: str, panel: str) -> dict[str, str]:
    png = prediction.encoded(name, panel)
    return {"media_type": PNG, "unit": UNITS[name], "base64": base64.b64encode(png).decode()}
