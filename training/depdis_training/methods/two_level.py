"""What AdvEnt and MinEnt share: a second classifier, on the features before the last stage."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from depdis_training.branches import Features, Network
from depdis_training.deeplab import DilatedClassifier
from depdis_training.loading import Batch

from .method import Method, MethodConfig, Outputs, Step

AUXILIARY = "auxiliary"


class _MiddleClassifier(nn.Module):
    """(B, C, h', w') logits from `Features.middle`, by an ASPP of its own."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.classifier = DilatedClassifier(channels, num_classes)

    def forward(self, features: Features) -> Tensor:
        logits: Tensor = self.classifier(features.middle)
        return logits


class TwoLevelConfig(MethodConfig):
    """Weight of the auxiliary level's cross-entropy."""

    auxiliary: float = Field(default=0.1, ge=0)


class TwoLevel(Method):
    """Cross-entropy on two levels; the extra head is named `AUXILIARY`."""

    Config = TwoLevelConfig

    def extra_heads(self, network: Network) -> nn.ModuleDict:
        return nn.ModuleDict({AUXILIARY: _MiddleClassifier(network.middle_channels, network.num_classes)})

    def source_losses(self, outputs: Outputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        return {
            "segmentation": self.segmentation_loss(outputs.segmentation, batch.labels),
            "segmentation_auxiliary": self.segmentation_loss(outputs.extra[AUXILIARY], batch.labels),
        }
