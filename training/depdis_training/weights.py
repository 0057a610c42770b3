"""State dicts into networks; every mismatch is an error of one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from depdis_deploy.json_files import shown

from .branches import Network


def load_weights(network: Network, weights: Any) -> None:
    """Load the whole state dict of a network; ValueError as `load_module` does."""
    load_module(network, weights, f"a network of {describe(network)}")


def load_module(module: nn.Module, weights: Any, what: str) -> None:
    """Load a whole state dict of the module, which is `what` in messages.

    Raises:
        ValueError: A value is missing, unknown, of another shape or type, or not finite.
    """
    own = module.state_dict()
    _check_names(weights, what)
    missing, unknown = own.keys() - weights.keys(), weights.keys() - own.keys()
    for problem, names in (("lacks", missing), ("has unknown", unknown)):
        if names:
            raise ValueError(f"it {problem} {len(names)} weights ({_some(names)}) for {what}")
    check_weights(own, weights, what)
    module.load_state_dict(dict(weights))  # without the metadata that a state dict of a file may have


def check_weights(own: Mapping[str, Tensor], weights: Mapping[str, Any], what: str) -> None:
    """Check that `weights` has a value to replace each of `own`; ValueError names the first that cannot."""
    for name, value in own.items():
        found = weights[name]
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        if shape != tuple(value.shape):
            raise ValueError(f"{name} is {shape}, expected {tuple(value.shape)} for {what}")
        if found.is_floating_point() != value.is_floating_point():
            raise ValueError(f"{name} has type {found.dtype}, expected {value.dtype} for {what}")
        low, high = torch.aminmax(found.to(value.dtype))  # NaN where any value is
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"{name} holds NaN or infinity; the training that wrote it had diverged")
        if name.endswith("running_var") and low < 0:
            raise ValueError(f"{name} holds a negative variance")


def _check_names(weights: Any, what: str) -> None:
    if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
        raise ValueError(f"expected a state dict of names and tensors for {what}, got {shown(weights)}")


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
    present = {name: value for name, value in backbone.items() if name in found}
    check_weights(present, found, "a ResNet-101")
    network.load_state_dict({name: found[name] for name in present}, strict=False)


def describe(network: Network) -> str:
    """One phrase that names a network's kind, for messages."""
    branches = " and ".join((*network.branches, *(["fusion"] if network.fusion else [])))
    return f"{network.backbone} with {network.num_classes} classes" + (f", {branches}" if branches else "")


def _some(names: set[str]) -> str:
    return ", ".join(name[:80] for name in sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
