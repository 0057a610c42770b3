"""onnxruntime calls whose input and outputs stay in buffers on the device, not in new ones for each call."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of each thread: a model of free size would otherwise fill the device with the buffers of every size seen.
_MOST_SIZES = 4


@dataclass(frozen=True)
class _Buffers:
    binding: Any
    frames: Any
    outputs: list[Any]


class BoundCalls:
    """Calls of one session on `device_type` (`cuda`, `cpu`) number `device_id`; threads may call at once.

    Each thread has a set of buffers for each size and choice of outputs, filled anew by each of its calls.
    """

    def __init__(self, onnxruntime: Any, session: Any, device_type: str, device_id: int) -> None:
        self._onnxruntime, self._session = onnxruntime, session
        self._device = (device_type, device_id)
        self._of_thread = threading.local()

    def run(self, frames: NDArray[np.uint8], names: Sequence[str], options: Any = None) -> list[NDArray[Any]]:
        """(N, H, W, 3) uint8 RGB -> the outputs `names` in order, copied to the host."""
        known: dict[tuple[tuple[int, ...], tuple[str, ...]], _Buffers]
        known = self._of_thread.__dict__.setdefault("buffers", {})
        key = (frames.shape, tuple(names))
        if key not in known:
            while len(known) >= _MOST_SIZES:
                known.pop(next(iter(known)))
            known[key] = self._made(frames, names, options)
        else:
            known[key].frames.update_inplace(np.ascontiguousarray(frames))
            self._session.run_with_iobinding(known[key].binding, options)
        found = [value.numpy() for value in known[key].outputs]
        # Of a device's buffer that is a copy; the CPU's own is handed out, and written again by the next call.
        return [values.copy() for values in found] if self._device[0] == "cpu" else found

    def _made(self, frames: NDArray[np.uint8], names: Sequence[str], options: Any) -> _Buffers:
        """Buffers for frames of this size, after a first call: how large outputs are is known behind it."""
        value = self._onnxruntime.OrtValue
        # On the CPU it would stay the caller's own array, and the next call's frames be written into that.
        given = value.ortvalue_from_numpy(np.array(frames, order="C"), *self._device)
        first = self._session.io_binding()
        first.bind_ortvalue_input("frames", given)
        for name in names:
            first.bind_output(name, *self._device)
        self._session.run_with_iobinding(first, options)
        outputs = first.get_outputs()
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("frames", given)
        for name, output in zip(names, outputs, strict=True):
            binding.bind_ortvalue_output(name, output)
        return _Buffers(binding, given, outputs)
