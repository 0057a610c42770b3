"""`depdis-data statistics`: a configuration's source, class by class, in a table and pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.files import written_whole
from depdis_deploy.manifest import ResizeRule
from depdis_deploy.taxonomy import Taxonomy
from depdis_deploy.terminal import write_err

from .comparison import compare, verdict
from .data.samples import Dataset
from .data_settings import Data
from .experiment_data import open_data
from .loading import Batches, RandomViews, WholePictures
from .network import build_network
from .settings import Config
from .statistics import Fitted, fit_set, without_pixels
from .statistics_plot import comparison_picture, mixtures_picture
from .text_table import aligned


def report(config: Config, cache: Path, *, plot: Path | None = None, target: Data | None = None) -> str:
    """Fit the mixtures of the source, and of `target` where it is given; returns the text, writes the pictures.

    plot: a PNG of the source's mixtures; the comparison goes beside it, NAME-comparison.png. InputError where
    a set has no depth, or the target's classes are others.
    """
    if plot is not None and plot.suffix.lower() != ".png":
        raise InputError(f"--plot writes a PNG: give a name that ends in .png, got {plot}")
    source_set = open_data(config.source, "source", "--source", cache)
    target_set = None if target is None else open_data(target, "target", "--compare", cache)
    if target_set is not None and target_set.taxonomy.names != source_set.taxonomy.names:
        raise InputError(
            f"the target's labels are read in {len(target_set.taxonomy)} classes, the source's in "
            f"{len(source_set.taxonomy)}: they cannot be compared"
        )
    taxonomy = source_set.taxonomy
    source = _fitted(config, source_set, cache, "mixtures of the source", config.input.source_rule())
    parts = [table(source, taxonomy)]
    if line := without_pixels(source.distribution.unseen, taxonomy.names):
        parts.append(line)
    if plot is not None:
        picture = mixtures_picture(
            source.distribution, source.depths, taxonomy, size=config.crop,
            title=f"Class-wise depth distributions: source of {config.name}",
        )  # fmt: skip
        _save(plot, picture)
    if target_set is not None:
        other = _fitted(config, target_set, cache, "mixtures of the target", config.input.rule())
        parts += ["", _compared(config, source, other, taxonomy, plot)]
    return "\n".join(parts)


def _compared(config: Config, source: Fitted, target: Fitted, taxonomy: Taxonomy, plot: Path | None) -> str:
    comparison = compare(source.distribution, target.distribution, seed=config.seed)
    line = verdict(comparison)
    rows: list[tuple[str, ...]] = [("", "same class", "depth alone", "others", "nearest in the target")]
    depth, nearest = np.diagonal(comparison.depth), comparison.nearest()
    for index, name in enumerate(taxonomy.names):
        found = "-" if nearest[index] < 0 else taxonomy.names[nearest[index]]
        figures = (comparison.same()[index], depth[index], comparison.different()[index])
        rows.append((name, *(_number(value, 3) for value in figures), found))
    if plot is not None:
        picture = comparison_picture(
            comparison, taxonomy, verdict=line, title=f"Source and target of {config.name}, class by class"
        )
        _save(plot.with_name(f"{plot.stem}-comparison.png"), picture)
    return f"{aligned(rows)}\n\n{line}"


def table(fitted: Fitted, taxonomy: Taxonomy) -> str:
    """A line a class: pixels on the feature grid, their share, mean and median depth in metres."""
    pixels, mean_m, median_m = fitted.depths.pixels, fitted.depths.mean_m(), fitted.depths.median_m()
    rows: list[tuple[str, ...]] = [("", "pixels", "share", "mean m", "median m")]
    for index, name in enumerate(taxonomy.names):
        share = f"{100 * pixels[index] / max(1, pixels.sum()):.2f} %"
        rows.append((name, f"{pixels[index]:,}", share, _number(mean_m[index]), _number(median_m[index])))
    return aligned(rows)


def _number(value: float, digits: int = 1) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def _fitted(config: Config, dataset: Dataset, cache: Path, what: str, rule: ResizeRule) -> Fitted:
    """The mixtures of a set on the views of the configuration's training; rule: of whole pictures."""
    augment, settings = config.augment, config.mixtures
    take = (
        WholePictures(rule)
        if augment is None
        else RandomViews(augment.crop, augment.scale, augment.flip, augment.colour)
    )
    batches = Batches(
        dataset, size=config.training.batch, seed=config.seed, take=take,
        canonical_focal_px=config.input.canonical_focal_px,
    )  # fmt: skip
    with torch.device("meta"):
        network = build_network(len(dataset.taxonomy), config.network.backbone, (), False)
    width, height = config.crop
    return fit_set(
        cache, batches, network.grid(height, width), num_classes=len(dataset.taxonomy),
        components=settings.components, per_class=settings.per_class, pictures=settings.pictures,
        seed=config.seed, scale=settings.scale, variance_floor=settings.variance_floor, what=what,
    )  # fmt: skip


def _save(path: Path, picture: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1].tobytes())
    write_err(str(path))
