"""Exported models in OpenVINO, on the CPU: our ONNX files, or its own format with the manifest beside."""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.install_hint import install

from .cpu import cores
from .engine_message import one_line_of
from .model_file import ModelFile
from .openvino_tail import rows_by_product
from .session_checks import OutputCheck, SizeLimit

# Compiled for one size each, so many sizes of a dynamic model; from then on it is compiled once for any size.
_MOST_SIZES = 3
_importing = threading.Lock()


class OpenVinoSession:
    """One model in OpenVINO; see `backends.Session`.

    arithmetic: `fp32` or `bf16`, what layers that are not INT8 are computed in. threads: of one call; as many
    calls run side by side as fill all cores; None: one call on all cores.
    """

    engine = "openvino"
    device = "cpu"

    def __init__(self, file: ModelFile, threads: int | None, arithmetic: str) -> None:
        self._path = path = file.path
        self.arithmetic = arithmetic
        self.metadata: Mapping[str, str] = file.metadata
        openvino = import_openvino()
        self._openvino = openvino
        self._core = openvino.Core()
        capable = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if arithmetic == "bf16" and "BF16" not in capable:
            raise InputError("this processor has no bf16 arithmetic: choose precision fp32 or int8")
        try:
            self._model = self._core.read_model(path)
        except RuntimeError as error:
            cause = one_line_of(error, last=True)
            raise InputError(f"{path}: OpenVINO cannot load this model: {cause}") from None
        inputs = self._model.inputs
        if (
            len(inputs) != 1
            or "frames" not in inputs[0].get_names()
            or inputs[0].element_type.to_string() != "u8"
        ):
            found = ", ".join(
                f"{', '.join(given.get_names())} {given.element_type.to_string()}" for given in inputs
            )
            raise InputError(f"{path}: expected one input, frames of u8, got {found}")
        self.input_shape = tuple(
            size.get_length() if size.is_static else None for size in inputs[0].partial_shape
        )
        self._outputs = OutputCheck(path, file.manifest)
        self.output_names = tuple(self._name(output, file.manifest.outputs) for output in self._model.outputs)
        if len(set(self.output_names)) < len(self.output_names):
            raise InputError(f"{path}: two of its outputs have the same tensor name; export it again")
        self._outputs.signature(dict(zip(self.output_names, map(_kind, self._model.outputs), strict=True)))
        self._limit = SizeLimit(path, file.sizes.check if file.sizes else None)
        self._settings = _settings(threads, arithmetic)
        self._compiled: dict[tuple[tuple[int, ...] | None, tuple[str, ...]], Any] = {}
        self._compiling = threading.Lock()
        # Of each compiled model the requests that nobody uses: as many are made as calls run at once, whereas
        # one a thread would be forty in a server that answers in forty threads.
        self._free: dict[int, deque[Any]] = {}

    def run(self, frames: NDArray[np.uint8], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """(N, H, W, 3) uint8 RGB -> the outputs named (None: all), by name; no others are computed."""
        names = tuple(self.output_names if outputs is None else outputs)
        try:
            self._limit.check(frames.shape)
            found = self._infer(self._compile(frames.shape, names), np.ascontiguousarray(frames))
        except RuntimeError as error:
            size = "x".join(map(str, frames.shape))
            raise InputError(
                f"{self._path}: OpenVINO cannot run it on frames of {size}: {one_line_of(error, last=True)}"
            ) from None
        maps = {name: found[index] for index, name in enumerate(names)}
        self._outputs.maps(frames.shape, maps)
        return maps

    def _name(self, output: Any, promised: Sequence[str]) -> str:
        """An output's tensor name, of several the promised one; InputError where it has none."""
        names = output.get_names()
        if not names:
            raise InputError(
                f"{self._path}: an output of this OpenVINO model has no tensor name; export it again by "
                "depdis-export"
            )
        return next((name for name in promised if name in names), min(names))

    def layer_precisions(self, shape: tuple[int, ...]) -> Counter[str]:
        """What the convolutions are computed in, for frames of `shape`: as the compiled graph says."""
        compiled = self._compile(shape, self.output_names)
        found: Counter[str] = Counter()
        for operation in compiled.get_runtime_model().get_ops():
            facts = operation.get_rt_info()
            if facts["layerType"].astype(str) == "Convolution":
                found[_NAMES.get(precision := facts["runtimePrecision"].astype(str), precision)] += 1
        return found

    def _infer(self, compiled: Any, frames: NDArray[np.uint8]) -> Any:
        """Copies of the outputs, by a request that no other thread uses meanwhile."""
        free = self._free.setdefault(id(compiled), deque())
        try:
            request = free.pop()
        except IndexError:
            request = compiled.create_infer_request()
        try:
            return request.infer({0: frames})
        finally:
            free.append(request)

    def _compile(self, shape: tuple[int, ...], names: tuple[str, ...]) -> Any:
        with self._compiling:
            key = (shape, names)
            if None not in self.input_shape and shape != self.input_shape:
                raise RuntimeError(f"it takes frames of {'x'.join(map(str, self.input_shape))}")
            if key not in self._compiled and None in self.input_shape and len(self._compiled) >= _MOST_SIZES:
                key = (None, names)  # type: ignore[assignment]
            if key not in self._compiled:
                whole = self._model.clone()
                if key[0] is not None:
                    whole.reshape({"frames": list(shape)})
                    rows_by_product(whole)
                results = [whole.output(name).get_node() for name in names]
                wanted = self._openvino.Model(results, whole.get_parameters(), "wanted")
                self._compiled[key] = self._core.compile_model(wanted, "CPU", self._settings)
            return self._compiled[key]


# Its words for precisions -> ours.
_DTYPES = {"u8": "uint8", "f32": "float32"}
_NAMES = {"f32": "fp32", "bf16": "bf16", "f16": "fp16", "u8": "int8", "i8": "int8"}


def _settings(threads: int | None, arithmetic: str) -> dict[str, Any]:
    streams = 1 if threads is None else max(1, cores() // threads)
    return {
        # By default it takes bf16 wherever the processor has it.
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[arithmetic],
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": cores() if threads is None else streams * threads,
        # Pinned threads fight with those that decode and draw.
        "ENABLE_CPU_PINNING": False,
    }


def _kind(port: Any) -> tuple[str, int | None]:
    """(element type in numpy's terms, rank) of an output."""
    rank, kind = port.get_partial_shape().rank, port.element_type.to_string()
    return _DTYPES.get(kind, kind), rank.get_length() if rank.is_static else None


def import_openvino() -> Any:
    """The package, ready for several threads. InputError: it is not installed."""
    with _importing:
        openvino = _imported()
        # The first conversion of a tensor to numpy in a process gives up the interpreter's lock inside a guard
        # of the binding's own: two threads that come there at once wait for each other for ever.
        assert openvino.Tensor(np.zeros(1, np.uint8)).data.size
    return openvino


def _imported() -> Any:
    """Without its telemetry, which would make an identity in the home folder and send that it was imported."""
    hidden = "openvino_telemetry" not in sys.modules
    if hidden:
        # It goes on without what cannot be imported.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise InputError(f"openvino cannot be imported ({error}): {install('openvino')}") from None
    finally:
        if hidden:
            del sys.modules["openvino_telemetry"]
    return openvino
