"""The names of an evaluation's figures, as metrics.json, tables and reports have them."""

from __future__ import annotations

PIXEL_ACCURACY, MEAN_ACCURACY = "pixel accuracy (%)", "mean accuracy (%)"
BOUNDARY_IOU, CALIBRATION_ERROR = "boundary IoU (%)", "calibration error ECE (%)"
DENSITY_ERROR = "density MAE"
FLIPS = "label flips (per pixel and second)"


def miou_name(classes: int) -> str:
    """The mean IoU over so many classes."""
    return f"mIoU {classes} (%)"


def class_name(name: str) -> str:
    """A class's IoU: set in, so that it stands below the means in a table."""
    return f"  {name}"


def depth_name(metric: str) -> str:
    """One of DEPTH_METRICS."""
    return f"depth {metric}"


def by_rows(figure: str) -> str:
    """What the best constant for each image row, which sees no picture, gets of a figure."""
    return f"{figure}, best constant per row"


DEPTH_ERROR = depth_name("abs_rel")
DEPTH_BY_ROWS, DENSITY_BY_ROWS = by_rows(DEPTH_ERROR), by_rows(DENSITY_ERROR)
