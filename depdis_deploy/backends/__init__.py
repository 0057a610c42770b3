"""The engines that run an exported model: one module each, imported only when chosen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.manifest import Manifest

SUFFIXES = (".onnx", ".xml", ".engine")


class Session(Protocol):
    """A model made ready on a device. `run` may be called by several threads at once.

    metadata: the file's own description; output_names: in the graph's order; device: `cpu`, or a GPU's number;
    engine: onnxruntime, openvino or tensorrt; arithmetic: of the layers that are not INT8: fp32, bf16 or fp16;
    input_shape: (N, H, W, 3) of `frames`, None where the graph takes any size.
    """

    metadata: Mapping[str, str]
    output_names: tuple[str, ...]
    input_shape: tuple[int | None, ...]
    device: str
    engine: str
    arithmetic: str

    def run(self, frames: NDArray[np.uint8], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """(N, H, W, 3) uint8 RGB -> the outputs named (None: all), by name; no others are computed."""
        ...


def open_session(
    path: Path | str, device: str = "auto", threads: int | None = None, *, engine: str = "auto",
    precision: str = "auto",
) -> Session:  # fmt: skip
    """A model file made ready on `auto`, `cpu` or a GPU's number; `open_chosen` tells the reason too."""
    return open_chosen(path, device, threads, engine=engine, precision=precision)[0]


def open_chosen(
    path: Path | str, device: str = "auto", threads: int | None = None, *, engine: str = "auto",
    precision: str = "auto", trust_engine: bool = False,
) -> tuple[Session, str]:  # fmt: skip
    """The session, and why its engine and arithmetic were chosen.

    A model from outside the package is checked, and once for each engine run in a child process with limits.
    threads: of one call on the CPU; None: all cores. engine: auto, onnxruntime or openvino. precision: auto, or
    fp32, bf16 or int8 to insist on it. trust_engine: load a TensorRT engine though it was not built here.
    InputError: not such a model, or no such device; UsageError: a word of another form.
    """
    from .choice import check_words, choose

    path = Path(path)
    check_words(device, engine, precision)
    suffix = _checked_suffix(path, engine)
    if suffix == ".engine":
        return _open_tensorrt(path, device, engine, precision, trusted=trust_engine)
    if suffix == ".xml" and device.isdecimal():
        raise UsageError(f"device {device}: an OpenVINO model runs on the CPU here; export to .onnx for a GPU")
    from .model_file import read_model
    from .trial import require_trial

    file = read_model(path)
    manifest = file.manifest
    wants_gpu = suffix == ".onnx" and device == "auto" and engine != "openvino" and precision != "bf16"
    gpu = wants_gpu and has_gpu()
    if wants_gpu and not gpu:
        _warn_of_unusable_gpu_build()
    choice = choose(manifest, suffix, device, engine, precision, gpu=gpu)
    if choice.engine == "onnxruntime":
        from .onnxruntime_backend import OnnxRuntimeSession

        require_trial(file, "onnxruntime", "fp32", threads)
        session = OnnxRuntimeSession(file, "cpu" if wants_gpu and not gpu else device, threads)
        if gpu and session.device == "cpu":
            # The GPU cannot run this model, and the session has warned of the cause.
            choice = choose(manifest, suffix, device, engine, precision, gpu=False)
        if choice.engine == "onnxruntime":
            return session, choice.reason
    from .openvino_backend import OpenVinoSession

    require_trial(file, "openvino", choice.arithmetic, threads)
    return OpenVinoSession(file, threads, choice.arithmetic), choice.reason


def describe(path: Path | str) -> Manifest:
    """What a model file says of itself, read without its engine. InputError: it is no exported model."""
    path = Path(path)
    if _checked_suffix(path, "auto") == ".engine":
        from .engine_key import read_key

        return read_key(path).manifest
    from .model_file import read_model

    return read_model(path).manifest


def _open_tensorrt(
    path: Path, device: str, engine: str, precision: str, *, trusted: bool
) -> tuple[Session, str]:
    if device == "cpu" or engine != "auto":
        word = "device cpu" if device == "cpu" else f"engine {engine}"
        raise UsageError(
            f"{word}: a TensorRT engine runs in TensorRT on a GPU; take the .onnx it was built from"
        )
    from .tensorrt_open import open_engine

    session = open_engine(path, device, trusted=trusted)
    if precision not in ("auto", session.precision):
        raise InputError(
            f"precision {precision}: this engine is {session.precision}; build one of another file"
        )
    unseen = "" if session.compared else "; it was never compared with its ONNX file"
    return session, f"its format's engine{unseen}"


def has_gpu() -> bool:
    """Return whether the installed onnxruntime, if there is one, can use a GPU of this machine."""
    if not _has_gpu_build():
        return False
    from .onnxruntime_backend import gpu_fault

    return gpu_fault() is None


def _has_gpu_build() -> bool:
    """Return whether onnxruntime has its part for NVIDIA GPUs. Importing it only to ask would be slow."""
    from importlib.util import find_spec

    from depdis_deploy.install_hint import installed

    found = find_spec("onnxruntime") if installed("onnxruntime") else None
    places = (found and found.submodule_search_locations) or []
    return any(True for place in places for _ in Path(place, "capi").glob("*onnxruntime_providers_cuda.*"))


def _warn_of_unusable_gpu_build() -> None:
    """Warn that the CPU is used although the installed onnxruntime is for GPUs."""
    if _has_gpu_build():
        from .onnxruntime_backend import gpu_fault

        warnings.warn(f"running on the CPU: {gpu_fault()}", RuntimeWarning, stacklevel=3)


def _checked_suffix(path: Path, engine: str) -> str:
    expected = ", ".join(SUFFIXES)
    if not path.exists():
        raise InputError(f"{path}: no such model file; expected an exported model ({expected})")
    if not path.is_file():
        found = "a folder" if path.is_dir() else "something that is not a regular file"
        raise InputError(f"{path}: expected an exported model file ({expected}), got {found}")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path}: expected an exported model ({expected}), got {path.suffix or 'no suffix'}; "
            "make one of a checkpoint by depdis-export"
        )
    if suffix == ".xml" and engine == "onnxruntime":
        raise UsageError(f"{path}: an OpenVINO model runs in openvino only; export to .onnx for onnxruntime")
    return suffix
