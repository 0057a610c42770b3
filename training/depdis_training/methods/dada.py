"""DADA (Vu et al., ICCV 2019): depth-aware adaptation, with depth fused into features and alignment."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from depdis_training.loading import Batch

from .method import Method, MethodConfig, Outputs, Step
from .terms import DepthLoss, UnknownDepth, depth_loss, information, true_inverse_depth, upsampled


class DadaConfig(MethodConfig):
    """Weights of depth and of the adversarial loss; forms of depth as in `DepDisConfig`."""

    depth: float = Field(default=0.001, ge=0)
    adversarial: float = Field(default=0.001, ge=0)
    depth_loss: DepthLoss = "berhu"
    unknown_depth: UnknownDepth = "left_out"


class Dada(Method):
    """Segmentation reads features times what depth's hidden features say.

    The discriminator sees self-information times inverse depth.
    """

    Config = DadaConfig
    branches = ("depth",)
    fusion = True

    def weights(self, step: Step) -> Mapping[str, float]:
        return {
            "segmentation": self.config.segmentation,
            "depth": self.config.depth,
            "adversarial": self.config.adversarial,
        }

    @property
    def discriminators(self) -> Mapping[str, int]:
        return {"main": self.num_classes}

    def source_losses(self, outputs: Outputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        assert outputs.depth is not None
        truth = true_inverse_depth(batch.inverse_depth, self.config.unknown_depth)
        return {
            "segmentation": self.segmentation_loss(outputs.segmentation, batch.labels),
            "depth": depth_loss(outputs.depth, truth, self.config.depth_loss),
        }

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        assert outputs.depth is not None
        return {"main": information(outputs.segmentation, size) * upsampled(outputs.depth, size)}
