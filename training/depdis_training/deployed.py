"""What a deployed network gives, from its output to labels, metres and shares: the tail of every export."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .branches import NetworkOutput

Values = TypeVar("Values", Tensor, NDArray[np.float32], NDArray[np.float64])

INVERSE_DEPTH_SCALE = 65536.0
# The paper evaluates at full size; the small network's tail would cost a quarter of it.
LABEL_STRIDE = {"resnet101": 1, "efficientnet_lite0": 2}


class DeployedOutput(NamedTuple):
    """What the graph gives, and what its check needs besides.

    labels (N, H, W) uint8; depth (N, h, w) metres, density (N, h, w) 0..1 or None where the network lacks the
    branch; confidence (N, H', W') at the size of the arg-max; logits (N, C, H', W').
    """

    labels: Tensor
    depth: Tensor | None
    density: Tensor | None
    confidence: Tensor
    logits: Tensor


def deployed(output: NetworkOutput, size: tuple[int, int], label_stride: int) -> DeployedOutput:
    """The maps of a network's output for an input of `size` (height, width).

    label_stride: 1 takes the arg-max at the input's size, as the paper's evaluation does; 2 at half of it, with
    the labels repeated to full size.
    """
    (height, width), stride = size, label_stride
    of_labels = ((height + stride - 1) // stride, (width + stride - 1) // stride)
    logits = functional.interpolate(output.segmentation, size=of_labels, mode="bilinear", align_corners=True)
    confidence = largest_softmax(logits)  # (N, H', W')
    labels = logits.argmax(dim=1).to(torch.uint8)  # (N, H', W')
    if stride > 1:
        labels = functional.interpolate(labels[:, None], size=(height, width), mode="nearest")[:, 0]
    depth = density = None
    if output.depth is not None:
        depth = metres(output.depth[:, 0].clamp(1.0, INVERSE_DEPTH_SCALE))  # (N, h, w)
    if output.density is not None:
        density = output.density[:, 0].clamp(0.0, 255.0) / 255.0  # (N, h, w)
    return DeployedOutput(labels, depth, density, confidence, logits)


def metres(inverse: Values) -> Values:
    """Inverse depth z = 65536 / (centimetres + 1), within 1..65536, to metres; of any shape."""
    return (INVERSE_DEPTH_SCALE / inverse - 1.0) / 100.0


def largest_softmax(logits: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H, W): 1 over the sum of what the classes are of the most probable one."""
    best = logits.amax(dim=1, keepdim=True)  # (N, 1, H, W)
    return 1.0 / (logits - best).exp().sum(dim=1)
