"""The authors' twelve released files: which network they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from depdis_deploy.json_files import shown

from .branches import Network
from .network import build_network
from .weights import load_weights

_CLASSIFIER = "layer6.conv2d_list.0.weight"
RELEASED_CLASSES = (7, 16)
# The first convolution of each branch tells whether the file has it.
_BRANCH_KEYS = {"density": "enc4_1.weight", "depth": "enc5_1.weight"}


def is_released(content: Any) -> bool:
    """Whether a loaded file has the layout {"model": state dict, ...} with the paper's segmentation head."""
    model = content.get("model") if isinstance(content, Mapping) else None
    return isinstance(model, Mapping) and _CLASSIFIER in model


def read_released(content: Mapping[str, Any]) -> tuple[Network, tuple[str, ...]]:
    """(the network, what should be said of it) from a released file's content.

    A branch whose weights are missing is a branch that the network lacks. Raises ValueError where other
    weights are missing or unknown, or the class count is none that was released.
    """
    weights = content["model"]
    classifier = weights[_CLASSIFIER]
    if not isinstance(classifier, Tensor) or classifier.ndim != 4:
        raise ValueError(f"{_CLASSIFIER} is {shown(classifier)}, expected the weights of a convolution")
    num_classes = classifier.shape[0]
    if num_classes not in RELEASED_CLASSES:
        counts = " or ".join(map(str, RELEASED_CLASSES))
        raise ValueError(f"it has {num_classes} classes; the released networks have {counts}")
    branches = tuple(branch for branch, key in _BRANCH_KEYS.items() if key in weights)
    network = build_network(num_classes, "resnet101", branches)
    load_weights(network, weights)
    missing = [branch for branch in _BRANCH_KEYS if branch not in branches]
    return network, tuple(f"the file has no {branch} branch: a network without it" for branch in missing)
