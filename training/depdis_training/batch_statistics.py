"""Batch-norm statistics taken anew, on pictures like those that a network will see."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from depdis_deploy.manifest import ResizeRule
from depdis_deploy.preprocess import plan, to_input
from depdis_deploy.progress import tracked

from .data.samples import Dataset
from .loading import network_images
from .network import Network

# As many pictures as the statistics of a street need, together at a time as the memory of a laptop holds.
PICTURES, TOGETHER = 200, 8


def reestimated(network: Network, dataset: Dataset, rule: ResizeRule, *, quiet: bool = False) -> Network:
    """A copy of a network with the batch-norm statistics of a set's pictures (at most `PICTURES` of them).

    Each picture is made the network's input by `rule`. The copy is in evaluation mode, on the same device.
    """
    network = copy.deepcopy(network).eval()
    device = next(network.parameters()).device
    count = min(PICTURES, len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, count).round().astype(int)

    def inputs() -> Iterator[NDArray[np.uint8]]:
        for index in tracked(chosen, "batch-norm statistics: pictures", count, quiet=quiet):
            picture = dataset[int(index)].image
            yield to_input(picture, plan((picture.shape[1], picture.shape[0]), rule), rule)

    reestimate(network, (network_images(batch).to(device) for batch in _batched(inputs())))
    return network


def _batched(pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """(B, H, W, 3) of up to `TOGETHER` pictures of one size that follow each other."""
    for _, alike in groupby(pictures, key=lambda picture: picture.shape):
        batch: list[NDArray[np.uint8]] = []
        for picture in alike:
            batch.append(picture)
            if len(batch) == TOGETHER:
                yield np.stack(batch)
                batch = []
        if batch:
            yield np.stack(batch)


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
