"""Figure 4: the joint spaces in which two models see the target's pixels, beside each other, in numbers too.

A pixel's point is what the discriminator sees of it (section 3.4): the self-information of each class, weighted
by the predicted density (M2) or depth (S4). t-SNE shows two dimensions of it; silhouette and nearest-neighbour
purity say in the space itself how far pixels of one true class lie together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from depdis_deploy.manifest import ResizeRule
from depdis_deploy.preprocess import plan, to_input
from depdis_deploy.taxonomy import IGNORE

from .data.samples import Dataset
from .loading import network_images
from .methods.depdis import INPUTS, VARIANTS, DiscriminatorMaps
from .methods.method import Outputs
from .network import Network

PIXELS, PICTURES = 1500, 48
_PERPLEXITY = 30.0


@dataclass(frozen=True)
class Pixels:
    """Pixels of a set with their true classes: indices of the pictures, (N,) rows, columns and classes."""

    pictures: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Space:
    """A model's points. kind: a key of INPUTS; features: (N, channels)."""

    title: str
    kind: str
    features: NDArray[np.float32]


def choose_pixels(dataset: Dataset, *, pixels: int = PIXELS, pictures: int = PICTURES, seed: int = 0) -> Pixels:
    """About `pixels` labelled pixels of evenly spread pictures, of each class as many where it has them."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(pictures, len(dataset))).round().astype(int))
    classes = len(dataset.taxonomy)
    # of each picture twice a class's share: some pictures lack it
    each = -(-2 * pixels // (classes * len(chosen)))
    rng = np.random.default_rng(seed)
    found = []
    for index in chosen:
        labels = dataset[int(index)].labels
        if labels is None:
            continue
        for label in np.unique(labels[labels != IGNORE]):
            places = np.argwhere(labels == label)
            for row, column in places[rng.permutation(len(places))[:each]]:
                found.append((int(index), int(row), int(column), int(label)))
    table = np.array(found, np.int64).reshape(-1, 4)
    kept = [
        rng.permutation(np.flatnonzero(table[:, 3] == label))[: max(1, pixels // classes)]
        for label in range(classes)
    ]
    table = table[np.sort(np.concatenate(kept))]
    return Pixels(*table.T)


def kind_of(network: Network, variant: str | None) -> str:
    """The joint space that a network was trained in, or the nearest that its branches allow."""
    asked = VARIANTS[variant].discriminator_input if variant in VARIANTS else None
    if asked is not None and all(
        branch in network.branches for branch in ("density", "depth") if branch in asked
    ):
        return asked
    return next(iter(weighted_kinds(network)), "segmentation")


def weighted_kinds(network: Network) -> list[str]:
    """The joint spaces of the segmentation with each branch that a network has."""
    return [f"segmentation*{branch}" for branch in ("density", "depth") if branch in network.branches]


@torch.inference_mode()
def space(
    title: str, kind: str, network: Network, rule: ResizeRule, dataset: Dataset, pixels: Pixels
) -> Space:  # fmt: skip
    """The points of `pixels` in one of the INPUTS of a network."""
    device = next(network.parameters()).device
    network.eval()
    found = []
    for index in np.unique(pixels.pictures):
        picture = dataset[int(index)].image
        geometry = plan((picture.shape[1], picture.shape[0]), rule)
        output = network(network_images(to_input(picture, geometry, rule)[None]).to(device))
        values = Outputs(output.segmentation, output.density, output.depth, extra={})
        maps = INPUTS[kind][1](DiscriminatorMaps(values, geometry.input[::-1], 1.0))[0]  # (channels, h, w)
        here = pixels.pictures == index
        across, down = (geometry.content[side] / geometry.frame[side] for side in (0, 1))
        rows = ((pixels.rows[here] + 0.5) * down).astype(int)
        columns = ((pixels.columns[here] + 0.5) * across).astype(int)
        found.append(maps[:, rows, columns].T.cpu().numpy())
    return Space(title, kind, np.concatenate(found))


def described(spaces: Iterable[Space], pixels: Pixels, classes: int, *, seed: int = 0) -> dict[str, Any]:
    """As JSON values: of each space its silhouette, nearest-neighbour purity and t-SNE points.

    silhouette: -1..1, the mean over the pixels. purity: the share of pixels whose nearest one is of the same
    true class; `chance` is what pixels thrown at random would reach.
    """
    shares = np.bincount(pixels.classes, minlength=classes) / len(pixels.classes)
    return {
        "pixels": len(pixels.classes), "chance": float((shares**2).sum()),
        "spaces": [
            {
                "title": one.title, "kind": one.kind, **separation(one.features, pixels.classes),
                "points": _embedded(one.features, seed).round(1).tolist(),
            }
            for one in spaces
        ],
        "classes": pixels.classes.tolist(),
    }  # fmt: skip


def separation(features: NDArray[np.float32], classes: NDArray[np.int64]) -> dict[str, float]:
    """Silhouette and nearest-neighbour purity of (N, channels) points; both Euclidean."""
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=2).fit(features).kneighbors(features, return_distance=False)
    own = np.arange(len(features))
    # a point that lies on others need not come out as its own nearest
    other = np.where(nearest[:, 0] == own, nearest[:, 1], nearest[:, 0])
    return {
        "silhouette": float(silhouette_score(features, classes)),
        "purity": float(np.mean(classes[other] == classes)),
    }


def _embedded(features: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(features) - 1) / 4)
    return np.asarray(TSNE(perplexity=perplexity, random_state=seed).fit_transform(features), np.float64)
