"""State dicts into networks, with every mismatch said in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .branches import Network


def load_weights(network: Network, weights: Mapping[str, Any]) -> None:
    """Load a whole state dict; ValueError names what is missing, unknown or of another shape."""
    own = network.state_dict()
    for what, names in (("lacks", own.keys() - weights.keys()), ("has unknown", weights.keys() - own.keys())):
        if names:
            raise ValueError(
                f"it {what} {len(names)} weights ({_some(names)}) for a network of {describe(network)}"
            )
    for name, value in own.items():
        found = (
            tuple(weights[name].shape) if isinstance(weights[name], Tensor) else type(weights[name]).__name__
        )
        if found != tuple(value.shape):
            raise ValueError(
                f"{name} is {found}, expected {tuple(value.shape)} for a network of {describe(network)}"
            )
    network.load_state_dict(weights)


def load_imagenet_resnet(network: Network, content: Any) -> None:
    """Start a resnet101's backbone from the content of DeepLab_resnet_pretrained_imagenet.pth (section 4.2).

    That file is a plain state dict, its keys with one leading part (`Scale.`) and a `layer5` classifier,
    which is left out; the heads keep their values. Raises ValueError for anything else: torchvision's and
    timm's ResNets have equal shapes, but stride in the 3x3 convolutions and other input, and would silently
    train worse.
    """
    if network.backbone != "resnet101":
        raise ValueError(f"these ImageNet weights are of resnet101, the network is {describe(network)}")
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise ValueError("expected a plain state dict, as DeepLab_resnet_pretrained_imagenet.pth is")
    if "conv1.weight" in content or any(key.rsplit(".", 2)[-2:-1] == ["fc"] for key in content):
        raise ValueError(
            "its keys are those of a torchvision or timm ResNet, which is another network (stride in the 3x3 "
            "convolution in place of the first 1x1, RGB in 0..1 in place of BGR minus the mean): use "
            "DeepLab_resnet_pretrained_imagenet.pth, which AdaptSegNet, AdvEnt and DADA distribute"
        )
    found = {key.partition(".")[2]: value for key, value in content.items()}
    backbone = {name: value for name, value in network.state_dict().items() if not network.is_head(name)}
    # Files from before PyTorch 0.4.1 lack the counters, which nothing here reads.
    missing = {name for name in backbone if name not in found and not name.endswith("num_batches_tracked")}
    if missing:
        raise ValueError(f"it lacks {len(missing)} weights of a ResNet-101 ({_some(missing)})")
    for name in backbone.keys() & found.keys():
        if found[name].shape != backbone[name].shape:
            raise ValueError(
                f"{name} has shape {tuple(found[name].shape)}, a ResNet-101's is {tuple(backbone[name].shape)}"
            )
    network.load_state_dict({name: found[name] for name in backbone.keys() & found.keys()}, strict=False)


def describe(network: Network) -> str:
    """One phrase that names a network's kind, for messages."""
    branches = " and ".join((*network.branches, *(["fusion"] if network.fusion else [])))
    return f"{network.backbone} with {network.num_classes} classes" + (f", {branches}" if branches else "")


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
