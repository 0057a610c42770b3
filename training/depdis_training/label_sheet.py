"""A picture sheet of pseudo-labels: picture, prediction, its confident part, what the spatial prior leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.colours import label_colours
from depdis_deploy.legends import class_legend, draw, title
from depdis_deploy.taxonomy import IGNORE, Taxonomy

TILE_WIDTH = 480
_GROUND = (24, 26, 30)


class LabelRow(NamedTuple):
    """One picture (H, W, 3) uint8 RGB and its labels (H, W) uint8 in three states, 255 unlabelled."""

    image: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    confident: NDArray[np.uint8]
    refined: NDArray[np.uint8]


def label_sheet(rows: Sequence[LabelRow], taxonomy: Taxonomy) -> NDArray[np.uint8]:
    """A row of four titled tiles for each picture and a legend of the classes below; uint8 RGB."""
    sheet = np.concatenate([_drawn(row, taxonomy) for row in rows])
    present = tuple(
        index for index in range(len(taxonomy)) if any((row.predicted == index).any() for row in rows)
    )
    width = sheet.shape[1]
    legend = class_legend(taxonomy, present, width, width // 3)
    if legend is None:
        return sheet
    strip = np.full((legend.adds.shape[0], width, 3), _GROUND, np.uint8)
    draw(strip, legend, bottom=True)
    return np.concatenate([sheet, strip])


def _drawn(row: LabelRow, taxonomy: Taxonomy) -> NDArray[np.uint8]:
    height = max(1, round(TILE_WIDTH * row.image.shape[0] / row.image.shape[1]))
    picture = cv2.resize(row.image, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
    tiles = [_named(np.asarray(picture, np.uint8), "Picture")]
    for name, labels in (
        ("Prediction", row.predicted), ("Confident", row.confident), ("Refined", row.refined)
    ):  # fmt: skip
        shown = cv2.resize(labels, (TILE_WIDTH, height), interpolation=cv2.INTER_NEAREST_EXACT)
        share = "" if name == "Prediction" else f": {np.mean(labels != IGNORE):.1%} labelled"
        tiles.append(_named(label_colours(np.asarray(shown, np.uint8), taxonomy.palette), name + share))
    return np.concatenate(tiles, axis=1)


def _named(tile: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    # as for a larger tile, since four of them share the sheet's width
    draw(tile, title(name, 2 * tile.shape[1], 2 * tile.shape[0]), bottom=False)
    return tile
