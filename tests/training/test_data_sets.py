"""Readers on tiny sets written here by hand, file by file, in the formats that the real sets have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from depdis_deploy.command import InputError
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_7, CITYSCAPES_16, Taxonomy
from depdis_training.data import open_dataset
from depdis_training.data.label_maps import class_names, label_table, written_ids

HEIGHT, WIDTH = 6, 8


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> NDArray[np.uint8]:
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return values


def grey(path: Path, values: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values)


def synthia(root: Path, ids: NDArray[Any], *, parsed: bool = False, nested: bool = False) -> NDArray[np.uint8]:
    """One picture; depth is row * 1 m + 0.07 m, the first row sky."""
    image = picture(root / "RGB" / "0000000.png")
    if parsed:
        grey(root / "parsed_LABELS" / "0000000.png", ids.astype(np.uint8))
    else:
        blue_green_red = np.zeros((*ids.shape, 3), np.uint16)
        blue_green_red[..., 2] = ids
        blue_green_red[..., 1] = 777  # an instance number
        grey(root / "GT" / "LABELS" / "0000000.png", blue_green_red)
    depth = np.repeat(np.arange(HEIGHT)[:, None] * 100 + 7, WIDTH, 1).astype(np.uint16)
    depth[0] = 65535
    grey(root / "Depth" / ("Depth" if nested else "") / "0000000.png", depth)
    return image


@pytest.fixture
def ids() -> NDArray[np.int64]:
    return np.random.default_rng(1).integers(0, 23, (HEIGHT, WIDTH))


@pytest.mark.parametrize("parsed", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_synthia_reads_both_label_folders_and_both_depth_folders(
    tmp_path: Path, ids: NDArray[np.int64], parsed: bool, nested: bool
) -> None:
    image = synthia(tmp_path, ids, parsed=parsed, nested=nested)
    dataset = open_dataset("synthia", tmp_path, "train", CITYSCAPES_16)
    sample = dataset[0]
    # From the published figures: 3 road, 4 sidewalk, 2 building, 21 wall, 5 fence, 7 pole, 15 light, ...
    to_16 = {
        3: 0,
        4: 1,
        2: 2,
        21: 3,
        5: 4,
        7: 5,
        15: 6,
        9: 7,
        6: 8,
        1: 9,
        10: 10,
        17: 11,
        8: 12,
        19: 13,
        12: 14,
        11: 15,
    }
    expected = np.array([[to_16.get(int(value), 255) for value in row] for row in ids], np.uint8)
    assert dataset.names == ["0000000"]
    assert np.array_equal(sample.image, image)
    assert sample.labels is not None
    assert np.array_equal(sample.labels, expected)
    assert sample.depth_m is not None
    assert sample.depth_m.dtype == np.float32
    assert (sample.depth_m[0] == np.float32(655.35)).all()
    np.testing.assert_allclose(sample.depth_m[1:, 0], np.arange(1, HEIGHT) + 0.07, rtol=1e-6)
    assert sample.focal_px is None


def test_synthia_in_seven_classes_ignores_what_the_protocol_ignores(
    tmp_path: Path, ids: NDArray[np.int64]
) -> None:
    synthia(tmp_path, ids)
    labels = open_dataset("synthia", tmp_path, "all", CITYSCAPES_7)[0].labels
    assert labels is not None
    for group, members in enumerate([(3, 4, 22), (2, 5), (7, 9, 15), (6,), (1,), (10,), (8, 11)]):
        assert np.array_equal(labels == group, np.isin(ids, members))


def test_synthia_gives_the_focal_length_of_a_generated_set(tmp_path: Path, ids: NDArray[np.int64]) -> None:
    synthia(tmp_path, ids)
    (tmp_path / "cameras.json").write_text(json.dumps({"0000000": {"focal_px": 123.5}}))
    assert open_dataset("synthia", tmp_path, "train", CITYSCAPES_16)[0].focal_px == 123.5
    (tmp_path / "cameras.json").write_text(json.dumps({"0000001": {"focal_px": 123.5}}))
    with pytest.raises(InputError, match=r"cameras\.json: no focal_px for '0000000'"):
        open_dataset("synthia", tmp_path, "train", CITYSCAPES_16)


def test_synthia_in_camvids_classes_goes_through_the_sixteen(tmp_path: Path, ids: NDArray[np.int64]) -> None:
    synthia(tmp_path, ids)
    labels = open_dataset("synthia", tmp_path, "train", CAMVID_11)[0].labels
    assert labels is not None
    assert np.array_equal(labels == CAMVID_11.index("bicyclist"), np.isin(ids, (11, 12, 17)))
    assert np.array_equal(labels == CAMVID_11.index("building"), np.isin(ids, (2, 21)))


def cityscapes(root: Path, split: str, ids: NDArray[Any], disparity: NDArray[np.uint16]) -> NDArray[np.uint8]:
    place = f"{split}/ulm/ulm_000003_000019"
    grey(root / f"gtFine/{place}_gtFine_labelIds.png", ids.astype(np.uint8))
    grey(root / f"disparity/{place}_disparity.png", disparity)
    camera = root / f"camera/{place}_camera.json"
    camera.parent.mkdir(parents=True)
    camera.write_text(json.dumps({"extrinsic": {"baseline": 0.2093}, "intrinsic": {"fx": 2262.5}}))
    return picture(root / f"leftImg8bit/{place}_leftImg8bit.png")


def test_cityscapes_labels_and_depth(tmp_path: Path) -> None:
    ids = np.random.default_rng(2).integers(0, 34, (HEIGHT, WIDTH))
    disparity = np.full((HEIGHT, WIDTH), 256 * 40 + 1, np.uint16)
    disparity[0] = 0
    disparity[1] = 1
    image = cityscapes(tmp_path, "val", ids, disparity)
    dataset = open_dataset("cityscapes", tmp_path, "val", CITYSCAPES_16)
    sample = dataset[0]
    trained = {
        7: 0,
        8: 1,
        11: 2,
        12: 3,
        13: 4,
        17: 5,
        19: 6,
        20: 7,
        21: 8,
        23: 9,
        24: 10,
        25: 11,
        26: 12,
        28: 13,
        32: 14,
        33: 15,
    }
    assert dataset.names == ["ulm_000003_000019"]
    assert np.array_equal(sample.image, image)
    assert sample.labels is not None
    assert sample.labels.tolist() == [[trained.get(int(value), 255) for value in row] for row in ids]
    assert sample.depth_m is not None
    assert (sample.depth_m[:2] == 0).all()
    np.testing.assert_allclose(sample.depth_m[2:], 0.2093 * 2262.5 / 40, rtol=1e-6)
    assert sample.focal_px == 2262.5
    labels_7 = open_dataset("cityscapes", tmp_path, "val", CITYSCAPES_7)[0].labels
    assert labels_7 is not None
    assert np.array_equal(labels_7 == CITYSCAPES_7.index("nature"), np.isin(ids, (21, 22)))


def test_cityscapes_training_labels_are_never_read(tmp_path: Path) -> None:
    cityscapes(tmp_path, "train", np.zeros((HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH), np.uint16))
    for kind in ("gtFine", "disparity"):
        for path in (tmp_path / kind).rglob("*.png"):
            path.write_bytes(b"whoever reads this fails")
    sample = open_dataset("cityscapes", tmp_path, "train", CITYSCAPES_16)[0]
    assert sample.labels is None
    assert sample.depth_m is None
    assert sample.focal_px == 2262.5


@pytest.mark.parametrize(
    ("version", "training"), [("v1.2", "training"), ("v1.2", "train"), ("v2.0", "training")]
)
def test_mapillary_finds_classes_by_readable_name(tmp_path: Path, version: str, training: str) -> None:
    config = "config.json" if version == "v1.2" else "config_v2.0.json"
    readable = ["Sky", "Road", "Terrain", "Bicyclist", "Unlabeled"]
    (tmp_path / config).write_text(json.dumps({"labels": [{"readable": name} for name in readable]}))
    picture(tmp_path / training / "images" / "a.jpg", 1)
    picture(tmp_path / "validation" / "images" / "b.jpg", 2)
    label_file = tmp_path / "validation" / ("labels" if version == "v1.2" else "v2.0/labels") / "b.png"
    label_file.parent.mkdir(parents=True)
    values = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) % 5
    indexed = Image.fromarray(values).convert("P")
    indexed.putpalette(bytes(range(256)) * 3)
    indexed.save(label_file)
    layout = f"mapillary-{version}"
    train = open_dataset(layout, tmp_path, "train", CITYSCAPES_7)
    assert train.names == ["a"]
    assert train[0].labels is None
    val = open_dataset(layout, tmp_path, "val", CITYSCAPES_7)[0]
    assert val.labels is not None
    assert np.array_equal(val.labels, np.array([4, 0, 0, 5, 255], np.uint8)[values])
    val_16 = open_dataset(layout, tmp_path, "val", CITYSCAPES_16)[0]
    assert val_16.labels is not None
    assert np.array_equal(val_16.labels, np.array([9, 0, 255, 11, 255], np.uint8)[values])


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_camvid(tmp_path: Path, suffix: str) -> None:
    picture(tmp_path / "val" / f"x{suffix}")
    values = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 12
    grey(tmp_path / "valannot" / "x.png", values.astype(np.uint8))
    picture(tmp_path / "train" / "y.png")
    sample = open_dataset("camvid", tmp_path, "val", CAMVID_11)[0]
    assert sample.labels is not None
    assert np.array_equal(sample.labels, np.where(values == 11, 255, values))
    assert open_dataset("camvid", tmp_path, "train", CAMVID_11)[0].labels is None


@pytest.mark.parametrize("layout", ["synthia", "cityscapes", "mapillary-v1.2", "mapillary-v2.0"])
def test_written_ids_read_back_as_the_sixteen(layout: str) -> None:
    indices = np.arange(16, dtype=np.uint8)
    assert np.array_equal(label_table(layout, CITYSCAPES_16).table[written_ids(layout)[indices]], indices)


@pytest.mark.parametrize(
    ("layout", "classes"), [("cityscapes", 34), ("mapillary-v1.2", 66), ("mapillary-v2.0", 124)]
)
def test_class_lists_have_the_real_sets_lengths(layout: str, classes: int) -> None:
    names = class_names(layout)
    assert len(names) == len(set(names)) == classes


def test_a_taxonomy_that_a_set_does_not_have(tmp_path: Path) -> None:
    own = Taxonomy(("cat", "dog"), ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(ValueError, match="camvid can be read in the classes of camvid-11, not in cat, dog"):
        label_table("camvid", own)
    with pytest.raises(InputError, match="no data set layout 'kitti'; there are synthia, cityscapes"):
        open_dataset("kitti", tmp_path, "train", CITYSCAPES_16)
