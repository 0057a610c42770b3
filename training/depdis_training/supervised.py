"""Supervised training of the three branches on the source: losses of a batch, and the learner that steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .average import Average
from .depth_distribution import DepthDistribution
from .depthwise import quicken
from .loading import Batch
from .losses import cross_entropy, relative_depth
from .network import Network


def sampled(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W) at the (h, w) points that an `align_corners` grid of that size stands on, nearest pixel."""
    rows, columns = (
        torch.linspace(0, length - 1, points, device=values.device).round().long()
        for length, points in zip(values.shape[1:], size, strict=True)
    )
    return values[:, rows[:, None], columns]


def supervised_losses(
    network: Network, batch: Batch, distribution: DepthDistribution, *, stride: int = 1,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:  # fmt: skip
    """The named losses of a labelled batch, one for each branch that the network has.

    segmentation: cross-entropy (eq. 1) on every `stride`-th pixel; depth: `relative_depth` on the feature
    grid; density: mean absolute error, in shares of the 0..255 scale, to eq. 5's map of the true labels and
    true depth on the feature grid.
    """
    output = network(batch.images)
    height, width = batch.labels.shape[1:]
    size = (-(-height // stride), -(-width // stride))
    logits = functional.interpolate(output.segmentation, size, mode="bilinear", align_corners=True)
    losses = {"segmentation": cross_entropy(logits, sampled(batch.labels, size).long(), class_weights)}
    grid = (output.segmentation.shape[2], output.segmentation.shape[3])
    labels, z = sampled(batch.labels, grid).long(), sampled(batch.inverse_depth, grid)  # (B, h, w)
    if output.depth is not None:
        losses["depth"] = relative_depth(output.depth[:, 0].float(), z, z > 0)
    if output.density is not None:
        known = (z > 0) & (labels != 255)
        target = distribution.density(labels, z)
        error = (output.density[:, 0].float() - target).abs() / 255
        losses["density"] = (error * known).sum() / known.sum().clamp(min=1)
    return losses


def class_weights(counts: NDArray[Any], kind: str, cap: float) -> Tensor | None:
    """(C,) weights of the cross-entropy from (C,) pixel counts: `balanced` N/(C N_i), `sqrt` its root.

    None for `none`. At most `cap`; a class without pixels gets 1, as it never counts.
    """
    if kind == "none":
        return None
    found = torch.as_tensor(counts, dtype=torch.float64)
    weights = found.sum() / (len(found) * found.clamp(min=1))
    weights = torch.where(found > 0, weights, torch.ones_like(weights))
    return (weights.sqrt() if kind == "sqrt" else weights).clamp(max=cap).float()


@dataclass
class Rates:
    """AdamW's rates before the schedule, the decay, and the largest gradient norm."""

    backbone: float
    head: float
    weight_decay: float
    clip_norm: float


class SupervisedLearner:
    """A network with its optimizer: `update` does one step. Knows nothing of files, logs or intervals."""

    def __init__(
        self, fabric: Fabric, network: Network, distribution: DepthDistribution, *, rates: Rates,
        schedule: Callable[[int], float], loss_weights: Mapping[str, float], stride: int,
        class_weights: Tensor | None, average: float,
    ) -> None:  # fmt: skip
        self.fabric, self.network, self.distribution = fabric, network, distribution
        self.rates, self.schedule, self.loss_weights, self.stride = rates, schedule, loss_weights, stride
        if fabric.device.type == "cpu":
            quicken(network)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        decayed, plain = _groups(network)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": parameters, "rate": rate, "lr": rate, "weight_decay": decay}
                for rate, head in ((rates.backbone, False), (rates.head, True))
                for parameters, decay in ((decayed[head], rates.weight_decay), (plain[head], 0.0))
                if parameters
            ]
        )
        self.wrapped, self.stepper = fabric.setup(network, self.optimizer)
        self.class_weights = None if class_weights is None else class_weights.to(fabric.device)
        self.average = Average(network, average) if average else None

    def update(self, step: int, batch: Batch) -> dict[str, Tensor]:
        """One step of the optimizer; returns the detached losses and their weighted sum, `total`."""
        factor = self.schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * factor
        self.network.train()
        losses = supervised_losses(
            self.wrapped, batch.to(self.fabric.device), self.distribution, stride=self.stride,
            class_weights=self.class_weights,
        )  # fmt: skip
        total = torch.stack([self.loss_weights[name] * loss for name, loss in losses.items()]).sum()
        self.stepper.zero_grad()
        self.fabric.backward(total)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.rates.clip_norm)
        self.stepper.step()
        if self.average is not None:
            self.average.update(self.network, step)
        return {name: loss.detach() for name, loss in {**losses, "total": total}.items()}

    def result(self) -> Network:
        """The network to validate and deliver: the averaged one where there is an average."""
        return self.network if self.average is None else self.average.network

    def rate(self) -> float:
        """The present rate of the backbone."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs beside the network's own weights."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.network.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.network.load_state_dict(state["average"])


def _groups(network: Network) -> tuple[dict[bool, list[Tensor]], dict[bool, list[Tensor]]]:
    """Parameters with and without weight decay (norms and biases), each by whether they belong to a head."""
    decayed: dict[bool, list[Tensor]] = {False: [], True: []}
    plain: dict[bool, list[Tensor]] = {False: [], True: []}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else plain)[network.is_head(name)].append(parameter)
    return decayed, plain
