"""Exported models in onnxruntime, on the CPU or an NVIDIA GPU."""

from __future__ import annotations

import ctypes
import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.install_hint import install, install_engine

from .cpu import cores
from .engine_message import one_line_of
from .model_file import ModelFile
from .onnxruntime_binding import BoundCalls
from .session_checks import OutputCheck, SizeLimit

_GPU = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_WARNINGS, _SILENT = 2, 4  # levels of its log; the first is its default
# An ONNX file of one Relu on a float32 vector of length 1.
_RELU = (
    b'\x08\x08:3\n\x0c\n\x01x\x12\x01y"\x04Relu\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01b\x0f\n'
    b"\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
_LAYERS = ("Conv", "QLinearConv", "ConvTranspose", "MatMul", "Gemm")
_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}  # its names of element types -> numpy's


class OnnxRuntimeSession:
    """One model in onnxruntime; see `backends.Session`."""

    engine = "onnxruntime"
    arithmetic = "fp32"

    def __init__(self, file: ModelFile, device: str, threads: int | None) -> None:
        self._path = path = file.path
        self.metadata: Mapping[str, str] = file.metadata
        onnxruntime = import_onnxruntime()
        session = _session(onnxruntime, path, file.data, device, threads)
        self._bound: BoundCalls | None = None
        self.device = "cpu"
        if _GPU in session.get_providers():
            self.device = device if device.isdecimal() else "0"
            self._bound = BoundCalls(onnxruntime, session, "cuda", int(self.device))
        self._session = session
        self._path_only = onnxruntime.RunOptions()
        self._path_only.only_execute_path_to_fetches = True
        self.output_names = tuple(output.name for output in session.get_outputs())
        inputs = session.get_inputs()
        if [given.name for given in inputs] != ["frames"] or inputs[0].type != "tensor(uint8)":
            found = ", ".join(f"{given.name} {given.type}" for given in inputs)
            raise InputError(f"{path}: expected one input, frames of uint8, got {found}")
        self.input_shape = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)
        self._outputs = OutputCheck(path, file.manifest)
        self._outputs.signature(
            {
                output.name: (_DTYPES.get(output.type, output.type), len(output.shape) or None)
                for output in session.get_outputs()
            }
        )
        self._limit = SizeLimit(path, file.sizes.check if file.sizes else None)

    def run(self, frames: NDArray[np.uint8], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """(N, H, W, 3) uint8 RGB -> the outputs named (None: all), by name; no others are computed."""
        names = list(self.output_names if outputs is None else outputs)
        options = None if len(names) == len(self.output_names) else self._path_only
        self._limit.check(frames.shape)
        try:
            if self._bound is not None:
                found = self._bound.run(frames, names, options)
            else:
                found = self._session.run(names, {"frames": frames}, options)
        except Exception as error:  # onnxruntime's errors have no base class of their own
            size = "x".join(map(str, frames.shape))
            raise InputError(
                f"{self._path}: onnxruntime cannot run it on frames of {size}: {one_line_of(error)}"
            ) from None
        maps = dict(zip(names, found, strict=True))
        self._outputs.maps(frames.shape, maps)
        return maps


def _session(onnxruntime: Any, path: Path, data: bytes, device: str, threads: int | None) -> Any:
    """onnxruntime's session. InputError: no such model, or an asked-for GPU that leaves layers out."""
    providers = _providers(onnxruntime, device)
    if providers[0] == _CPU:
        return _made(onnxruntime, path, data, cpu_options(onnxruntime, threads), providers)
    options = cpu_options(onnxruntime, threads)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    onnxruntime.set_default_logger_severity(_SILENT)  # `_cause` says it in a line
    try:
        session = _made(onnxruntime, path, data, options, providers)
    except InputError as error:
        _no_gpu(device, f"{_cause(onnxruntime)} ({error})")
        return _session(onnxruntime, path, data, "cpu", threads)
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
    if _GPU in session.get_providers():
        refuse_layers_on_cpu(session, path, device)
    else:
        _no_gpu(device, _cause(onnxruntime))
    return session


def _made(onnxruntime: Any, path: Path, data: bytes, options: Any, providers: list[Any]) -> Any:
    try:
        # Its own way of falling back to the CPU, when loading or in the midst of a run, is a line on stdout.
        return onnxruntime.InferenceSession(data, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise InputError(f"{path}: onnxruntime cannot load this model: {one_line_of(error)}") from None


def refuse_layers_on_cpu(session: Any, path: Path, device: str) -> None:
    """InputError where an asked-for GPU leaves layers to the CPU; with `auto` it is a warning.

    The shapes of a dynamic graph are the CPU's work in any case. The session has to be made with
    `record_ep_graph_assignment_info`; an onnxruntime too old to tell is believed.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return
    parts = [part for part in session.get_provider_graph_assignment_info() if part.ep_name == _CPU]
    left = [node.name for part in parts for node in part.get_nodes() if node.op_type in _LAYERS]
    if not left:
        return
    text = (
        f"onnxruntime leaves {len(left)} layers of {path.name} to the CPU (such as {left[0]}); "
        "export it in fp32 or fp16 for a GPU"
    )
    if device != "auto":
        raise InputError(f"device {device}: {text}")
    warnings.warn(text, RuntimeWarning, stacklevel=6)


def import_onnxruntime() -> Any:
    """The package. InputError: it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"onnxruntime cannot be imported ({error}): {install_engine()}") from None
    if len(installed_wheels()) > 1:
        warnings.warn(_both_wheels(), RuntimeWarning, stacklevel=5)
    return onnxruntime


def installed_wheels() -> list[str]:
    """The wheels that brought onnxruntime: the one for the CPU, the one for GPUs, or by mistake both."""
    found = []
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(name)
    return found


def _both_wheels() -> str:
    return (
        "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files: "
        "pip uninstall -y onnxruntime onnxruntime-gpu, then install one of them again"
    )


def cpu_options(onnxruntime: Any, threads: int | None = None) -> Any:
    """Session options with `threads` (None: all cores) that wait without spinning."""
    threads = threads or cores()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _SILENT  # what goes wrong is in the error that it raises
    if threads > 1:
        # Spinning threads take the cores from those that decode and draw.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _providers(onnxruntime: Any, device: str) -> list[Any]:
    if device == "cpu":
        return [_CPU]
    if _GPU not in onnxruntime.get_available_providers():
        if device != "auto":
            _no_gpu(device, _cause(onnxruntime))
        return [_CPU]
    _preload(onnxruntime)
    return [(_GPU, {"device_id": int(device) if device.isdecimal() else 0, "use_tf32": 0}), _CPU]


def _preload(onnxruntime: Any) -> None:
    """Load CUDA's libraries out of pip packages, where they are installed."""
    if hasattr(onnxruntime, "preload_dlls"):
        with redirect_stdout(io.StringIO()):  # it prints what it does not find, which `_cause` reports
            onnxruntime.preload_dlls()


@cache
def gpu_fault() -> str | None:
    """Return why the installed onnxruntime cannot use a GPU, None if it can.

    The GPU build alone is no sign: CUDA's libraries, the driver or the GPU itself may be missing. Opening a
    session of one layer tells, and costs little next to the session of the model that follows.
    """
    onnxruntime = import_onnxruntime()
    if _GPU not in onnxruntime.get_available_providers():
        return _cause(onnxruntime)
    _preload(onnxruntime)
    onnxruntime.set_default_logger_severity(_SILENT)
    try:
        session = onnxruntime.InferenceSession(_RELU, providers=[_GPU, _CPU], enable_fallback=0)
    except Exception as error:  # onnxruntime's errors have no base class of their own
        return f"{_cause(onnxruntime)} ({one_line_of(error)})"
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
    return None if _GPU in session.get_providers() else _cause(onnxruntime)


def _no_gpu(device: str, cause: str) -> None:
    """An asked-for GPU that cannot be had is an error; with `auto` it is a warning."""
    if device == "auto":
        warnings.warn(f"running on the CPU: {cause}", RuntimeWarning, stacklevel=5)
        return
    raise InputError(f"device {device}: {cause}; or run with --device cpu")


def _cause(onnxruntime: Any) -> str:
    if len(installed_wheels()) > 1:
        return _both_wheels()
    if _GPU not in onnxruntime.get_available_providers():
        build = "the installed onnxruntime is the CPU build: pip uninstall -y onnxruntime"
        return f"{build}, then, {install('gpu')}"
    library = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        mend = (
            "install NVIDIA's driver, or start the container with --gpus all"
            if "libcuda.so" in str(error)
            else f"{install('cuda')}, which brings CUDA's and cuDNN's libraries"
        )
        return f"onnxruntime's CUDA part cannot be loaded ({error}): {mend}"
    return "onnxruntime found no such usable NVIDIA GPU (see nvidia-smi)"
