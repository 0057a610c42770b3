"""Engines in TensorRT, on an NVIDIA GPU: frames go up as bytes, labels and maps come down ready.

What is in the graph (mean, layout, up-sampling, arg-max, units) runs on the device with it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError

from .cuda import Buffer, Cuda, Gpu
from .engine_key import Key
from .tensorrt_module import Log, TensorRT, logger

# Shapes that get a context of their own in each thread, as a CUDA graph needs; further ones share one.
_MOST_SHAPES = 3
_TIMED_RUNS = 10


class TensorRtSession:
    """One engine made ready on a GPU; see `backends.Session`.

    Each thread that calls it gets execution contexts, streams and buffers of its own.
    """

    engine = "tensorrt"

    def __init__(self, path: Path, data: bytes, key: Key, tensorrt: TensorRT, gpu: Gpu) -> None:
        self._path, self._key, self._gpu = path, key, gpu
        self.metadata: Mapping[str, str] = key.manifest.to_metadata()
        self.device = str(gpu.number)
        self.precision = key.precision
        self.compared = key.parity is not None
        self.arithmetic = "fp32" if key.precision == "int8" else key.precision
        self.input_shape = key.profile.shape
        self._cuda = Cuda()
        self._cuda.call("cudaSetDevice", gpu.number)
        self._log = Log()
        self._logger = logger(tensorrt, self._log)
        self._runtime = tensorrt.module.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(data)
        if self._engine is None:
            raise InputError(f"{path}: {tensorrt} cannot load this engine: {self._log.cause()}")
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        mode = tensorrt.module.TensorIOMode
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == mode.INPUT]
        self.output_names = tuple(name for name in names if name not in inputs)
        self._types = {name: tensorrt.module.nptype(self._engine.get_tensor_dtype(name)) for name in names}
        if inputs != ["frames"] or self._types["frames"] != np.uint8:
            raise InputError(f"{path}: expected one input, frames of uint8, got {', '.join(inputs)}")
        self._of_thread = threading.local()
        self._creating = threading.Lock()

    def run(self, frames: NDArray[np.uint8], outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """(N, H, W, 3) uint8 RGB -> the outputs named (None: all), by name; no others are copied back."""
        names = self.output_names if outputs is None else tuple(outputs)
        most = self._key.profile.max[0]
        if len(frames) > most:
            parts = [self.run(frames[at : at + most], names) for at in range(0, len(frames), most)]
            return {name: np.concatenate([part[name] for part in parts]) for name in names}
        if not self._key.profile.takes(frames.shape):
            batch, height, width = frames.shape[:3]
            raise InputError(
                f"{self._path}: takes frames of {self._key.profile}, got {batch}x{width}x{height}: build it "
                "again by depdis-export MODEL.onnx --trt with other --min and --max"
            )
        self._cuda.call("cudaSetDevice", self._gpu.number)
        try:
            return self._lane(frames.shape).run(np.ascontiguousarray(frames), names)
        except InputError as error:
            raise InputError(f"{self._path}: {error}") from None

    def _lane(self, shape: tuple[int, ...]) -> Lane:
        """This thread's lane for frames of that shape."""
        lanes: dict[tuple[int, ...] | None, Lane] = self._of_thread.__dict__.setdefault("lanes", {})
        key = shape if shape in lanes or len(lanes) < _MOST_SHAPES else None
        if key not in lanes:
            with self._creating:
                context = self._engine.create_execution_context()
            if context is None:
                raise InputError(f"no execution context could be made: {self._log.cause()}")
            largest = shape if key is not None else self._key.profile.max
            lanes[key] = Lane(self._cuda, context, self._types, largest, self._log, graphs=key is not None)
        return lanes[key]


class Lane:
    """One thread's context with its stream and buffers, made once for the largest input.

    graphs: whether all inputs are of one shape, so that a CUDA graph can be made. The first call then runs
    kernel by kernel, the second measures whether one graph is faster, and from then on the faster is used: a
    small network is done before its kernels are launched one by one.
    """

    def __init__(
        self, cuda: Cuda, context: Any, types: Mapping[str, Any], largest: tuple[int, ...], log: Log, *,
        graphs: bool,
    ) -> None:  # fmt: skip
        self._cuda, self._context, self._types, self._log = cuda, context, types, log
        self._stream = cuda.call("cudaStreamCreateWithFlags", cuda.api.cudaStreamNonBlocking)
        self._buffers: dict[str, Buffer] = {}
        self._graph: list[Any] = []
        self._runs_before_graph = 1 if graphs else None
        weakref.finalize(self, _release, cuda, self._stream, self._buffers, self._graph)
        for name, shape in self._shapes(largest).items():
            buffer = Buffer(cuda, int(np.prod(shape)) * np.dtype(types[name]).itemsize)
            self._buffers[name] = buffer
            if not context.set_tensor_address(name, buffer.device):
                raise InputError(f"TensorRT refuses the buffer of {name}: {log.cause()}")

    def run(self, frames: NDArray[np.uint8], names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The named outputs for frames within the profile."""
        shapes = self._shapes(frames.shape)
        given = self._buffers["frames"]
        given.view(frames.shape, np.uint8)[...] = frames
        given.upload(frames.nbytes, self._stream)
        self._compute()
        found = {}
        for name in names:
            found[name] = self._buffers[name].view(shapes[name], self._types[name])
            self._buffers[name].download(found[name].nbytes, self._stream)
        self._cuda.call("cudaStreamSynchronize", self._stream)
        # The buffers are written again by the next call.
        return {name: values.copy() for name, values in found.items()}

    def _shapes(self, frames: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Every tensor's shape for frames of that one."""
        if not self._context.set_input_shape("frames", frames):
            raise InputError(f"TensorRT refuses frames of {'x'.join(map(str, frames))}: {self._log.cause()}")
        return {name: tuple(self._context.get_tensor_shape(name)) for name in self._types}

    def _compute(self) -> None:
        if self._runs_before_graph == 0:
            self._runs_before_graph = None
            self._graph.extend(self._better_graph())
        elif self._runs_before_graph is not None:
            self._runs_before_graph -= 1
        if self._graph:
            self._cuda.call("cudaGraphLaunch", self._graph[0], self._stream)
        else:
            self._enqueue()

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(int(self._stream)):
            raise InputError(f"TensorRT cannot run the engine: {self._log.cause()}")

    def _better_graph(self) -> list[Any]:
        """One CUDA graph if it can be captured and is faster than separate launches, else none."""
        graph = self._captured()
        if graph is None:
            return []
        alone = self._milliseconds(self._enqueue)
        whole = self._milliseconds(lambda: self._cuda.call("cudaGraphLaunch", graph, self._stream))
        if whole < alone:
            return [graph]
        self._cuda.call("cudaGraphExecDestroy", graph)
        return []

    def _captured(self) -> Any:
        capturable = getattr(self._context, "is_stream_capturable", None)
        if capturable is not None and not capturable(int(self._stream)):
            return None
        api = self._cuda.api
        mode = api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._cuda.call("cudaStreamSynchronize", self._stream)
        self._cuda.call("cudaStreamBeginCapture", self._stream, mode)
        done = self._context.execute_async_v3(int(self._stream))
        # Ends the capture whatever became of it; a broken one says so here, and is done without.
        status, graph = api.cudaStreamEndCapture(self._stream)
        if not done or status != api.cudaError_t.cudaSuccess:
            api.cudaGetLastError()
            return None
        made = self._cuda.call("cudaGraphInstantiate", graph, 0)
        self._cuda.call("cudaGraphDestroy", graph)
        return made

    def _milliseconds(self, launch: Any) -> float:
        """Time of one run, launches included, over several of them."""
        begun, ended = (self._cuda.call("cudaEventCreate") for _ in range(2))
        launch()
        self._cuda.call("cudaEventRecord", begun, self._stream)
        for _ in range(_TIMED_RUNS):
            launch()
        self._cuda.call("cudaEventRecord", ended, self._stream)
        self._cuda.call("cudaEventSynchronize", ended)
        spent = float(self._cuda.call("cudaEventElapsedTime", begun, ended))
        for event in (begun, ended):
            self._cuda.call("cudaEventDestroy", event)
        return spent / _TIMED_RUNS


def _release(cuda: Cuda, stream: Any, buffers: Mapping[str, Buffer], graphs: Sequence[Any]) -> None:
    """Give a lane's memory back; at the interpreter's end the driver may have done so already."""
    for graph in graphs:
        cuda.api.cudaGraphExecDestroy(graph)
    for buffer in buffers.values():
        buffer.free()
    cuda.api.cudaStreamDestroy(stream)
