"""The formulas of the paper and of its peers, written out in numpy and float64, for the tests of methods."""

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float64]


def upsample(maps: Map, size: tuple[int, int]) -> Map:
    """(B, C, h, w) -> (B, C, H, W), bilinear with corners on corners."""

    def matrix(points: int, cells: int) -> Map:
        positions = np.arange(points) * (cells - 1) / (points - 1)
        return np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(cells)))

    return np.einsum("Hh,bchw,Ww->bcHW", matrix(size[0], maps.shape[2]), maps, matrix(size[1], maps.shape[3]))


def softmax(logits: Map) -> Map:
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def cross_entropy(logits: Map, labels: NDArray[np.int64], weights: Map) -> float:
    p = softmax(logits)
    total = weight = 0.0
    for picture, row, column in zip(*np.nonzero(labels != 255), strict=True):
        label = labels[picture, row, column]
        total -= weights[label] * np.log(p[picture, label, row, column])
        weight += weights[label]
    return total / weight


def berhu(prediction: Map, target: Map) -> float:
    error = np.abs(prediction - target)
    limit = 0.2 * error.max()
    return float(np.where(error <= limit, error, (error**2 + limit**2) / (2 * limit)).mean())


def self_information(logits: Map, size: tuple[int, int]) -> Map:
    p = softmax(upsample(logits, size))
    return -p * np.log2(p) / np.log2(p.shape[1])


def density(
    parameters: tuple[Map, Map, Map], scale: float, labels: NDArray[np.int64], z: Map, keep_all: bool = False
) -> Map:
    """Eq. 5 pixel by pixel: weights (C, K), means and variances (C, K, 3)."""
    weights, means, variances = parameters
    found = np.zeros(labels.shape)
    for picture, row, column in np.ndindex(labels.shape):
        label, depth = labels[picture, row, column], z[picture, row, column]
        if label == 255 or (depth <= 0 and not keep_all):
            continue
        point = np.array([column, row, depth])
        exponents = -0.5 * ((point - means[label]) ** 2 / variances[label]).sum(-1)
        norms = np.sqrt((2 * np.pi) ** 3 * variances[label].prod(-1))
        p = (weights[label] * np.exp(exponents) / norms).sum()
        found[picture, row, column] = 255 * (1 - np.exp(-scale * p))
    return found
