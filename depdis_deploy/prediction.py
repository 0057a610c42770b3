"""What the network says of one picture: maps on its pixels, statistics, drawings, files."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .class_statistics import ClassStatistics, class_statistics
from .command import UsageError
from .files import Protected, make_plain_folder, written_whole
from .manifest import Manifest
from .outputs import file_name
from .preprocess import Geometry, to_frame
from .terminal import json_line, plain_name

if TYPE_CHECKING:
    from . import pictures

_CENTIMETRE = np.float32(0.01)
FILE_KINDS = ("overlay", "labels", "depth", "density", "confidence", "npz")


@dataclass(frozen=True)
class HeightScale:
    """What a given height of the camera above the road made of depth.

    given_m: the height; seen_m: that of the road plane fitted to the picture's depth, and pitch_degrees the
    camera's angle to it, above 0 where it looks up; both None where too little road was seen. scale: the factor
    put to depth. source: `road`, `earlier frames` of the film, or None: the scale was not found, and is 1.
    """

    given_m: float
    seen_m: float | None
    pitch_degrees: float | None
    scale: float
    source: str | None


@dataclass(frozen=True)
class Camera:
    """The camera for which depth is in metres.

    fov_degrees: horizontal field of view; focal_px: in pixels of the picture; assumed: nobody gave it, it is
    the model's canonical one. height: where the camera's height was given, and what that did.
    """

    fov_degrees: float
    focal_px: float
    assumed: bool
    height: HeightScale | None = None

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        height = self.height
        return {
            "fov_degrees": round(self.fov_degrees, 2), "focal_px": round(self.focal_px, 1),
            "assumed": self.assumed,
            "height": height and {
                "given_m": height.given_m, "seen_m": _rounded(height.seen_m),
                "pitch_degrees": _rounded(height.pitch_degrees), "scale": round(height.scale, 4),
                "source": height.source,
            },
        }  # fmt: skip


class Prediction:
    """One picture's labels, depth, density and confidence.

    image: (H, W, 3) uint8 RGB, the picture itself. path, frame, time_s: where it came from; None where that
    has no meaning. names: the classes' names. speed: milliseconds of `preprocess`, `inference`, `postprocess`.
    maps: by output name, at the network's resolution, padding included. seen: (h, w, 3) uint8 RGB, the
    network's input, where it was kept. held: in a smoothed film the share of labels held from frames before.
    """

    def __init__(
        self, image: NDArray[np.uint8], maps: Mapping[str, NDArray[Any]], geometry: Geometry,
        manifest: Manifest, *, path: str | None = None, frame: int | None = None, time_s: float | None = None,
        camera: Camera | None = None, seen: NDArray[np.uint8] | None = None,
    ) -> None:  # fmt: skip
        self.image, self.maps, self.geometry, self.manifest = image, maps, geometry, manifest
        self.path, self.frame, self.time_s, self.camera = path, frame, time_s, camera
        self.seen = seen
        self.held: float | None = None
        self.speed: dict[str, float] = {"preprocess": 0.0, "inference": 0.0, "postprocess": 0.0}

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names; a label is an index into them."""
        return self.manifest.taxonomy.names

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """(H, W) uint8 class indices; 255 is never predicted."""
        return self._framed("labels", smooth=False)

    @cached_property
    def depth(self) -> NDArray[np.float32] | None:
        """(H, W) float32 metres along the optical axis; None without that output."""
        if "depth" not in self.maps:
            return None
        begun = time.perf_counter()
        # Between a thing and the sky behind it, metres on the way from one to the other are nobody's, so what
        # is interpolated is inverse depth.
        inverse = to_frame(1 / np.maximum(self.maps["depth"], _CENTIMETRE), self.geometry, smooth=True)
        depth_m: NDArray[np.float32] = np.divide(1, inverse, dtype=np.float32)
        self.speed["postprocess"] += 1000 * (time.perf_counter() - begun)
        return depth_m

    @cached_property
    def density(self) -> NDArray[np.float32] | None:
        """(H, W) float32 in 0..1, how usual the depth is for the class there; None without that output."""
        return self._framed("density", smooth=True) if "density" in self.maps else None

    @cached_property
    def confidence(self) -> NDArray[np.float32] | None:
        """(H, W) float32 in 0..1, the largest softmax; None without that output."""
        return self._framed("confidence", smooth=True) if "confidence" in self.maps else None

    def _framed(self, name: str, *, smooth: bool) -> NDArray[Any]:
        begun = time.perf_counter()
        values = to_frame(self.maps[name], self.geometry, smooth=smooth)
        self.speed["postprocess"] += 1000 * (time.perf_counter() - begun)
        return values

    def content(self, name: str) -> NDArray[Any]:
        """A map at the network's resolution, without what lies over the padding."""
        values = self.maps[name]
        (wide, high), (width, height) = self.geometry.input, self.geometry.content
        rows, columns = values.shape
        return values[: max(1, round(rows * height / high)), : max(1, round(columns * width / wide))]

    @cached_property
    def statistics(self) -> list[ClassStatistics]:
        """Share and depths of each class, in the order of `names`."""
        return class_statistics(
            self.content("labels"),
            self.content("depth") if "depth" in self.maps else None,
            len(self.names),
            self.manifest.depth_range_m[1],
        )

    def plot(self, panel: str = "overlay") -> NDArray[np.uint8]:
        """A drawing as uint8 RGB: `overlay` (H, W), `side-by-side` (H, 2W) or `quad` (2H, 2W)."""
        from .visualize import panel as draw

        return draw(self, panel)

    def save(
        self, folder: Path | str, what: Iterable[str] = ("overlay", "json"), *, panel: str = "overlay"
    ) -> list[Path]:
        """Write `<stem>_<kind>.png` (or .npz) and `<stem>.ndjson` into `folder`, made if missing.

        what: any of overlay, labels, depth, density, confidence, npz, json. The stem is that of the picture's
        name, with the frame's number for a video's; `picture` for an array. Returns the paths written.
        UsageError: a kind that there is not, or that this model does not give.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        stem = plain_name(Path(self.path).stem) if self.path else "picture"
        if self.frame is not None:
            stem += f"_{self.frame:06d}"
        return self.save_as(folder, stem, what, panel)

    def save_as(
        self,
        folder: Path,
        stem: str,
        what: Iterable[str],
        panel: str = "overlay",
        *,
        protected: Protected | None = None,
    ) -> list[Path]:
        """As `save`, with a stem of the caller's.

        protected: files that no result may replace; None: the image's own file.
        """
        kinds = sorted(what)
        writers = {kind: self._writer(kind, panel) for kind in kinds if kind != "json"}
        protected = protected or self._own_file()
        paths = []
        for kind, write in writers.items():
            paths.append(folder / file_name(stem, kind))
            _write_file(paths[-1], write, protected)
        if "json" in kinds:
            paths.append(folder / f"{stem}.ndjson")
            with written_whole(paths[-1], protected=protected) as temporary:
                temporary.write_text(self.to_json() + "\n", "utf-8")
        return paths

    def save_frame(
        self,
        folder: Path,
        stem: str,
        what: Iterable[str],
        panel: str = "overlay",
        *,
        protected: Protected | None = None,
    ) -> list[Path]:
        """A video frame's files: `<stem>_<kind>/000000.png` (or .npz). InputError: such a folder is a link."""
        protected = protected or self._own_file()
        paths = []
        for kind in sorted(what):
            write = self._writer(kind, panel)
            inside = folder / f"{stem}_{kind}"
            make_plain_folder(inside)
            paths.append(inside / f"{self.frame or 0:06d}{'.npz' if kind == 'npz' else '.png'}")
            _write_file(paths[-1], write, protected)
        return paths

    def _own_file(self) -> Protected:
        return Protected(() if self.path is None else (self.path,))

    def encoded(self, kind: str, panel: str = "overlay") -> bytes:
        """The bytes of the file that `save` writes of a kind: a PNG, or the .npz."""
        buffer = io.BytesIO()
        self._writer(kind, panel)(buffer)
        return buffer.getvalue()

    def _writer(self, kind: str, panel: str) -> Callable[[pictures.Target], None]:
        from . import pictures

        if kind not in FILE_KINDS:
            raise UsageError(f"--save {kind}: expected one of {', '.join((*FILE_KINDS, 'json'))}")
        if kind in ("depth", "density", "confidence") and kind not in self.maps:
            raise UsageError(f"--save {kind}: this model has no {kind} output")
        writers: dict[str, Callable[[pictures.Target], None]] = {
            "overlay": lambda target: pictures.write_rgb(target, self.plot(panel)),
            "labels": lambda target: pictures.write_labels(target, self.labels, self.manifest.taxonomy),
            "depth": lambda target: pictures.write_depth(target, _there(self.depth)),
            "density": lambda target: pictures.write_share(target, _there(self.density), "density"),
            "confidence": lambda target: pictures.write_share(target, _there(self.confidence), "confidence"),
            "npz": lambda target: pictures.write_arrays(target, self.arrays()),
        }
        return writers[kind]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All maps on the picture's pixels, by name, and the classes' names."""
        maps = {name: getattr(self, name) for name in self.maps}
        return {**maps, "names": np.array(self.names)}

    def record(self) -> dict[str, Any]:
        """Source, frame, time stamp, size, and of each class its share and depths; speed in ms."""
        height, width = self.image.shape[:2]
        return {
            "source": self.path, "frame": self.frame,
            "time_s": None if self.time_s is None else round(self.time_s, 6),
            "width": width, "height": height,
            "classes": {
                name: {
                    "share": round(found.share, 5),
                    "median_depth_m": _rounded(found.median_depth_m),
                    "nearest_depth_m": _rounded(found.nearest_depth_m),
                }
                for name, found in zip(self.names, self.statistics, strict=True)
            },
            "units": {"depth": "m", "depth_png": "cm", "share": "1", "speed": "ms"},
            "camera": self.camera and self.camera.record(),
            "held": None if self.held is None else round(self.held, 5),
            "speed": {stage: round(value, 2) for stage, value in self.speed.items()},
        }  # fmt: skip

    def to_json(self) -> str:
        """`record` as one line of JSON."""
        return json_line(self.record())


def failure_line(source: str, error: str, outputs: Iterable[str] = ()) -> str:
    """The NDJSON line of a source without results: `source`, `error` (why) and `outputs` (files left of it)."""
    return json_line({"source": source, "error": error, "outputs": list(outputs)})


def _write_file(path: Path, write: Callable[[pictures.Target], None], protected: Protected) -> None:
    with written_whole(path, protected=protected) as temporary, temporary.open("r+b") as file:
        write(file)


def _there(values: NDArray[np.float32] | None) -> NDArray[np.float32]:
    assert values is not None  # `_writer` has looked
    return values


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
