"""An average of a network's weights and statistics over its training."""

from __future__ import annotations

import copy

import torch

from .network import Network


class Average:
    """`network` follows the trained one: each step it moves 1 - decay of the way.

    At step t the decay is at most (1 + t) / (10 + t), so that the start is forgotten early. A decay of 1 is the
    plain mean over all steps (stochastic weight averaging, Izmailov et al. 2018), in which the start counts as
    `start` steps (between the weights before and after a fine-tuning: Wortsman et al. 2022).
    """

    def __init__(self, network: Network, decay: float, start: int = 0) -> None:
        self.decay, self.start = decay, start
        self.network = copy.deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: Network, step: int) -> None:
        """Follow the trained network after its step number `step`, counted from 0."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        if self.decay == 1:
            share = 1 / (1 + self.start + step)
        ours, theirs = self.network.state_dict().values(), network.state_dict().values()
        pairs = list(zip(ours, theirs, strict=True))
        torch._foreach_lerp_(
            [mine for mine, _ in pairs if mine.is_floating_point()],
            [other for _, other in pairs if other.is_floating_point()],
            share,
        )
        for mine, other in pairs:
            if not mine.is_floating_point():
                mine.copy_(other)
