"""Optimizers of the network: the paper's SGD, and AdamW for the small network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from .branches import Network


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """Rates before the schedule.

    kind: `sgd` decays every parameter it trains, as the release; `adamw` spares norms and biases.
    head_rate: of all that starts at random, a method's extra heads included. The paper has one rate for all,
        AdvEnt and DADA ten times the backbone's.
    momentum: of `sgd`. clip_norm: the largest gradient norm, None: any.
    """

    kind: Literal["sgd", "adamw"]
    backbone_rate: float
    head_rate: float
    weight_decay: float
    momentum: float = 0.9
    clip_norm: float | None = None


def build_optimizer(
    settings: OptimizerSettings, network: Network, extra_heads: nn.Module
) -> torch.optim.Optimizer:
    """An optimizer of a network's and a method's trainable parameters; each group keeps its base as `rate`.

    Raises ValueError for an unknown kind.
    """
    if settings.kind not in _BUILDERS:
        raise ValueError(f"no optimizer {settings.kind!r}; there are {', '.join(_BUILDERS)}")
    backbone = network.backbone_parameters()
    head = [*network.head_parameters(), *extra_heads.parameters()]
    if settings.backbone_rate == settings.head_rate:
        return _BUILDERS[settings.kind](settings, {settings.backbone_rate: backbone + head})
    return _BUILDERS[settings.kind](settings, {settings.backbone_rate: backbone, settings.head_rate: head})


def _sgd(settings: OptimizerSettings, by_rate: Mapping[float, list[nn.Parameter]]) -> torch.optim.Optimizer:
    groups = [{"params": found, "rate": rate, "lr": rate} for rate, found in by_rate.items()]
    return torch.optim.SGD(groups, momentum=settings.momentum, weight_decay=settings.weight_decay)


def _adamw(settings: OptimizerSettings, by_rate: Mapping[float, list[nn.Parameter]]) -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = []
    for rate, found in by_rate.items():
        matrices = [parameter for parameter in found if parameter.ndim > 1]
        rest = [parameter for parameter in found if parameter.ndim <= 1]  # norms and biases
        groups += [
            {"params": part, "rate": rate, "lr": rate, "weight_decay": decay}
            for part, decay in ((matrices, settings.weight_decay), (rest, 0.0))
            if part
        ]
    return torch.optim.AdamW(groups)


_BUILDERS = {"sgd": _sgd, "adamw": _adamw}
