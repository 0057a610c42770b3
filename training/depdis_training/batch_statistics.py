"""Batch-norm statistics taken anew, on pictures like those that a network will see."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .network import Network


@torch.no_grad()
def reestimate(network: Network, batches: Iterable[Tensor]) -> None:
    """Replace the running mean and variance of every batch norm by those of `batches`, in place.

    batches: images (B, 3, H, W) as the network takes them, on its device. Each counts alike: the statistics are
    the plain mean over the batches of each batch's own, all taken in one pass. Weights, training mode and
    momentum stay. Raises ValueError where there is no batch, with the statistics as they were.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    training, before = network.training, [(norm.momentum, norm.training) for norm in norms]
    network.eval()
    count = 0
    try:
        for images in batches:
            if count == 0:
                for norm in norms:
                    norm.reset_running_stats()
                    norm.momentum = None  # a cumulative mean
                    norm.train()
            network(images)
            count += 1
    finally:
        network.train(training)
        for norm, (momentum, mode) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.train(mode)
    if count == 0:
        raise ValueError("no pictures to take batch-norm statistics from")
