"""The discriminator of section 3.4: which domain does a map come from?"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from .section import Section

_WIDTHS = (64, 128, 256, 512)


class DiscriminatorConfig(Section):
    """Adam's rate and betas, before the schedule, and what the discriminators look like.

    rate: the paper's 1e-3; AdvEnt, MinEnt and DADA have 1e-4.
    scale: where the maps are compared: `input` is the input's resolution, as in the paper; `grid` the feature
        grid, which for a small network is many times cheaper and fine enough.
    layers: convolutions, the paper's 5. Each halves the map, which needs 2^layers pixels on its short side.
    """

    rate: float = Field(default=2e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    scale: Literal["input", "grid"] = "grid"
    layers: int = Field(default=4, ge=2, le=5)


class Discriminator(nn.Module):
    """4x4 convolutions with stride 2, 64-128-256-512-1, LeakyReLU 0.2, no normalisation.

    2,778,049 parameters for 16 channels and 5 layers.
    """

    def __init__(self, channels: int, layers: int = 5) -> None:
        super().__init__()
        if not 2 <= layers <= len(_WIDTHS) + 1:
            raise ValueError(f"a discriminator has 2 to {len(_WIDTHS) + 1} layers, got {layers}")
        widths = (channels, *_WIDTHS[: layers - 1], 1)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(widths)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 1, H', W') logits, of which 0 is the source and 1 the target.

        Raises ValueError for a map that is too small.
        """
        least = 2 ** len(self.layers)
        if min(x.shape[2:]) < least:
            raise ValueError(
                f"a discriminator of {len(self.layers)} layers needs maps of at least {least} x {least}, got "
                f"{x.shape[3]} x {x.shape[2]}: compare at the input's resolution, or give it fewer layers"
            )
        *hidden, last = self.layers
        for layer in hidden:
            x = F.leaky_relu(layer(x), 0.2)
        logits: Tensor = last(x)
        return logits
