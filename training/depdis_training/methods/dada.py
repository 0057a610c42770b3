"""DADA (Vu et al., ICCV 2019): depth-aware adaptation, with depth fused into features and alignment."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from depdis_training.branches import Network
from depdis_training.loading import Batch

from .method import Outputs
from .recipe import Recipe
from .terms import SegmentationLoss, depth_loss, information, true_inverse_depth, upsampled


class Dada:
    """Segmentation reads features times what depth's hidden features say; the discriminator sees
    self-information times inverse depth."""

    branches: tuple[str, ...] = ("depth",)
    fusion = True
    uses_target = True

    def __init__(self, recipe: Recipe, num_classes: int, class_weights: Tensor | None) -> None:
        self.recipe, self.num_classes = recipe, num_classes
        self.segmentation_loss = SegmentationLoss(recipe.stride, class_weights)

    @property
    def weights(self) -> Mapping[str, float]:
        return {
            "segmentation": self.recipe.segmentation,
            "depth": self.recipe.depth,
            "adversarial": self.recipe.adversarial,
        }

    @property
    def discriminators(self) -> Mapping[str, int]:
        return {"main": self.num_classes}

    def extra_heads(self, network: Network) -> nn.ModuleDict:
        return nn.ModuleDict()

    def source_losses(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        assert outputs.depth is not None
        return {
            "segmentation": self.segmentation_loss(outputs.segmentation, batch.labels),
            "depth": depth_loss(
                outputs.depth,
                true_inverse_depth(batch.inverse_depth, self.recipe.unknown_depth),
                self.recipe.depth_loss,
            ),
        }

    def target_losses(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        return {}

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        assert outputs.depth is not None
        return {"main": information(outputs.segmentation, size) * upsampled(outputs.depth, size)}
