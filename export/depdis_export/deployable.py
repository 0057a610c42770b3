"""The network as it is deployed: uint8 frames in; labels, depth, density and confidence out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from depdis_deploy.manifest import Manifest
from depdis_training.deployed import DeployedOutput, deployed
from depdis_training.network import Network


class Deployable(nn.Module):
    """A network with its preprocessing before and its arg-max behind.

    label_stride: 1 takes the arg-max at the input's size, as the paper's evaluation does; 2 at half of it, with
    the labels repeated to full size, which for a small network saves a tenth of the whole.
    """

    mean: Tensor

    def __init__(self, network: Network, manifest: Manifest, label_stride: int) -> None:
        super().__init__()
        self.network = network.eval()
        self.label_stride = label_stride
        self.register_buffer("mean", torch.tensor(manifest.mean_bgr).view(1, 3, 1, 1))

    def full(self, frames: Tensor) -> DeployedOutput:
        """All that is known of `frames` (N, H, W, 3) uint8 RGB."""
        height, width = frames.shape[1], frames.shape[2]
        bgr = frames.permute(0, 3, 1, 2).flip(1).float() - self.mean  # (N, 3, H, W)
        out = self.network(bgr)
        return deployed(out, (height, width), self.label_stride)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """The graph's outputs, those that exist, in the order of `output_names`."""
        out = self.full(frames)
        return tuple(value for value in out[:4] if value is not None)


def output_names(network: Network) -> tuple[str, ...]:
    """The names of the graph's outputs."""
    return ("labels", *(name for name in ("depth", "density") if name in network.branches), "confidence")
