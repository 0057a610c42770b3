"""The paper's network: DeepLab-V2 on ResNet-101 with a density and a depth branch (sections 3.1 and 4.2).

Module names are those of the authors' released files, so that their state dicts load as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from .branches import BRANCHES, Features, Network, NetworkOutput

_BLOCKS = (3, 4, 23, 3)
_WIDTHS = (64, 128, 256, 512)
_STRIDES = (1, 2, 1, 1)
_DILATIONS = (1, 1, 2, 4)
_EXPANSION = 4
_FEATURES = _WIDTHS[-1] * _EXPANSION
_ASPP_DILATIONS = (6, 12, 18, 24)
_HEADS = ("layer6.", "enc4_", "enc5_", "dec4.", "dec5.")
# The released files hold this layer with 16 outputs whatever their class count.
_UNUSED_CLASSES = 16


def _frozen_affine_norm(channels: int) -> nn.BatchNorm2d:
    """Batch statistics are used and tracked in training; scale and shift stay what ImageNet made them."""
    norm = nn.BatchNorm2d(channels)
    return norm.requires_grad_(False)


class Bottleneck(nn.Module):
    """A residual block with the stride in its first 1x1 convolution, as in Caffe's ResNet."""

    def __init__(self, channels: int, width: int, stride: int, dilation: int, project: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, stride, bias=False)
        self.bn1 = _frozen_affine_norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = _frozen_affine_norm(width)
        self.conv3 = nn.Conv2d(width, width * _EXPANSION, 1, bias=False)
        self.bn3 = _frozen_affine_norm(width * _EXPANSION)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(channels, width * _EXPANSION, 1, stride, bias=False),
                _frozen_affine_norm(width * _EXPANSION),
            )
            if project
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + shortcut)


class DilatedClassifier(nn.Module):
    """DeepLab-V2's ASPP: four dilated 3x3 convolutions straight to the classes, summed."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv2d_list = nn.ModuleList(
            nn.Conv2d(channels, num_classes, 3, padding=dilation, dilation=dilation)
            for dilation in _ASPP_DILATIONS
        )
        for convolution in self.conv2d_list:
            assert isinstance(convolution, nn.Conv2d)
            nn.init.normal_(convolution.weight, 0.0, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.conv2d_list[0](x)
        for convolution in self.conv2d_list[1:]:
            total = total + convolution(x)
        return total


def _stage(index: int, channels: int) -> nn.Sequential:
    width, dilation = _WIDTHS[index], _DILATIONS[index]
    blocks = [Bottleneck(channels, width, _STRIDES[index], dilation, project=True)]
    for _ in range(_BLOCKS[index] - 1):
        blocks.append(Bottleneck(width * _EXPANSION, width, 1, dilation, project=False))
    return nn.Sequential(*blocks)


class DeepLab(Network):
    """ResNet-101 at output stride 8 with the segmentation, density (`enc4`) and depth (`enc5`) branches.

    50,895,248 parameters with 16 classes, of which `dec4` and `enc4_4` (266,256) take part in nothing: the
    authors' files have them, and a file that is read must be written back whole. With fusion, `dec5` leads
    from the 128 channels of depth back to the features.
    """

    middle_channels = _WIDTHS[2] * _EXPANSION

    def __init__(self, num_classes: int = 16, branches: Iterable[str] = BRANCHES, fusion: bool = False) -> None:
        super().__init__(num_classes, "resnet101", branches, fusion)
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = _frozen_affine_norm(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.layer1 = _stage(0, 64)
        self.layer2 = _stage(1, 256)
        self.layer3 = _stage(2, 512)
        self.layer4 = _stage(3, 1024)
        self.layer6 = DilatedClassifier(_FEATURES, num_classes)
        if "density" in self.branches:
            self.enc4_1 = nn.Conv2d(_FEATURES, 512, 1)
            self.enc4_2 = nn.Conv2d(512, 512, 3, padding=1)
            self.enc4_3 = nn.Conv2d(512, 128, 1)
            self.enc4_4 = nn.Conv2d(128, _UNUSED_CLASSES, 1).requires_grad_(False)
            self.dec4 = nn.Conv2d(128, _FEATURES, 1).requires_grad_(False)
        if "depth" in self.branches:
            self.enc5_1 = nn.Conv2d(_FEATURES, 512, 1)
            self.enc5_2 = nn.Conv2d(512, 512, 3, padding=1)
            self.enc5_3 = nn.Conv2d(512, 128, 1)
        if fusion:
            self.dec5 = nn.Conv2d(128, _FEATURES, 1)

    def features(self, images: Tensor) -> Features:
        x = self.maxpool(F.relu(self.bn1(self.conv1(images))))
        middle = self.layer3(self.layer2(self.layer1(x)))  # (B, 1024, h, w)
        return Features(middle, self.layer4(middle))  # (B, 2048, h, w)

    def heads(self, features: Features) -> NetworkOutput:
        x = features.last
        density = depth = None
        if "density" in self.branches:
            encoded = _encoded(x, self.enc4_1, self.enc4_2, self.enc4_3)
            density = encoded.mean(dim=1, keepdim=True)
        if "depth" in self.branches:
            encoded = _encoded(x, self.enc5_1, self.enc5_2, self.enc5_3)
            depth = encoded.mean(dim=1, keepdim=True)
            if self.fusion:
                x = x * F.relu(self.dec5(encoded))
        return NetworkOutput(self.layer6(x), density, depth)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        return _cells(height), _cells(width)

    def is_head(self, parameter_name: str) -> bool:
        return parameter_name.startswith(_HEADS)


def _encoded(x: Tensor, reduce: nn.Module, mix: nn.Module, expand: nn.Module) -> Tensor:
    """(B, 2048, h, w) -> (B, 128, h, w), whose mean over the channels is the branch's map, not activated."""
    encoded: Tensor = expand(F.relu(mix(F.relu(reduce(x)))))
    return encoded


def _cells(pixels: int) -> int:
    """Feature cells along one side: a stride 2, the pool's with ceil_mode, a stride 2."""
    pooled = math.ceil(pixels / 2) // 2 + 1
    return math.ceil(pooled / 2)
