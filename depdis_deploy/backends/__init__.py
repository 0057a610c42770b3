"""The engines that run an exported model: one module each, imported only when chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError, UsageError


class Session(Protocol):
    """A model made ready on a device. `run` may be called by several threads at once.

    metadata: the file's own description; output_names: in the graph's order; device: `cpu`, or a GPU's number;
    input_shape: (N, H, W, 3) of `frames`, None where the graph takes any size.
    """

    metadata: Mapping[str, str]
    output_names: tuple[str, ...]
    input_shape: tuple[int | None, ...]
    device: str

    def run(self, frames: NDArray[np.uint8], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """(N, H, W, 3) uint8 RGB -> the outputs named (None: all), by name; no others are computed."""
        ...


def _onnx(path: Path, device: str, threads: int | None) -> Session:
    from .onnxruntime_backend import OnnxRuntimeSession

    return OnnxRuntimeSession(path, device, threads)


_BY_SUFFIX: Mapping[str, Callable[[Path, str, int | None], Session]] = {".onnx": _onnx}


def open_session(path: Path | str, device: str = "auto", threads: int | None = None) -> Session:
    """A model file made ready on `auto`, `cpu` or a GPU's number, by the engine its suffix names.

    threads: of one call on the CPU; None: all cores. InputError: not such a model, or no such device;
    UsageError: a device of another form.
    """
    path = Path(path)
    if device not in ("auto", "cpu") and not device.isdecimal():
        raise UsageError(f"device {device!r}: expected auto, cpu, or a GPU's number such as 0")
    if not path.exists():
        raise InputError(f"{path}: no such model file; expected an exported model ({', '.join(_BY_SUFFIX)})")
    if not path.is_file():
        raise InputError(f"{path}: expected an exported model file ({', '.join(_BY_SUFFIX)}), got a folder")
    if path.suffix.lower() not in _BY_SUFFIX:
        raise InputError(
            f"{path}: expected an exported model ({', '.join(_BY_SUFFIX)}), got {path.suffix or 'no suffix'}; "
            "make one of a checkpoint by depdis-export"
        )
    return _BY_SUFFIX[path.suffix.lower()](path, device, threads)
