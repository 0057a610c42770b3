"""The second level of AdvEnt and MinEnt: a classifier on the features before the last stage."""

from __future__ import annotations

from torch import Tensor, nn

from depdis_training.branches import Features, Network
from depdis_training.deeplab import DilatedClassifier

AUXILIARY = "auxiliary"


class _MiddleClassifier(nn.Module):
    """(B, C, h', w') logits from `Features.middle`, by an ASPP of its own."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.classifier = DilatedClassifier(channels, num_classes)

    def forward(self, features: Features) -> Tensor:
        logits: Tensor = self.classifier(features.middle)
        return logits


def auxiliary_classifier(network: Network) -> nn.ModuleDict:
    """The extra head named `AUXILIARY`."""
    return nn.ModuleDict({AUXILIARY: _MiddleClassifier(network.middle_channels, network.num_classes)})
