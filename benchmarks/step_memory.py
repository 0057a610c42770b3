"""What a training step allocates, counted on tensors without content: no GPU, no memory, no arithmetic.

Every storage that an operation makes is counted from its making to its release, the gradients' and the
temporary ones included; those that autograd saves for the backward pass are counted apart too. What a GPU
needs besides is the workspace of its convolutions and what its allocator rounds up.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class MetaFabric:
    """What the learner asks of lightning's Fabric, on tensors without content; autocast has no such kernels."""

    device = torch.device("meta")

    def __init__(self, precision: str) -> None:
        self.precision = precision

    def autocast(self) -> AbstractContextManager[Any]:
        return _ConvolveIn(torch.bfloat16) if self.precision == "bf16" else nullcontext()


class _ConvolveIn(TorchFunctionMode):
    """What autocast does to the operations of these networks: convolutions in a lower precision."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.conv2d:
            args = tuple(value.to(self.dtype) if isinstance(value, Tensor) else value for value in args)
        return func(*args, **(kwargs or {}))


class Count(TorchDispatchMode):
    """Bytes of all live storages, and the most there were at once."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.most = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def add(self, tensors: Any) -> None:
        """Count the storages of `tensors` until they are released."""
        for tensor in tree_iter(tensors):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage not in self._known:
                    self._known.add(storage)
                    size = storage.nbytes()
                    self.live += size
                    weakref.finalize(storage, self._release, size)
        self.most = max(self.most, self.live)

    def _release(self, size: int) -> None:
        self.live -= size

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        self.add(found)
        return found


@contextmanager
def saved_bytes(left_out: Any) -> Iterator[Count]:
    """Count what autograd saves, each storage once and without those of `left_out` (the weights)."""
    count = Count()
    for tensor in tree_iter(left_out):
        count._known.add(tensor.untyped_storage())

    def pack(tensor: Tensor) -> Tensor:
        count.add(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield count
