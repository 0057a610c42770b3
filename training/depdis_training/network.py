"""Networks by name of their backbone."""

from __future__ import annotations

from collections.abc import Iterable

from .branches import BRANCHES, Features, Network, NetworkOutput
from .deeplab import DeepLab
from .efficientnet import EfficientNetLite, load_imagenet_lite0

__all__ = ["BACKBONES", "BRANCHES", "Features", "Network", "NetworkOutput", "build_network"]

BACKBONES: dict[str, type[DeepLab] | type[EfficientNetLite]] = {
    "resnet101": DeepLab,
    "efficientnet_lite0": EfficientNetLite,
}


def build_network(
    num_classes: int = 16,
    backbone: str = "resnet101",
    branches: Iterable[str] = BRANCHES,
    pretrained: bool = False,
    fusion: bool = False,
) -> Network:
    """A network with random heads: `resnet101` is the paper's, `efficientnet_lite0` the small real-time one.

    branches: the auxiliary branches it has besides segmentation, any of density and depth.
    pretrained: start the backbone from ImageNet weights. Those of efficientnet_lite0 come with a package;
        those of resnet101 are a file (`checkpoint.load_imagenet`).
    fusion: segmentation reads features times what the depth branch found in them, as DADA's does.
    Raises ValueError for an unknown backbone or branch, fusion without depth, or weights that are not to be
    had.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"no backbone named {backbone!r}; the backbones are {', '.join(BACKBONES)}")
    network = BACKBONES[backbone](num_classes, branches, fusion)
    if pretrained:
        if not isinstance(network, EfficientNetLite):
            raise ValueError(
                f"no ImageNet weights of {backbone} come with this package: build it with pretrained=False "
                "and start it from DeepLab_resnet_pretrained_imagenet.pth by checkpoint.load_imagenet"
            )
        load_imagenet_lite0(network)
    return network
