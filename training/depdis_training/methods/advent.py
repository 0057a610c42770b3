"""AdvEnt (Vu et al., CVPR 2019): adversarial entropy minimisation on two levels."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from .method import Outputs, Step
from .terms import information
from .two_level import AUXILIARY, TwoLevel, TwoLevelConfig


class AdvEntConfig(TwoLevelConfig):
    """Weights of the adversarial loss, and of the losses of the auxiliary level."""

    adversarial: float = Field(default=0.001, ge=0)
    adversarial_auxiliary: float = Field(default=0.0002, ge=0)


class AdvEnt(TwoLevel):
    """Cross-entropy on two levels; a discriminator each sees the self-information of its prediction."""

    Config = AdvEntConfig

    def weights(self, step: Step) -> Mapping[str, float]:
        return {
            "segmentation": self.config.segmentation,
            "segmentation_auxiliary": self.config.auxiliary,
            "adversarial": self.config.adversarial,
            "adversarial_auxiliary": self.config.adversarial_auxiliary,
        }

    @property
    def discriminators(self) -> Mapping[str, int]:
        return {"main": self.num_classes, AUXILIARY: self.num_classes}

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        return {
            "main": information(outputs.segmentation, size),
            AUXILIARY: information(outputs.extra[AUXILIARY], size),
        }
