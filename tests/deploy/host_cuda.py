"""CUDA's runtime and TensorRT's, played in host memory: an engine's bytes are an ONNX file for onnxruntime.

No GPU is needed, and none is tested: what this can show is that the session hands over the right bytes, shapes
and addresses in the right order. What stands for the device's memory is apart from the host's buffers.
"""

from __future__ import annotations

import ctypes
import enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime


class Runtime:
    """The functions of `cuda.bindings.runtime` that are used; every call is noted in `calls`."""

    cudaError_t = SimpleNamespace(cudaSuccess=0, cudaErrorInsufficientDriver=35)
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
    cudaStreamNonBlocking = 1

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.memory: dict[int, Any] = {}
        self.capturing: list[Any] | None = None
        self.graph_ms = 1.0  # of one launch; kernel by kernel takes 2
        self.clock = 0.0

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cuda"):
            raise AttributeError(name)

        def plain(*arguments: Any) -> tuple[int]:
            self.calls.append(name)
            return (0,)

        return plain

    def cudaGetErrorString(self, status: int) -> tuple[int, bytes]:
        return 0, f"error {status}".encode()

    def cudaMalloc(self, size: int) -> tuple[int, int]:
        self.calls.append("cudaMalloc")
        block = (ctypes.c_uint8 * size)()
        self.memory[ctypes.addressof(block)] = block
        return 0, ctypes.addressof(block)

    def cudaMallocHost(self, size: int) -> tuple[int, int]:
        return self.cudaMalloc(size)

    def cudaFree(self, address: int) -> tuple[int]:
        self.calls.append("cudaFree")
        del self.memory[address]
        return (0,)

    def cudaFreeHost(self, address: int) -> tuple[int]:
        return self.cudaFree(address)

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, stream: int) -> tuple[int]:
        self.calls.append(f"cudaMemcpyAsync {kind}")
        ctypes.memmove(to, source, size)
        return (0,)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[int, int]:
        return 0, 7

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[int]:
        self.calls.append("cudaStreamBeginCapture")
        self.capturing = []
        return (0,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[int, Any]:
        captured, self.capturing = self.capturing, None
        return 0, captured

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[int, Any]:
        return 0, graph

    def cudaGraphLaunch(self, graph: Any, stream: int) -> tuple[int]:
        self.calls.append("cudaGraphLaunch")
        self.clock += self.graph_ms
        for work in graph:
            work()
        return (0,)

    def cudaEventCreate(self) -> tuple[int, list[float]]:
        return 0, []

    def cudaEventRecord(self, event: list[float], stream: int) -> tuple[int]:
        event[:] = [self.clock]
        return (0,)

    def cudaEventElapsedTime(self, begun: list[float], ended: list[float]) -> tuple[int, float]:
        return 0, ended[0] - begun[0]


class Context:
    """An execution context: reads and writes at the addresses that it was given."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.addresses: dict[str, int] = {}
        self.shape: tuple[int, ...] = ()

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name == "frames":
            return self.shape
        frames = np.zeros(self.shape, np.uint8)
        return tuple(self.engine.session.run([name], {"frames": frames})[0].shape)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        runtime, shape = self.engine.runtime, self.shape

        def work() -> None:
            frames = np.ctypeslib.as_array(
                (ctypes.c_uint8 * int(np.prod(shape))).from_address(self.addresses["frames"])
            ).reshape(shape)
            names = [name for name in self.engine.names if name != "frames"]
            for name, values in zip(names, self.engine.session.run(names, {"frames": frames}), strict=True):
                ctypes.memmove(self.addresses[name], values.tobytes(), values.nbytes)

        if runtime.capturing is not None:
            runtime.capturing.append(work)
        else:
            runtime.calls.append("execute_async_v3")
            runtime.clock += 2.0
            work()
        return True


class Engine:
    def __init__(self, data: bytes, runtime: Runtime) -> None:
        self.session = onnxruntime.InferenceSession(data)
        self.runtime = runtime
        self.names = ["frames", *(output.name for output in self.session.get_outputs())]
        self.num_io_tensors = len(self.names)
        self.contexts: list[Context] = []

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_mode(self, name: str) -> Mode:
        return Mode.INPUT if name == "frames" else Mode.OUTPUT

    def get_tensor_dtype(self, name: str) -> type[Any]:
        return np.uint8 if name in ("frames", "labels") else np.float32

    def create_execution_context(self) -> Context:
        self.contexts.append(Context(self))
        return self.contexts[-1]


class Mode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


def module(runtime: Runtime, engines: list[Engine]) -> Any:
    """What stands for TensorRT's module; engines that it loads are put in `engines`."""

    def load(data: bytes) -> Engine | None:
        if not data.startswith(b"\x08"):
            return None
        engines.append(Engine(data, runtime))
        return engines[-1]

    return SimpleNamespace(
        __version__="1.0", ILogger=object, TensorIOMode=Mode, nptype=lambda dtype: dtype,
        Runtime=lambda logger: SimpleNamespace(deserialize_cuda_engine=load),
    )  # fmt: skip
