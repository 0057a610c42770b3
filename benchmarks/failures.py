"""Where the bundled model fails: the pictures of docs/model_card.md.

    python benchmarks/failures.py --camvid CAMVID --streets WORK [--model model.onnx] [--out docs]

Draws the worst pictures of CamVid's validation set, each in its worst of three parts, so that it is not one
street three times: prediction and error map alone, since its photographs are not ours to show. Of generated
streets that were not trained on, the picture too. What is wrong is red, what has no label dark.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from bundled_model import STREETS
from numpy.typing import NDArray

from depdis_deploy.colours import label_colours
from depdis_deploy.files import written_whole
from depdis_deploy.legends import class_legend, draw, title
from depdis_deploy.predictor import BUNDLED_MODEL
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_16
from depdis_training.data import open_dataset
from depdis_training.data.samples import Dataset
from depdis_training.evaluation import confusion, mean_iou
from depdis_training.gallery import error_picture
from depdis_training.label_figures import class_view
from depdis_training.models import Model, exported_model

WIDTH, ROWS = 400, 3


def worst(model: Model, dataset: Dataset) -> list[int]:
    """Of each third of a set, in its order, the picture with the least mIoU over its classes."""
    table, classes = class_view(CITYSCAPES_16, dataset.taxonomy), len(dataset.taxonomy)
    found = []
    for part in np.array_split(np.arange(len(dataset)), ROWS):
        scores = {}
        for index in part.tolist():
            sample = dataset[index]
            assert sample.labels is not None
            scores[index] = mean_iou(confusion(table[model(sample.image).labels], sample.labels, classes))
        found.append(min(scores, key=lambda index: scores[index]))
    return found


def drawn(model: Model, dataset: Dataset, *, photo: bool) -> NDArray[np.uint8]:
    """A row for each of the worst pictures, and the classes' colours below."""
    table, taxonomy = class_view(CITYSCAPES_16, dataset.taxonomy), dataset.taxonomy
    rows = []
    present: set[int] = set()
    for index in worst(model, dataset):
        sample = dataset[index]
        assert sample.labels is not None
        labels = table[model(sample.image).labels]
        present |= set(np.unique(labels).tolist())
        ground = sample.image if photo else np.full_like(sample.image, 128)
        tiles = [("Picture", sample.image)] if photo else []
        tiles += [
            ("Prediction", label_colours(labels, taxonomy.palette)),
            ("Error", error_picture(ground, labels, sample.labels)),
        ]
        rows.append(np.concatenate([_tile(name, image) for name, image in tiles], axis=1))
    sheet = np.concatenate(rows)
    legend = class_legend(taxonomy, tuple(sorted(present)), sheet.shape[1], sheet.shape[1] // 2)
    if legend is None:
        return sheet
    strip = np.full((legend.adds.shape[0], sheet.shape[1], 3), 24, np.uint8)
    draw(strip, legend, bottom=True)
    return np.concatenate([sheet, strip])


def _tile(name: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (WIDTH, round(WIDTH * image.shape[0] / image.shape[1]))
    kind = cv2.INTER_AREA if name == "Picture" else cv2.INTER_NEAREST_EXACT
    tile = np.asarray(cv2.resize(image, size, interpolation=kind), np.uint8)
    draw(tile, title(name, 2 * tile.shape[1], 2 * tile.shape[0]), bottom=False)
    return tile


def main() -> None:
    """Parse, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--camvid", type=Path, required=True)
    parser.add_argument(
        "--streets", type=Path, required=True, help="what bundled_model.py drew its streets under"
    )
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs")
    given = parser.parse_args()
    model, _ = exported_model(given.model)
    layout, split, pictures, seed, _ = STREETS["random"]
    sets = {
        "camvid": (open_dataset("camvid", given.camvid, "val", CAMVID_11), False),
        "streets": (
            open_dataset(layout, given.streets / f"random-{pictures}-s{seed}", split, CITYSCAPES_16), True,
        ),
    }  # fmt: skip
    for name, (dataset, photo) in sets.items():
        picture = drawn(model, dataset, photo=photo)
        with written_whole(given.out / f"failures_{name}.jpg") as temporary:
            cv2.imwrite(
                str(temporary), np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88]
            )


if __name__ == "__main__":
    main()
