"""Panels: the picture with its classes, the classes, depth and density, each with its legend and unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .class_statistics import class_shares
from .colours import (
    coloured,
    density_colours,
    depth_colours,
    depth_levels,
    label_colours,
    overlay,
    scale_table,
    share_levels,
)
from .command import UsageError
from .legends import bar_legend, class_legend, draw, title
from .preprocess import to_frame

if TYPE_CHECKING:
    from .prediction import Prediction

__all__ = ["PANELS", "density_colours", "depth_colours", "label_colours", "overlay", "panel"]

PANELS = ("overlay", "side-by-side", "quad")
_LISTED_FROM = 0.001  # a class with less of the picture is not in the legend
_ABSENT = (24, 26, 30)

_Tile = Callable[["Prediction"], NDArray[np.uint8]]


def panel(prediction: Prediction, kind: str) -> NDArray[np.uint8]:
    """A drawing as uint8 RGB of an (H, W) picture.

    overlay: (H, W), the picture with the classes' colours; side-by-side: (H, 2W), that with its legend, and
    depth; quad: (2H, 2W), the picture with the classes' colours, the classes, depth and density. A branch that
    the model lacks is an empty tile.
    """
    if kind == "overlay":
        return _overlaid(prediction)
    if kind == "side-by-side":
        return _tiled(prediction, ((_overlay_tile, _depth_tile),))
    if kind == "quad":
        return _tiled(prediction, ((_picture_tile, _classes_tile), (_depth_tile, _density_tile)))
    raise UsageError(f"panel {kind!r}: expected one of {', '.join(PANELS)}")


def _tiled(prediction: Prediction, rows: tuple[tuple[_Tile, ...], ...]) -> NDArray[np.uint8]:
    height, width = prediction.image.shape[:2]
    whole = np.empty((height * len(rows), width * len(rows[0]), 3), np.uint8)
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            whole[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile(prediction)
    return whole


def _overlaid(prediction: Prediction) -> NDArray[np.uint8]:
    return overlay(prediction.image, prediction.labels, prediction.manifest.taxonomy.palette)


def _picture_tile(prediction: Prediction) -> NDArray[np.uint8]:
    return _named(_overlaid(prediction), "Picture and classes")


def _overlay_tile(prediction: Prediction) -> NDArray[np.uint8]:
    return _with_classes(_overlaid(prediction), prediction)


def _classes_tile(prediction: Prediction) -> NDArray[np.uint8]:
    tile = label_colours(prediction.labels, prediction.manifest.taxonomy.palette)
    return _with_classes(tile, prediction)


def _with_classes(tile: NDArray[np.uint8], prediction: Prediction) -> NDArray[np.uint8]:
    height, width = tile.shape[:2]
    shares = class_shares(prediction.content("labels"), len(prediction.names))
    present = tuple(index for index, share in enumerate(shares) if share >= _LISTED_FROM)
    draw(tile, class_legend(prediction.manifest.taxonomy, present, width, height), bottom=True)
    return _named(tile, "Classes")


def _depth_tile(prediction: Prediction) -> NDArray[np.uint8]:
    return _scale_tile(prediction, "depth", "Depth", depth_levels)


def _density_tile(prediction: Prediction) -> NDArray[np.uint8]:
    return _scale_tile(prediction, "density", "Density: how usual this depth is for its class", share_levels)


def _scale_tile(
    prediction: Prediction, kind: str, name: str, levels: Callable[[NDArray[np.float32]], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    height, width = prediction.image.shape[:2]
    if kind not in prediction.maps:
        tile = np.empty((height, width, 3), np.uint8)
        tile[:] = _ABSENT
        return _named(tile, f"{name.partition(':')[0]}: not an output of this model")
    # Levels are made on the network's grid, where there are few, and are then enlarged.
    on_frame = to_frame(levels(prediction.maps[kind]), prediction.geometry, smooth=True)
    tile = coloured(on_frame, scale_table(kind))
    draw(tile, bar_legend(kind, width, height), bottom=True)
    return _named(tile, name)


def _named(tile: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    draw(tile, title(name, tile.shape[1], tile.shape[0]), bottom=False)
    return tile
