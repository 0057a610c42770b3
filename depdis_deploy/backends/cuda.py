"""NVIDIA's runtime through `cuda-bindings`, which needs no torch and brings no CUDA libraries of its own."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.install_hint import install


@dataclass(frozen=True)
class Gpu:
    """number: CUDA's; name: `NVIDIA GeForce RTX 4090`; capability: `8.9`."""

    number: int
    name: str
    capability: str


def find_gpu(device: str = "auto") -> Gpu:
    """The GPU of that number (`auto`: the first); InputError with the cause where there is none."""
    cuda = Cuda()
    count = cuda.count(device)
    number = 0 if device == "auto" else int(device)
    if number >= count:
        raise InputError(f"device {device}: no such GPU; there {'is one' if count == 1 else f'are {count}'}")
    properties = cuda.call("cudaGetDeviceProperties", number)
    name = properties.name
    return Gpu(
        number, name.decode() if isinstance(name, bytes) else str(name),
        f"{properties.major}.{properties.minor}",
    )  # fmt: skip


class Cuda:
    """Calls of the runtime whose errors are raised."""

    def __init__(self) -> None:
        try:
            from cuda.bindings import runtime
        except ImportError as error:
            raise InputError(f"cuda-bindings cannot be imported ({error}): {install('tensorrt')}") from None
        self.api: Any = runtime

    def call(self, name: str, *arguments: Any) -> Any:
        """The result of a function, None where it has none; InputError with CUDA's own words if it fails."""
        status, *results = getattr(self.api, name)(*arguments)
        if status != self.api.cudaError_t.cudaSuccess:
            raise InputError(f"CUDA: {name}: {self.words(status)}")
        return results[0] if len(results) == 1 else tuple(results) or None

    def words(self, status: Any) -> str:
        """What CUDA says of a status."""
        text = self.api.cudaGetErrorString(status)[1]
        return text.decode() if isinstance(text, bytes) else str(text)

    def count(self, device: str) -> int:
        """How many GPUs there are; InputError where there is none, or its driver is missing or too old."""
        status, count = self.api.cudaGetDeviceCount()
        if status == self.api.cudaError_t.cudaSuccess and count:
            return int(count)
        _, driver = self.api.cudaDriverGetVersion()
        known = driver // 1000
        cause = "no NVIDIA GPU was found"
        if status == self.api.cudaError_t.cudaErrorInsufficientDriver and known:
            cause = (
                f"the driver, which knows CUDA {known}, is too old for this cuda-bindings: update it, or "
                f"pip install 'cuda-bindings<{known + 1}'"
            )
        elif status == self.api.cudaError_t.cudaErrorInsufficientDriver:
            cause = "no NVIDIA driver is installed"
        elif status != self.api.cudaError_t.cudaSuccess:
            cause = self.words(status)
        raise InputError(f"device {device}: {cause} (see nvidia-smi); TensorRT engines run on NVIDIA GPUs only")


class Buffer:
    """The same bytes in pinned memory of the host and on the device."""

    def __init__(self, cuda: Cuda, size: int) -> None:
        self._cuda, self.size = cuda, size
        self.device: int = int(cuda.call("cudaMalloc", size))
        try:
            self._host: int = int(cuda.call("cudaMallocHost", size))
        except InputError:
            cuda.api.cudaFree(self.device)
            raise
        self._bytes: NDArray[np.uint8] = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(self._host))

    def view(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """The first bytes of the pinned memory as an array."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return np.asarray(self._bytes[:size].view(dtype).reshape(shape))

    def upload(self, size: int, stream: Any) -> None:
        """Start copying the first `size` bytes to the device."""
        kind = self._cuda.api.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._cuda.call("cudaMemcpyAsync", self.device, self._host, size, kind, stream)

    def download(self, size: int, stream: Any) -> None:
        """Start copying the first `size` bytes to the host."""
        kind = self._cuda.api.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._cuda.call("cudaMemcpyAsync", self._host, self.device, size, kind, stream)

    def free(self) -> None:
        """Give both back; no view may be used any more."""
        self._cuda.api.cudaFree(self.device)
        self._cuda.api.cudaFreeHost(self._host)
