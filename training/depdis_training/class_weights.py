"""Weights of the classes in the cross-entropy, from how often each occurs."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def class_weights(counts: NDArray[Any], kind: str, cap: float) -> Tensor | None:
    """(C,) weights of the cross-entropy from (C,) pixel counts: `balanced` N/(C N_i), `sqrt` its root.

    None for `none`. At most `cap`; a class without pixels gets 1, as it never counts. The release weights the
    Cityscapes protocols by `balanced`, the paper does not mention weights.
    """
    if kind == "none":
        return None
    found = torch.as_tensor(counts, dtype=torch.float64)
    weights = found.sum() / (len(found) * found.clamp(min=1))
    weights = torch.where(found > 0, weights, torch.ones_like(weights))
    return (weights.sqrt() if kind == "sqrt" else weights).clamp(max=cap).float()
