"""A network that knows classes by their colours: confident on a block, unsure between two."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from depdis_deploy.manifest import IMAGENET_MEAN_BGR
from depdis_training.branches import Network, NetworkOutput


class ColourNetwork(Network):
    """Logits are the negative squared distances to (C, 3) RGB colours, on every fourth pixel.

    Its batch norm passes everything on in evaluation, and in training does not.
    """

    def __init__(self, colours: Tensor, sharpness: float = 1 / 400) -> None:
        super().__init__(len(colours), "efficientnet_lite0", ())
        self.norm = nn.BatchNorm2d(3, affine=False, eps=0.0)
        self.colours = nn.Parameter(colours.flip(1).float() - torch.tensor(IMAGENET_MEAN_BGR))
        self.sharpness = sharpness

    def forward(self, images: Tensor) -> NetworkOutput:
        images = functional.interpolate(
            self.norm(images), self.grid(*images.shape[2:]), mode="bilinear", align_corners=True
        )
        offset = images[:, None] - self.colours[None, :, :, None, None]
        return NetworkOutput(-self.sharpness * offset.square().sum(2), None, None)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        return height // 4 + 1, width // 4 + 1

    def is_head(self, parameter_name: str) -> bool:
        return True
