"""ClassMix across domains: things of a source picture, with their labels, pasted into a target picture.

Olsson et al., "ClassMix" (WACV 2021), between domains as in Tranheden et al., "DACS" (WACV 2021). Not in the
paper: a target's confident labels are the insides of things, and what is pasted brings whole ones with exact
borders, of rare classes too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from depdis_deploy.taxonomy import IGNORE

from .loading import Batch


@dataclass(frozen=True)
class Pasted:
    """What is pasted into a target's batch: `things` (B, H, W) where `mask` (B, H, W, bool) is true."""

    mask: Tensor
    things: Batch

    def over(self, target: Batch) -> Batch:
        """The target's batch with the things in it; labels and depth come with them."""
        return Batch(
            torch.where(self.mask[:, None], self.things.images, target.images),
            torch.where(self.mask, self.things.labels, target.labels),
            torch.where(self.mask, self.things.inverse_depth, target.inverse_depth),
        )

    def to(self, device: torch.device) -> Pasted:
        """The same on a device."""
        return Pasted(self.mask.to(device, non_blocking=True), self.things.to(device))

    def pinned(self) -> Pasted:
        """The same in memory that a GPU copies from without halting the host."""
        return Pasted(self.mask.pin_memory(), self.things.pinned())


def draw_things(rng: np.random.Generator, source: Batch, pictures: int, share: float) -> Pasted:
    """For `share` of a target's `pictures`, half of the classes of a source picture of the same size.

    Picture b takes from picture b of the source (modulo their number). Of an odd number of classes the larger
    half; unlabelled pixels never.
    """
    given = torch.arange(pictures) % len(source.labels)
    things = Batch(source.images[given], source.labels[given], source.inverse_depth[given])
    mask = torch.zeros(things.labels.shape, dtype=torch.bool)
    for place, theirs in enumerate(things.labels):
        if rng.random() >= share:
            continue
        present = [name for name in torch.unique(theirs).tolist() if name != IGNORE]
        chosen = rng.permutation(present)[: (len(present) + 1) // 2]
        mask[place] = torch.isin(theirs, torch.from_numpy(np.asarray(chosen, np.uint8)))
    return Pasted(mask, things)
