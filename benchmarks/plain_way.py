"""The plain way to do what the package does: what `training.py` compares with.

A step in float32 as modules come (NCHW), the density map pixel by pixel on the host, labels refined class by
class. Where the authors' program is known to save work it is given that: the source's density is looked up in
one ready map for each class.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from depdis_training.depth_distribution import DepthDistribution
from depdis_training.discriminator import Discriminator
from depdis_training.loading import Batch
from depdis_training.network import build_network


def density(
    distribution: DepthDistribution, labels: NDArray[np.int64], z: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Eq. 5 of (h, w) labels and inverse depth, one pixel after the other."""
    found = np.zeros(labels.shape, np.float32)
    constant = (2 * np.pi) ** -1.5 / np.sqrt(distribution.variances.prod(-1))  # (C, K)
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            if z[row, column] <= 0:
                continue
            label = labels[row, column]
            offset = np.array([column, row, z[row, column]]) - distribution.means[label]  # (K, 3)
            distance = (offset**2 / distribution.variances[label]).sum(-1)
            p = (distribution.weights[label] * constant[label] * np.exp(-0.5 * distance)).sum()
            found[row, column] = (1 - np.exp(-distribution.scale * p)) * 255
    return found


def refine(labels: NDArray[np.uint8], minimum_pixels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Algorithm 1 with OpenCV's components of each class's mask."""
    found = np.full_like(labels, 255)
    for index, size in enumerate(minimum_pixels):
        mask = (labels == index).astype(np.uint8)
        _, pieces, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        keeps = statistics[:, cv2.CC_STAT_AREA] >= size
        keeps[0] = False
        found[keeps[pieces]] = index
    return found


def berhu(prediction: Tensor, target: Tensor) -> Tensor:
    error = (prediction - target).abs()
    limit = 0.2 * error.detach().max()
    return torch.where(error <= limit, error, (error**2 + limit**2) / (2 * limit)).mean()


class PlainStep:
    """Stage 1's iteration (M2), one picture of each domain."""

    def __init__(self, distribution: DepthDistribution, num_classes: int, device: torch.device) -> None:
        self.distribution, self.num_classes = distribution, num_classes
        self.network = build_network(num_classes).to(device).train()
        self.discriminator = Discriminator(num_classes).to(device)
        self.optimizer = torch.optim.SGD(
            [parameter for parameter in self.network.parameters() if parameter.requires_grad],
            lr=2.5e-4, momentum=0.9, weight_decay=5e-4,
        )  # fmt: skip
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=1e-3, betas=(0.9, 0.99)
        )

    def stored_maps(self, z: Tensor) -> Tensor:
        """(C, h, w) densities of every class at the true (h, w) inverse depth, as the release keeps on disk."""
        shape = (self.num_classes, *z.shape)
        labels = torch.arange(self.num_classes, device=z.device)[:, None, None].expand(shape)
        return self.distribution.density(labels, z.expand(shape))

    def __call__(self, source: Batch, target: Batch, stored: Tensor) -> None:
        """One iteration; stored: `stored_maps` of the source on the feature grid."""
        height, width = source.labels.shape[1:]

        def whole(maps: Tensor) -> Tensor:
            return functional.interpolate(maps, (height, width), mode="bilinear", align_corners=True)

        def seen(logits: Tensor, densities: Tensor) -> Tensor:
            share = whole(logits).softmax(1)
            return -share * torch.log2(share + 1e-30) / np.log2(self.num_classes) * whole(densities)

        self.optimizer.zero_grad()
        self.discriminator_optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        on_source = self.network(source.images)
        assert on_source.density is not None
        assert on_source.depth is not None
        ready = stored.gather(0, on_source.segmentation.argmax(1))
        loss = functional.cross_entropy(whole(on_source.segmentation), source.labels.long(), ignore_index=255)
        loss = loss + 0.005 * berhu(whole(on_source.depth)[:, 0], source.inverse_depth)
        (loss + 0.01 * berhu(on_source.density[:, 0], ready)).backward()

        on_target = self.network(target.images)
        labels = on_target.segmentation.argmax(1)[0].cpu().numpy()
        made = density(self.distribution, labels, on_target.depth[0, 0].detach().cpu().numpy())
        loss = 0.05 * berhu(on_target.density[0, 0], torch.from_numpy(made).to(target.images.device))
        maps = seen(on_target.segmentation, on_target.density)
        (loss + 0.05 * self._judged(maps, 0.0)).backward()

        self.discriminator.requires_grad_(True)
        with torch.no_grad():
            source_maps = seen(on_source.segmentation, on_source.density)
        self._judged(source_maps, 0.0).backward()
        self._judged(maps.detach(), 1.0).backward()
        self.optimizer.step()
        self.discriminator_optimizer.step()

    def _judged(self, maps: Tensor, domain: float) -> Tensor:
        logits = self.discriminator(maps)
        return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, domain))
