"""Class probabilities of a picture, the mean over several magnifications and the mirror image.

Not in the paper. What a network sees at one size it misses at another, so that the mean is better than any of
them; labels made of it teach a network that is run at one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from depdis_deploy.manifest import ResizeRule
from depdis_deploy.preprocess import Geometry, plan, to_input
from depdis_deploy.sizes import LEAST_SIDE

from .loading import network_images
from .network import Network


@dataclass(frozen=True)
class Inputs:
    """A picture as a network's input at each magnification, the (H, W, 3) uint8 RGB `frames`.

    content: (width, height) of the picture in its input by the rule itself.
    """

    content: tuple[int, int]
    geometries: tuple[Geometry, ...]
    frames: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True)
class MultiScale:
    """resize: the rule of magnification 1. scales: the magnifications; mirror: the mirror image of each too."""

    resize: ResizeRule
    scales: Sequence[float] = (1.0,)
    mirror: bool = False

    def inputs(self, picture: NDArray[np.uint8]) -> Inputs:
        """Of a (H, W, 3) uint8 RGB picture; each is made of the picture itself."""
        size = (picture.shape[1], picture.shape[0])
        rules = [self._rule(scale) for scale in self.scales]
        geometries = tuple(plan(size, rule) for rule in rules)
        frames = tuple(
            to_input(picture, geometry, rule) for geometry, rule in zip(geometries, rules, strict=True)
        )
        return Inputs(plan(size, self.resize).content, geometries, frames)

    @torch.inference_mode()
    def probabilities(self, network: Network, inputs: Inputs, device: torch.device) -> Tensor:
        """(C, h, w) on the pixels of `inputs.content`, of a network in evaluation mode."""
        total: Tensor | None = None
        for geometry, frame in zip(inputs.geometries, inputs.frames, strict=True):
            images = network_images(frame[None]).to(device)
            found = self._one(network, images, geometry, inputs.content)
            if self.mirror:
                # The padding stands at the right of a picture, so that it is its content alone that is turned.
                width = geometry.content[0]
                turned = torch.cat([images[..., :width].flip(3), images[..., width:]], 3)
                found = (found + self._one(network, turned, geometry, inputs.content).flip(2)) / 2
            total = found if total is None else total + found
        assert total is not None
        return total / len(inputs.frames)

    def _rule(self, scale: float) -> ResizeRule:
        width, height = (
            max(LEAST_SIDE, round(side * scale)) for side in (self.resize.width, self.resize.height)
        )
        return replace(self.resize, width=width, height=height)

    @staticmethod
    def _one(network: Network, images: Tensor, geometry: Geometry, content: tuple[int, int]) -> Tensor:
        logits = network(images).segmentation.float()
        (wide, high), (width, height) = geometry.input, geometry.content
        logits = functional.interpolate(logits, (high, wide), mode="bilinear", align_corners=True)
        probability = logits[:, :, :height, :width].softmax(1)
        if geometry.content != content:
            probability = functional.interpolate(
                probability, content[::-1], mode="bilinear", align_corners=False, antialias=True
            )
        return probability[0]
