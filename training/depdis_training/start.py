"""What a training starts from: ImageNet weights of the backbone, or a whole trained network."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from .checkpoint import CheckpointError, load_imagenet, load_plain, read_checkpoint
from .network import Network


def start_from(network: Network, path: Path) -> None:
    """Load `path` into a network: a checkpoint (ours or released) whole, or the backbone's ImageNet file.

    CheckpointError where the file is neither, or is of another network.
    """
    try:
        found = read_checkpoint(path).network
    except CheckpointError as unread:
        try:
            load_imagenet(network, path)
        except CheckpointError as unfit:
            raise (unfit if _is_state_dict(path) else unread) from None
        return
    for what in ("backbone", "num_classes", "branches", "fusion"):
        theirs, ours = getattr(found, what), getattr(network, what)
        if theirs != ours:
            raise CheckpointError(f"{path}: its {what} is {theirs}, this configuration's network has {ours}")
    network.load_state_dict(found.state_dict())


def _is_state_dict(path: Path) -> bool:
    """Whether a file holds named tensors alone, of which ImageNet's reader says why they do not fit."""
    try:
        content = load_plain(path)
    except CheckpointError:
        return False
    return isinstance(content, dict) and all(isinstance(value, Tensor) for value in content.values())
