"""The spatial prior: how large a class's connected pieces are at least (section 3.5, algorithm 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depdis_deploy.taxonomy import IGNORE

# The network input, (width, height), for which the paper's sizes are meant.
PUBLISHED_SIZE = (1280, 760)


def refine(labels: NDArray[np.uint8], minimum_pixels: ArrayLike) -> NDArray[np.uint8]:
    """Keep the connected pieces that are large enough for their class (algorithm 1).

    labels: (H, W) uint8, classes 0..C-1, 255 unlabelled. minimum_pixels: (C,), the fewest pixels of a piece of
    each class, of which 8-connected pixels of one class are a part. Returns a new (H, W) uint8: smaller pieces
    are 255, all else is as it was. Raises ValueError for another type or shape, or a label beyond the classes.
    """
    import cc3d

    least = np.asarray(minimum_pixels)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f"expected labels (H, W) of uint8, got {labels.shape} of {labels.dtype}")
    if least.ndim != 1 or not np.isfinite(least).all():
        raise ValueError(f"expected minimum_pixels (C,), one number a class, got {least.tolist()}")
    if not labels.size:
        return labels.copy()
    # One more than each label: 255 becomes 0, which is background to the library.
    pieces = cc3d.connected_components(labels + np.uint8(1), connectivity=8).ravel()
    # Counting runs of one piece instead of pixels halves the time.
    changes = np.empty(pieces.size, np.bool_)
    changes[0] = True
    np.not_equal(pieces[1:], pieces[:-1], out=changes[1:])
    starts = np.flatnonzero(changes)
    piece_of = pieces[starts]  # (runs,)
    sizes = np.bincount(piece_of, weights=np.diff(starts, append=pieces.size))  # (pieces + 1,)
    labels_of = np.full(len(sizes), IGNORE, np.uint8)
    labels_of[piece_of] = labels.ravel()[starts]
    highest = int(labels_of[1:].max(initial=0))
    if highest >= len(least):
        raise ValueError(f"labels are 0..{len(least) - 1} (as many sizes are given) or 255, got {highest}")
    needed = np.zeros(256)
    needed[: len(least)] = least
    labels_of[sizes < needed[labels_of]] = IGNORE
    return np.take(labels_of, pieces).reshape(labels.shape)


def minimum_sizes(pixel_counts: ArrayLike, base: float = 50, span: float = 4950) -> NDArray[np.int64]:
    """thres_i = base + span (N_i - N_min) / (N_max - N_min) of eq. 12, in whole pixels.

    pixel_counts: (C,), N_i of the source, or shares of it. Where all classes are equally frequent each gets
    `base`. Raises ValueError for counts that are no list of numbers >= 0.
    """
    counts = np.asarray(pixel_counts, np.float64)
    if counts.ndim != 1 or not len(counts) or not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(f"expected pixel counts (C,), each at least 0, got {counts.tolist()}")
    width = counts.max() - counts.min()
    share = (counts - counts.min()) / width if width > 0 else np.zeros_like(counts)
    return np.asarray(np.rint(base + span * share), np.int64)


def scaled_sizes(
    minimum_pixels: ArrayLike, size: tuple[int, int], reference: tuple[int, int] = PUBLISHED_SIZE
) -> NDArray[np.int64]:
    """Sizes meant for pictures of `reference` (width, height), for pictures of `size`: by area, at least 1."""
    ratio = (size[0] * size[1]) / (reference[0] * reference[1])
    sizes: NDArray[Any] = np.asarray(minimum_pixels, np.float64) * ratio
    return np.asarray(np.maximum(np.rint(sizes), 1), np.int64)
