"""Several processes that train one network under `torchrun`, one device each; a single one without it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta

import torch
from torch import Tensor

# The others wait while the first validates, labels and writes.
_LONGEST_WAIT = timedelta(hours=12)


class Workers:
    """This process among `count`: `rank` from 0. Only the first writes files and speaks."""

    def __init__(self, rank: int, count: int, local_rank: int) -> None:
        self.rank, self.count, self.local_rank = rank, count, local_rank

    @property
    def first(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.count > 1:
            torch.distributed.barrier()

    @torch.no_grad()
    def average(self, gradients: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, in one exchange a kind of number."""
        if self.count == 1:
            return
        by_kind: dict[torch.dtype, list[Tensor]] = {}
        for gradient in gradients:
            by_kind.setdefault(gradient.dtype, []).append(gradient)
        for tensors in by_kind.values():
            flat = torch.cat([tensor.flatten() for tensor in tensors])
            torch.distributed.all_reduce(flat)
            flat /= self.count
            means = torch.split(flat, [tensor.numel() for tensor in tensors])
            for tensor, mean in zip(tensors, means, strict=True):
                tensor.copy_(mean.view_as(tensor))

    def follow_first(self, values: Iterable[Tensor]) -> None:
        """Replace each tensor by the first process's."""
        if self.count > 1:
            for value in values:
                torch.distributed.broadcast(value, 0)

    def agree(self, wish: bool) -> bool:
        """Whether any of the processes wishes it."""
        if self.count == 1:
            return wish
        flag = torch.tensor(float(wish), device="cuda" if torch.cuda.is_available() else "cpu")
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag > 0)


ALONE = Workers(0, 1, 0)


def join_workers() -> Workers:
    """Join the group that `torchrun` describes in the environment; alone where it describes none."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    rank, local_rank = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local_rank)
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if cuda else "gloo", timeout=_LONGEST_WAIT)
    return Workers(rank, count, local_rank)


def leave_workers() -> None:
    """Leave the group that was joined; its threads may abort a process that ends with them running."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
