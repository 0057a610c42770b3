"""MinEnt (Vu et al., CVPR 2019): direct entropy minimisation on two levels, without a discriminator."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from depdis_training.branches import Network
from depdis_training.loading import Batch

from .method import Outputs
from .recipe import Recipe
from .terms import SegmentationLoss, information
from .two_level import AUXILIARY, auxiliary_classifier


class MinEnt:
    """Cross-entropy on the source and the entropy of the prediction on the target, on two levels."""

    branches: tuple[str, ...] = ()
    fusion = False
    uses_target = True

    def __init__(self, recipe: Recipe, class_weights: Tensor | None) -> None:
        self.recipe = recipe
        self.segmentation_loss = SegmentationLoss(recipe.stride, class_weights)

    @property
    def weights(self) -> Mapping[str, float]:
        return {
            "segmentation": self.recipe.segmentation,
            "segmentation_auxiliary": self.recipe.auxiliary,
            "entropy": self.recipe.entropy,
            "entropy_auxiliary": self.recipe.entropy_auxiliary,
        }

    @property
    def discriminators(self) -> Mapping[str, int]:
        return {}

    def extra_heads(self, network: Network) -> nn.ModuleDict:
        return auxiliary_classifier(network)

    def source_losses(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        return {
            "segmentation": self.segmentation_loss(outputs.segmentation, batch.labels),
            "segmentation_auxiliary": self.segmentation_loss(outputs.extra[AUXILIARY], batch.labels),
        }

    def target_losses(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        return {
            "entropy": entropy(outputs.segmentation, size),
            "entropy_auxiliary": entropy(outputs.extra[AUXILIARY], size),
        }

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        return {}


def entropy(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """The entropy of the up-sampled prediction, mean over pixels, in shares of its greatest value log2(C).

    logits: (B, C, h, w); size: (H, W).
    """
    return information(logits, size).sum(dim=1).mean()
