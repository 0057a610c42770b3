"""What a training starts from: ImageNet weights of the backbone, or a whole trained network."""

from __future__ import annotations

from pathlib import Path

from .checkpoint import CheckpointError, load_imagenet, read_checkpoint
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
        except CheckpointError:
            raise unread from None
        return
    for what in ("backbone", "num_classes", "branches", "fusion"):
        theirs, ours = getattr(found, what), getattr(network, what)
        if theirs != ours:
            raise CheckpointError(f"{path}: its {what} is {theirs}, this configuration's network has {ours}")
    network.load_state_dict(found.state_dict())
