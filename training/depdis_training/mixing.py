"""ClassMix across domains: things of a source picture, with their labels, pasted into a target picture.

Olsson et al., "ClassMix" (WACV 2021), between domains as in Tranheden et al., "DACS" (WACV 2021). Not in the
paper: a target's confident labels are the insides of things, and what is pasted brings whole ones with exact
borders, of rare classes too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from depdis_deploy.taxonomy import IGNORE

from .adaptation import Pair
from .loading import Batch


def mixed(
    labelled: Callable[[int], Sequence[Pair]], source: Callable[[int], Sequence[Pair]],
    places: Callable[[int], range], *, share: float, seed: int,
) -> Callable[[int], list[Pair]]:  # fmt: skip
    """The target's pairs of each step, `share` of their pictures with things of that step's source pictures.

    places: a step's micro-batches among those of the training; what is pasted depends on seed and place alone,
    so that it is the same however many processes share a step.
    """

    def pairs(step: int) -> list[Pair]:
        found = []
        for place, target, given in zip(places(step), labelled(step), source(step), strict=True):
            rng = np.random.default_rng([seed, 2, place])
            found.append(Pair(paste_classes(rng, target.source, given.source, share), None))
        return found

    return pairs


def paste_classes(rng: np.random.Generator, target: Batch, source: Batch, share: float) -> Batch:
    """The target's batch, `share` of its pictures with half of the classes of a source picture pasted in.

    Picture b takes from picture b of the source (modulo their number), which has to be of the same size. Of an
    odd number of classes the larger half; depth comes with them.
    """
    images, labels, depth = target.images.clone(), target.labels.clone(), target.inverse_depth.clone()
    for place in range(len(labels)):
        if rng.random() >= share:
            continue
        given = place % len(source.labels)
        theirs = source.labels[given]
        present = [name for name in torch.unique(theirs).tolist() if name != IGNORE]
        chosen = rng.permutation(present)[: (len(present) + 1) // 2]
        pasted = torch.isin(theirs, torch.from_numpy(np.asarray(chosen, np.uint8)))
        images[place][:, pasted] = source.images[given][:, pasted]
        labels[place][pasted] = theirs[pasted]
        depth[place][pasted] = source.inverse_depth[given][pasted]
    return Batch(images, labels, depth)
