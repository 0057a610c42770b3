"""What a training starts from: ImageNet weights of the backbone, or a whole trained network."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from .checkpoint import CheckpointError, load_imagenet, load_plain, read_checkpoint
from .efficientnet import EfficientNetLite
from .network import Network


def start_from(network: Network, path: Path) -> None:
    """Load `path` into a network: a checkpoint (ours or released), or the backbone's ImageNet file.

    A checkpoint's branches that the network lacks are left out, so that a peer starts from the same model as
    the method; a fusion that the checkpoint lacks starts by passing the features on. CheckpointError where the
    file is neither, is of another network or lacks a branch.
    """
    try:
        found = read_checkpoint(path).network
    except CheckpointError as unread:
        try:
            load_imagenet(network, path)
        except CheckpointError as unfit:
            raise (unfit if _is_state_dict(path) else unread) from None
        return
    _check_fits(network, found, path)
    if network.fusion and not found.fusion and isinstance(network, EfficientNetLite):
        network.decoder.pass_fusion()
    # Only what `_check_fits` lets differ is left over: branches that this network lacks, a fusion that is new.
    network.load_state_dict(found.state_dict(), strict=False)


def _check_fits(network: Network, found: Network, path: Path) -> None:
    """CheckpointError where `found` is of another kind or lacks what `network` would read out of it."""
    for what in ("backbone", "num_classes"):
        theirs, ours = getattr(found, what), getattr(network, what)
        if theirs != ours:
            raise CheckpointError(f"{path}: its {what} is {theirs}, this configuration's network has {ours}")
    missing = [branch for branch in network.branches if branch not in found.branches]
    if missing:
        raise CheckpointError(
            f"{path}: it has no branch for {' and '.join(missing)}, this configuration's network has"
        )
    # The small network's fusion is a layer of its own, which can start as if it were not there.
    begins = network.fusion and isinstance(network, EfficientNetLite)
    if found.fusion != network.fusion and not begins:
        theirs, ours = ("with" if fusion else "without" for fusion in (found.fusion, network.fusion))
        raise CheckpointError(f"{path}: its network is {theirs} fusion, this configuration's {ours}")


def _is_state_dict(path: Path) -> bool:
    """Whether a file holds named tensors alone, of which ImageNet's reader says why they do not fit."""
    try:
        content = load_plain(path)
    except CheckpointError:
        return False
    return isinstance(content, dict) and all(isinstance(value, Tensor) for value in content.values())
