"""The network as it is deployed: uint8 frames in; labels, depth, density and confidence out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from depdis_deploy.manifest import Manifest
from depdis_training.network import Network

INVERSE_DEPTH_SCALE = 65536.0


class DeployedOutput(NamedTuple):
    """What the graph gives, and what the check needs besides.

    labels (N, H, W) uint8; depth (N, h, w) metres, density (N, h, w) 0..1 or None where the network lacks the
    branch; confidence (N, H', W') at the size of the arg-max; logits (N, C, H', W').
    """

    labels: Tensor
    depth: Tensor | None
    density: Tensor | None
    confidence: Tensor
    logits: Tensor


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
        stride = self.label_stride
        size = ((height + stride - 1) // stride, (width + stride - 1) // stride)
        logits = F.interpolate(out.segmentation, size=size, mode="bilinear", align_corners=True)
        best = logits.amax(dim=1, keepdim=True)  # (N, 1, H', W')
        # The largest softmax is 1 over the sum of what the others are of it.
        confidence = 1.0 / (logits - best).exp().sum(dim=1)  # (N, H', W')
        labels = logits.argmax(dim=1).to(torch.uint8)  # (N, H', W')
        if stride > 1:
            labels = F.interpolate(labels[:, None], size=(height, width), mode="nearest")[:, 0]
        depth = density = None
        if out.depth is not None:
            inverse = out.depth[:, 0].clamp(1.0, INVERSE_DEPTH_SCALE)  # (N, h, w)
            depth = (INVERSE_DEPTH_SCALE / inverse - 1.0) / 100.0
        if out.density is not None:
            density = out.density[:, 0].clamp(0.0, 255.0) / 255.0  # (N, h, w)
        return DeployedOutput(labels, depth, density, confidence, logits)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """The graph's outputs, those that exist, in the order of `output_names`."""
        out = self.full(frames)
        return tuple(value for value in out[:4] if value is not None)


def output_names(network: Network) -> tuple[str, ...]:
    """The names of the graph's outputs."""
    return ("labels", *(name for name in ("depth", "density") if name in network.branches), "confidence")
