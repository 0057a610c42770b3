"""Pictures -> network input -> engine -> Prediction."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends import has_gpu, open_chosen
from .backends.choice import bundled_precision, check_words
from .backends.cpu import cores
from .camera_height import LEAST_M, MOST_M, scaled
from .command import InputError, UsageError
from .film import Film
from .manifest import Manifest
from .prediction import Camera, Prediction
from .preprocess import Geometry, focal_length_px, plan, to_input
from .road_plane import road_class
from .sizes import LEAST_SIDE, LONGEST_SIDE
from .sources import Frame

BUNDLED_MODEL = Path(__file__).parent / "models" / "depdis-street.onnx"
# Beside it, where it is part of the installation.
BUNDLED_INT8 = "depdis-street-int8.onnx"

Picture = NDArray[np.uint8] | Frame | str | os.PathLike[str]


class Predictor:
    """An exported model, ready to be called; several threads may call it at once.

    model: a path; None: the bundled one. device: auto takes the fastest that keeps the model's accuracy; cpu,
        or a GPU's number, takes the file in its own precision.
    camera_fov: the camera's horizontal field of view in degrees, which makes depth metres of that camera;
        None: the model's canonical camera is assumed.
    camera_height: the camera's height above the road in metres, by which depth is scaled where the road is seen
        to be at another (`Prediction.camera.height` says so); None: depth as the model gives it.
    threads: of one call on the CPU; None: all cores. engine: auto, onnxruntime or openvino. precision: auto,
        or fp32, bf16 or int8 to insist on it. `choice` says in a line what was taken, and why.
    trust_engine: load a TensorRT engine though it was not built here by this user; it runs as code.
    imgsz: (width, height) of the network's input in place of the model's own, of a model that takes any; each
        picture keeps its aspect and becomes about so many pixels. None: the model's own.
    Raises InputError where the model or the device cannot be used, UsageError for a wrong option.
    """

    def __init__(
        self, model: str | os.PathLike[str] | None = None, device: str = "auto",
        camera_fov: float | None = None, *, threads: int | None = None, engine: str = "auto",
        precision: str = "auto", trust_engine: bool = False, camera_height: float | None = None,
        imgsz: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        check_words(str(device), engine, precision)
        self.model = _bundled(str(device), precision) if model is None else Path(model)
        self._session, reason = open_chosen(
            self.model, str(device), threads, engine=engine, precision=precision, trust_engine=trust_engine
        )
        self.manifest = Manifest.from_metadata(self._session.metadata)
        self.choice = self._described(reason, threads)
        self.names = self.manifest.taxonomy.names
        self.device = self._session.device
        self.camera_fov, self.camera_height = camera_fov, camera_height
        self._unit = 1.0  # by which the graph's depth becomes metres of the manifest's canonical camera
        self._check()
        self._check_camera()
        if imgsz is not None:
            self._resize(*imgsz)

    def with_camera(
        self, camera_fov: float | None = None, *, camera_height: float | None = None
    ) -> Predictor:  # fmt: skip
        """The same loaded model for pictures of another camera, as if it had been opened with these.

        UsageError: no such camera, or this model does not know what makes its metres.
        """
        other = copy(self)
        other.camera_fov, other.camera_height = camera_fov, camera_height
        other._check_camera()
        return other

    def _described(self, reason: str, threads: int | None) -> str:
        session, precision = self._session, self.manifest.precision
        if session.arithmetic == "bf16":
            precision = f"{precision}, the rest in bf16" if precision == "int8" else "bf16"
        if session.device != "cpu":
            place = f"GPU {session.device}"
        else:
            number = threads or cores()
            place = f"CPU, {number} thread{'s' * (number > 1)} a call"
        return f"{self.model.name} in {session.engine}, {precision}, {place}: {reason}"

    def _check(self) -> None:
        manifest, shape = self.manifest, self._session.input_shape
        missing = set(manifest.outputs) - set(self._session.output_names)
        if missing:
            raise InputError(
                f"{self.model}: its manifest promises {', '.join(sorted(missing))}, its graph does not"
            )
        rule = manifest.resize
        fixed = rule.kind != "area" and shape[1:3] in ((rule.height, rule.width), (None, None))
        if len(shape) != 4 or not (fixed or shape[1:3] == (None, None)):
            raise InputError(
                f"{self.model}: its resize rule ({rule.kind} {rule.width}x{rule.height}) does not fit its "
                f"input (N, H, W, 3) = {shape}; export it again"
            )

    def _resize(self, width: int, height: int) -> None:
        """Take pictures at another size than the model's own, of the same camera: where twice the pixels make
        things look half as far to the network, metres do not follow."""
        rule = self.manifest.resize
        if (width, height) == (rule.width, rule.height):
            return
        if rule.kind != "area":
            raise UsageError(
                f"{self.model.name} takes {rule.width}x{rule.height} alone, not {width}x{height}: export it "
                f"with --imgsz {width}x{height}, or with --dynamic for any size"
            )
        if min(width, height) < LEAST_SIDE or max(width, height) > LONGEST_SIDE:
            raise UsageError(
                f"input size: sides of {LEAST_SIDE} to {LONGEST_SIDE} pixels are expected, got {width}x{height}"
            )
        self.manifest = replace(self.manifest, resize=replace(rule, width=width, height=height))
        if self.manifest.canonical_focal_px is not None:
            self._unit = math.sqrt(width * height / (rule.width * rule.height))
            focal_px = self._unit * self.manifest.canonical_focal_px
            self.manifest = replace(self.manifest, canonical_focal_px=focal_px)

    def _check_camera(self) -> None:
        manifest, height_m = self.manifest, self.camera_height
        if self.camera_fov is not None or height_m is not None:
            if manifest.canonical_focal_px is None:
                given = "field of view" if self.camera_fov is not None else "camera's height"
                raise UsageError(f"{self.model.name} learned one camera's metres: leave the {given} out")
            if self.camera_fov is not None and not 1.0 <= self.camera_fov <= 179.0:
                raise UsageError(f"camera field of view: expected 1 to 179 degrees, got {self.camera_fov:g}")
        if height_m is not None:
            if not LEAST_M <= height_m <= MOST_M:
                raise UsageError(f"camera height: expected {LEAST_M:g} to {MOST_M:g} metres, got {height_m:g}")
            if "depth" not in manifest.outputs or road_class(manifest.taxonomy) is None:
                raise UsageError(
                    f"{self.model.name} has no depth output or no class road: leave the camera's height out"
                )

    def __call__(self, picture: Picture) -> Prediction:
        """The prediction for a (H, W, 3) uint8 RGB array, a Frame, or a picture file."""
        return self.predict([picture])[0]

    def predict(
        self, pictures: Sequence[Picture], *, outputs: Sequence[str] | None = None, settled: bool = True
    ) -> list[Prediction]:
        """Predictions in order; those of one network size share a call where the model takes batches.

        outputs: which of the model's to compute (None: all); the others are None in the predictions.
        settled: False leaves to a `film` what it does frame by frame; otherwise each picture is by itself.
        """
        frames = [_frame(picture) for picture in pictures]
        wanted = self._wanted(outputs)
        groups: dict[tuple[int, int], list[int]] = {}
        geometries = [
            plan((frame.image.shape[1], frame.image.shape[0]), self.manifest.resize, frame.aspect)
            for frame in frames
        ]
        for index, geometry in enumerate(geometries):
            groups.setdefault(geometry.input, []).append(index)
        predictions: list[Prediction | None] = [None] * len(frames)
        for members in groups.values():
            size = self._session.input_shape[0] or len(members)
            for start in range(0, len(members), size):
                chunk = members[start : start + size]
                made = self._run(
                    [frames[index] for index in chunk], [geometries[index] for index in chunk], wanted
                )
                for index, prediction in zip(chunk, made, strict=True):
                    predictions[index] = prediction
        found = [prediction for prediction in predictions if prediction is not None]
        if settled:
            for prediction in found:
                self.film().settle(prediction)
        return found

    def stream(self, source: Any, *, stride: int = 1, smooth: bool = False) -> Iterator[Prediction]:
        """Predictions of anything the command line takes, one by one, in constant memory.

        stride: every N-th frame of a video. smooth: hold a video's labels against flicker (`film`).
        """
        from .sources import open_sources

        film = self.film(smooth=smooth)
        for frame in open_sources(source, stride=stride):
            (prediction,) = self.predict([frame], settled=False)
            film.settle(prediction)
            yield prediction

    def film(self, *, smooth: bool = False) -> Film:
        """What carries over from frame to frame of a video, for predictions that are not `settled`.

        smooth: a pixel keeps its label until another is clearly surer or the picture changes there; the
        predictions need `confidence`. UsageError: this model has no such output.
        """
        if smooth and "confidence" not in self.manifest.outputs:
            raise UsageError(f"{self.model.name} has no confidence output, by which labels are smoothed")
        return Film(camera_height=self.camera_height, smooth=smooth)

    def _wanted(self, outputs: Sequence[str] | None) -> tuple[str, ...]:
        if outputs is None:
            return self.manifest.outputs
        lacking = [name for name in outputs if name not in self.manifest.outputs]
        if lacking:
            raise UsageError(
                f"{self.model.name} has no {lacking[0]} output; it has {', '.join(self.manifest.outputs)}"
            )
        return tuple(name for name in self.manifest.outputs if name == "labels" or name in outputs)

    def _run(
        self, frames: Sequence[Frame], geometries: Sequence[Geometry], outputs: tuple[str, ...]
    ) -> list[Prediction]:
        begun = time.perf_counter()
        rule = self.manifest.resize
        inputs = [
            to_input(frame.image, geometry, rule) for frame, geometry in zip(frames, geometries, strict=True)
        ]
        if self._session.input_shape[0] is not None:
            # A static batch is filled up with its last frame.
            inputs += inputs[-1:] * (self._session.input_shape[0] - len(inputs))
        batch = np.ascontiguousarray(inputs[0])[None] if len(inputs) == 1 else np.stack(inputs)
        prepared = time.perf_counter()
        found = self._session.run(batch, outputs)
        inferred = time.perf_counter()
        predictions = [
            self._prediction(
                frame, geometry, {name: values[index] for name, values in found.items()}, inputs[index]
            )
            for index, (frame, geometry) in enumerate(zip(frames, geometries, strict=True))
        ]
        ended = time.perf_counter()
        share = 1000.0 / len(frames)
        for prediction in predictions:
            prediction.speed.update(
                preprocess=share * (prepared - begun), inference=share * (inferred - prepared),
                postprocess=share * (ended - inferred),
            )  # fmt: skip
        return predictions

    def _prediction(
        self, frame: Frame, geometry: Geometry, maps: dict[str, NDArray[Any]], seen: NDArray[np.uint8]
    ) -> Prediction:
        camera = self._camera(geometry)
        scale = self._unit
        if camera is not None and not camera.assumed:
            assert self.manifest.canonical_focal_px is not None
            focal_px = camera.focal_px * geometry.content[0] / geometry.frame[0]  # of the input
            scale *= focal_px / self.manifest.canonical_focal_px
        if "depth" in maps and scale != 1:
            maps["depth"] = scaled(maps["depth"], scale, self.manifest.depth_range_m[1])
        return Prediction(
            frame.image, maps, geometry, self.manifest, path=frame.path or None, frame=frame.index,
            time_s=frame.time_s, camera=camera, seen=seen,
        )  # fmt: skip

    def _camera(self, geometry: Geometry) -> Camera | None:
        """The camera for which depth is in metres; None where the model does not say."""
        canonical = self.manifest.canonical_focal_px
        width = geometry.frame[0]
        if self.camera_fov is not None:
            return Camera(self.camera_fov, focal_length_px(self.camera_fov, width), assumed=False)
        if canonical is None:
            return None
        focal_px = canonical * width / geometry.content[0]
        return Camera(math.degrees(2 * math.atan(width / 2 / focal_px)), focal_px, assumed=True)


def _bundled(device: str, precision: str) -> Path:
    """The bundled model's file for what was asked for."""
    int8 = BUNDLED_MODEL.with_name(BUNDLED_INT8)
    available = {"int8": int8} if int8.is_file() else {}
    gpu = device == "auto" and precision == "auto" and bool(available) and has_gpu()
    wanted = int8 if bundled_precision(device, precision, available, gpu=gpu) == "int8" else BUNDLED_MODEL
    if not wanted.is_file():
        raise InputError(f"{wanted}: this installation has no bundled model here; name one (--model)")
    return wanted


def _frame(picture: Picture) -> Frame:
    if isinstance(picture, Frame):
        return picture
    if isinstance(picture, (str, os.PathLike)):
        from .pictures import read_picture

        return Frame(read_picture(picture), os.fspath(picture))
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim != 3:
        found = (
            f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        )
        raise InputError(f"expected a uint8 RGB picture (H, W, 3) or a path, got {found}")
    if picture.shape[2] != 3 or picture.size == 0:
        raise InputError(f"expected a picture (H, W, 3) of at least one pixel, got shape {picture.shape}")
    return Frame(picture, "")
