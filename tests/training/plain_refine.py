"""The spatial prior written plainly, to compare with."""

import cv2
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]


def flood_fill(labels: Labels, least: NDArray[np.int64]) -> Labels:
    """Pixel by pixel, from each one that no piece holds yet."""
    height, width = labels.shape
    found = np.full_like(labels, 255)
    seen = labels == 255
    for start in zip(*np.nonzero(~seen), strict=True):
        if seen[start]:
            continue
        label, piece, waiting = labels[start], [], [start]
        seen[start] = True
        while waiting:
            y, x = waiting.pop()
            piece.append((y, x))
            for near_y in range(max(y - 1, 0), min(y + 2, height)):
                for near_x in range(max(x - 1, 0), min(x + 2, width)):
                    if not seen[near_y, near_x] and labels[near_y, near_x] == label:
                        seen[near_y, near_x] = True
                        waiting.append((near_y, near_x))
        if len(piece) >= least[label]:
            found[tuple(np.array(piece).T)] = label
    return found


def class_by_class(labels: Labels, least: NDArray[np.int64]) -> Labels:
    """OpenCV's components of each class's mask."""
    found = np.full_like(labels, 255)
    for index, size in enumerate(least):
        mask = (labels == index).astype(np.uint8)
        _, pieces, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        keeps = statistics[:, cv2.CC_STAT_AREA] >= size
        keeps[0] = False
        found[keeps[pieces]] = index
    return found
