"""Optimizers of the network: the paper's SGD, and AdamW for the small network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from depdis_deploy.json_files import shown

from .branches import Network
from .section import Section

# The values that an optimizer keeps for each parameter.
_MOMENTS = {"SGD": {"momentum_buffer"}, "Adam": {"step", "exp_avg", "exp_avg_sq"}}


class OptimizerConfig(Section):
    """SGD with momentum (the paper's) or AdamW, with a linear warm-up and then poly decay (`schedule.poly`).

    kind: `sgd` decays every parameter it trains, as the release; `adamw` spares norms and biases.
    head_rate: of all that starts at random, a method's extra heads included. The paper has one rate for all,
        AdvEnt and DADA ten times the backbone's.
    momentum: of `sgd`. clip_norm: the largest gradient norm; null: any.
    """

    kind: Literal["sgd", "adamw"] = "adamw"
    backbone_rate: float = Field(default=1e-3, gt=0)
    head_rate: float = Field(default=3e-3, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warm_up: int = Field(default=50, ge=0)
    power: float = Field(default=0.9, gt=0)
    clip_norm: float | None = Field(default=5.0, gt=0)

    def scaled(self, factor: float) -> OptimizerConfig:
        """Return the same with both learning rates multiplied by `factor`."""
        rates = {"backbone_rate": factor * self.backbone_rate, "head_rate": factor * self.head_rate}
        return self.model_copy(update=rates)


def build_optimizer(
    settings: OptimizerConfig, network: Network, extra_heads: nn.Module
) -> torch.optim.Optimizer:
    """Return an optimizer of a network and a method's heads; each group keeps its base rate as `rate`."""
    backbone = network.backbone_parameters()
    head = [*network.head_parameters(), *extra_heads.parameters()]
    if settings.backbone_rate == settings.head_rate:
        return _BUILDERS[settings.kind](settings, {settings.backbone_rate: backbone + head})
    return _BUILDERS[settings.kind](settings, {settings.backbone_rate: backbone, settings.head_rate: head})


def load_moments(optimizer: torch.optim.Optimizer, state: Any) -> None:
    """Load what an optimizer's `state_dict` holds for each parameter; its settings stay as they are.

    Raises:
        ValueError: The state is that of another optimizer or of other parameters.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    names = _MOMENTS["SGD" if isinstance(optimizer, torch.optim.SGD) else "Adam"]
    moments = state.get("state") if isinstance(state, Mapping) else None
    if not isinstance(moments, Mapping):
        raise ValueError(f"expected the state of an optimizer, got {shown(state)}")
    for index, values in moments.items():
        if type(index) is not int or not 0 <= index < len(parameters):
            raise ValueError(f"the optimizer has {len(parameters)} parameters, its state is of number {index}")
        if not isinstance(values, Mapping) or values.keys() != names:
            raise ValueError(f"expected {', '.join(sorted(names))} of parameter {index}, got {shown(values)}")
        for name, value in values.items():
            shape = () if name == "step" else tuple(parameters[index].shape)
            _check_moment(f"{name} of parameter {index}", value, shape)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": dict(moments), "param_groups": groups})


def _check_moment(name: str, value: Any, shape: tuple[int, ...]) -> None:
    if value is None and name.startswith("momentum"):
        return
    if not isinstance(value, Tensor) or not value.is_floating_point() or tuple(value.shape) != shape:
        found = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else shown(value)
        raise ValueError(f"the optimizer's {name} is {found}, expected numbers of shape {shape}")
    if not torch.isfinite(value).all():
        raise ValueError(f"the optimizer's {name} holds NaN or infinity")


def _sgd(settings: OptimizerConfig, by_rate: Mapping[float, list[nn.Parameter]]) -> torch.optim.Optimizer:
    groups = [{"params": found, "rate": rate, "lr": rate} for rate, found in by_rate.items()]
    return torch.optim.SGD(groups, momentum=settings.momentum, weight_decay=settings.weight_decay)


def _adamw(settings: OptimizerConfig, by_rate: Mapping[float, list[nn.Parameter]]) -> torch.optim.Optimizer:
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
