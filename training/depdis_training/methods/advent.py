"""AdvEnt (Vu et al., CVPR 2019): adversarial entropy minimisation on two levels."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor, nn

from depdis_training.branches import Network
from depdis_training.loading import Batch

from .method import Method, MethodConfig, Outputs, Step
from .terms import information
from .two_level import AUXILIARY, auxiliary_classifier


class AdvEntConfig(MethodConfig):
    """Weights of the adversarial loss, and of both losses of the auxiliary level."""

    adversarial: float = Field(default=0.001, ge=0)
    auxiliary: float = Field(default=0.1, ge=0)
    adversarial_auxiliary: float = Field(default=0.0002, ge=0)


class AdvEnt(Method):
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

    def extra_heads(self, network: Network) -> nn.ModuleDict:
        return auxiliary_classifier(network)

    def source_losses(self, outputs: Outputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        return {
            "segmentation": self.segmentation_loss(outputs.segmentation, batch.labels),
            "segmentation_auxiliary": self.segmentation_loss(outputs.extra[AUXILIARY], batch.labels),
        }

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        return {
            "main": information(outputs.segmentation, size),
            AUXILIARY: information(outputs.extra[AUXILIARY], size),
        }
