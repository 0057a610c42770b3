"""AdvEnt (Vu et al., CVPR 2019): adversarial entropy minimisation on two levels."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from depdis_training.branches import Network
from depdis_training.loading import Batch

from .method import Outputs
from .recipe import Recipe
from .terms import SegmentationLoss, information
from .two_level import AUXILIARY, auxiliary_classifier


class AdvEnt:
    """Cross-entropy on two levels; a discriminator each sees the self-information of its prediction."""

    branches: tuple[str, ...] = ()
    fusion = False
    uses_target = True

    def __init__(self, recipe: Recipe, num_classes: int, class_weights: Tensor | None) -> None:
        self.recipe, self.num_classes = recipe, num_classes
        self.segmentation_loss = SegmentationLoss(recipe.stride, class_weights)

    @property
    def weights(self) -> Mapping[str, float]:
        return {
            "segmentation": self.recipe.segmentation,
            "segmentation_auxiliary": self.recipe.auxiliary,
            "adversarial": self.recipe.adversarial,
            "adversarial_auxiliary": self.recipe.adversarial_auxiliary,
        }

    @property
    def discriminators(self) -> Mapping[str, int]:
        return {"main": self.num_classes, AUXILIARY: self.num_classes}

    def extra_heads(self, network: Network) -> nn.ModuleDict:
        return auxiliary_classifier(network)

    def source_losses(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        return {
            "segmentation": self.segmentation_loss(outputs.segmentation, batch.labels),
            "segmentation_auxiliary": self.segmentation_loss(outputs.extra[AUXILIARY], batch.labels),
        }

    def target_losses(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        return {}

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        return {
            "main": information(outputs.segmentation, size),
            AUXILIARY: information(outputs.extra[AUXILIARY], size),
        }
