"""MinEnt (Vu et al., CVPR 2019): direct entropy minimisation on two levels, without a discriminator."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from .method import Outputs, Step
from .terms import information
from .two_level import AUXILIARY, TwoLevel, TwoLevelConfig


class MinEntConfig(TwoLevelConfig):
    """Weights of the entropy, and of the losses of the auxiliary level."""

    entropy: float = Field(default=0.001, ge=0)
    entropy_auxiliary: float = Field(default=0.0002, ge=0)


class MinEnt(TwoLevel):
    """Cross-entropy on the source and the entropy of the prediction on the target, on two levels."""

    Config = MinEntConfig

    def weights(self, step: Step) -> Mapping[str, float]:
        return {
            "segmentation": self.config.segmentation,
            "segmentation_auxiliary": self.config.auxiliary,
            "entropy": self.config.entropy,
            "entropy_auxiliary": self.config.entropy_auxiliary,
        }

    def target_losses(self, outputs: Outputs, size: tuple[int, int], step: Step) -> dict[str, Tensor]:
        return {
            "entropy": entropy(outputs.segmentation, size),
            "entropy_auxiliary": entropy(outputs.extra[AUXILIARY], size),
        }


def entropy(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the entropy of the up-sampled prediction, mean over pixels, as a share of log2(C), its maximum.

    logits: (B, C, h, w); size: (H, W).
    """
    return information(logits, size).sum(dim=1).mean()
