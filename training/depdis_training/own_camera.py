"""What comes of an adaptation to one's own camera: one of two networks, a picture sheet, an exported model."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.colours import label_colours
from depdis_deploy.command import InputError
from depdis_deploy.install_hint import MissingPackageError, require
from depdis_deploy.legends import class_legend, draw, title
from depdis_deploy.manifest import Manifest
from depdis_deploy.parent_process import child_command, parent_pipe
from depdis_deploy.pictures import write_labels, write_rgb
from depdis_deploy.taxonomy import Taxonomy

from .data.part import Part
from .data.samples import Dataset
from .models import torch_model
from .network import Network
from .run_folder import write_json
from .speech import say
from .verdict import judged

MODEL, SHEET, VERDICT = "model.onnx", "before_after.png", "verdict.json"
SHEET_PICTURES, TILE_WIDTH = 6, 480
_GROUND = (24, 26, 30)


def decided(
    folder: Path, start: Network, result: Network, held_out: tuple[Part, Part], manifest: Manifest, *,
    pictures: int,
) -> Network:  # fmt: skip
    """Start or result, whichever the verdict is for; `verdict.json` and `before_after.png` in a folder.

    held_out: labelled pictures of the source and pictures of the target that were not trained on; at most
    `pictures` of each are compared. The networks are on one device.
    """
    source, target = held_out
    say("verdict: comparing start and result on pictures kept from the training")
    verdict = judged(start, result, source, target, manifest, pictures=pictures)
    write_sheet(folder / SHEET, target, start, result, manifest)
    write_json(folder / VERDICT, verdict.plain())
    if verdict.keep:
        say(f"verdict: the result is delivered ({verdict.reason})")
    else:
        say(f"verdict: the start is delivered as it was, for the result is no better ({verdict.reason})")
    say(f"before and after: {folder / SHEET}")
    return result if verdict.keep else start


def write_sheet(path: Path, pictures: Dataset, start: Network, result: Network, manifest: Manifest) -> None:
    """Some pictures of the target, each beside the classes that start and result see in it, and a legend.

    The same, each in a file of its own, in a folder beside the sheet: `0_picture.png`, `0_start.png` and
    `0_result.png` (labels in the palette), `1_...`.
    """
    models = [torch_model(network, manifest, next(network.parameters()).device) for network in (start, result)]
    chosen = np.unique(np.linspace(0, len(pictures) - 1, SHEET_PICTURES).round().astype(int))
    rows = []
    for index in chosen:
        image = pictures[int(index)].image
        before, after = (model(image).labels for model in models)
        rows.append((image, before, after))
    write_rgb(path, before_after(rows, manifest.taxonomy))
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    for number, (image, *labels) in enumerate(rows):
        write_rgb(folder / f"{number}_picture.png", image)
        for name, seen in zip(("start", "result"), labels, strict=True):
            write_labels(folder / f"{number}_{name}.png", seen, manifest.taxonomy)


def before_after(
    rows: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]], taxonomy: Taxonomy
) -> NDArray[np.uint8]:
    """Rows of picture (H, W, 3) uint8 RGB, start's and result's labels (H, W) uint8 as titled tiles."""
    sheet = np.concatenate([_row(row, taxonomy) for row in rows])
    width = sheet.shape[1]
    seen = set().union(*(np.unique(labels).tolist() for row in rows for labels in row[1:]))
    legend = class_legend(
        taxonomy, tuple(index for index in range(len(taxonomy)) if index in seen), width, width // 3
    )
    if legend is None:
        return sheet
    strip = np.full((legend.adds.shape[0], width, 3), _GROUND, np.uint8)
    draw(strip, legend, bottom=True)
    return np.concatenate([sheet, strip])


def _row(
    row: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]], taxonomy: Taxonomy
) -> NDArray[np.uint8]:
    image, *labels = row
    height = max(1, round(TILE_WIDTH * image.shape[0] / image.shape[1]))
    tiles = [np.asarray(cv2.resize(image, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)]
    for seen in labels:
        shown = cv2.resize(seen, (TILE_WIDTH, height), interpolation=cv2.INTER_NEAREST_EXACT)
        tiles.append(label_colours(np.asarray(shown, np.uint8), taxonomy.palette))
    for tile, name in zip(tiles, ("Picture", "Start", "Result"), strict=True):
        draw(tile, title(name, 2 * TILE_WIDTH, 2 * height), bottom=False)
    return np.concatenate(tiles, axis=1)


def export_model(folder: Path, weights: Path) -> None:
    """`model.onnx` of the delivered weights, by depdis-export in a process of its own; done once.

    InputError where the export is not installed or fails.
    """
    model = folder / MODEL
    if model.exists():
        return
    try:
        require("exporting the adapted weights", "export", engine=True)
    except MissingPackageError as error:
        raise InputError(
            f"the adapted weights are in {weights}; to export them, give the same command again once this is "
            f"fixed: {error}"
        ) from None
    words = [str(weights), "-o", str(model), "--dynamic", "--half-weights"]
    exporting = child_command("depdis_export.cli", words)
    done = subprocess.run(exporting, stdin=parent_pipe(), capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise InputError(f"the adapted weights are in {weights}; their export failed: {said[-1]}")
    say(f"model: {model}; try it with: depdis-infer PICTURES --model {model}")
