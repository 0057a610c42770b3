"""What every network of this package looks like from outside: its input, its three branches, its grid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor, nn

BRANCHES = ("density", "depth")


class Features(NamedTuple):
    """What the backbone found: `middle` (B, network.middle_channels, h', w'), before its last stage, and
    `last`, what `Network.heads` takes."""

    middle: Tensor
    last: Any


class NetworkOutput(NamedTuple):
    """The three branches on the feature grid (h, w); a branch that the network lacks is None.

    segmentation: (B, C, h, w) logits.
    density: (B, 1, h, w), on the 0..255 scale of eq. 5's map, not clipped.
    depth: (B, 1, h, w), inverse depth 65536 / (centimetres + 1), not clipped.
    """

    segmentation: Tensor
    density: Tensor | None
    depth: Tensor | None


class Network(nn.Module):
    """A segmentation network with up to two auxiliary branches.

    Input: (B, 3, H, W) float, BGR 0..255 minus the ImageNet mean, whatever the backbone.
    fusion: whether segmentation reads features times what the depth branch found in them, as DADA's does.
    """

    middle_channels: int

    def __init__(self, num_classes: int, backbone: str, branches: Iterable[str], fusion: bool = False) -> None:
        super().__init__()
        wanted = tuple(branches)
        unknown = [branch for branch in wanted if branch not in BRANCHES]
        if unknown:
            raise ValueError(f"branches are any of {', '.join(BRANCHES)}; got {', '.join(map(str, unknown))}")
        if not 1 <= num_classes <= 255:
            raise ValueError(f"a network has 1 to 255 classes, got {num_classes}")
        if fusion and "depth" not in wanted:
            raise ValueError("fusion is with the features of the depth branch, which this network lacks")
        self.num_classes = num_classes
        self.backbone = backbone
        self.branches = tuple(branch for branch in BRANCHES if branch in wanted)
        self.fusion = fusion

    def forward(self, images: Tensor) -> NetworkOutput:
        """(B, 3, H, W) -> the three branches on `grid(H, W)`."""
        return self.heads(self.features(images))

    @abstractmethod
    def features(self, images: Tensor) -> Features:
        """(B, 3, H, W) -> what the backbone finds in them."""

    @abstractmethod
    def heads(self, features: Features) -> NetworkOutput:
        """The three branches from the backbone's features."""

    @abstractmethod
    def grid(self, height: int, width: int) -> tuple[int, int]:
        """The feature grid (h, w) of an input of `height` x `width` pixels."""

    @abstractmethod
    def is_head(self, parameter_name: str) -> bool:
        """Whether a parameter starts at random when the backbone starts from ImageNet weights."""

    def backbone_parameters(self) -> list[nn.Parameter]:
        """The trainable parameters that ImageNet weights exist for."""
        return self._trainable(head=False)

    def head_parameters(self) -> list[nn.Parameter]:
        """The trainable parameters that start at random (some methods train them at a higher rate)."""
        return self._trainable(head=True)

    def _trainable(self, *, head: bool) -> list[nn.Parameter]:
        return [
            parameter
            for name, parameter in self.named_parameters()
            if parameter.requires_grad and self.is_head(name) is head
        ]
