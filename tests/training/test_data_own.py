"""A user's own set: ids, several ids of a class, colours, splits, depth units, and each way to get it wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from depdis_deploy.command import InputError
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_7, CITYSCAPES_16
from depdis_training.data import Sample, open_dataset
from depdis_training.data_settings import Data
from depdis_training.experiment_data import open_data, taxonomy_of

ROOT = Path(__file__).parents[2]
SHAPE = (6, 8)
IDS = {
    "names": ["Road", "Tree", "Sky"],
    "ids": [7, [3, 300], 9],
    "ignore": [0, 255],
    "depth": {"metres_per_unit": 0.5, "invalid": 1, "sky": 4000},
    "focal_px": 30.5,
    "maps_to": {"cityscapes-16": {"Road": "road", "Tree": "vegetation", "Sky": "sky"}},
}
COLOURS = {
    "names": ["Road", "Tree"],
    "palette": [[100, 60, 100], [0, 199, 0]],
    "ignore": [[0, 0, 0]],
    "maps_to": {"cityscapes-7": {"Road": "flat"}},
}


def write(path: Path, values: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values[..., ::-1] if values.ndim == 3 else values)


def own(
    root: Path, description: dict[str, Any], labels: NDArray[Any], place: str = "", name: str = "a"
) -> Path:
    write(root / "images" / place / f"{name}.png", np.full((*SHAPE, 3), 90, np.uint8))
    write(root / "labels" / place / f"{name}.png", labels)
    (root / "taxonomy.yaml").write_text(yaml.safe_dump(description))
    return root


def ids(value: int = 7, dtype: type = np.uint16) -> NDArray[Any]:
    values = np.full(SHAPE, value, dtype)
    values[0] = 9
    values[1] = 3
    values[2] = 0
    return values


def first(root: Path, taxonomy: Any = None, split: str = "train") -> Sample:
    return open_dataset("own", root, split, taxonomy)[0]


def test_ids_depth_and_focal_length(tmp_path: Path) -> None:
    labels = ids()
    labels[3] = 300
    depth = np.full(SHAPE, 20, np.uint16)
    depth[0], depth[1] = 4000, 1
    write(own(tmp_path, IDS, labels) / "depth" / "a.png", depth)
    sample = first(tmp_path)
    assert sample.labels is not None
    assert sample.labels[:, 0].tolist() == [2, 1, 255, 1, 0, 0]
    assert sample.depth_m is not None
    assert sample.depth_m[:, 0].tolist() == [np.float32(655.35), 0, 10, 10, 10, 10]
    assert sample.focal_px == 30.5
    sixteen = first(tmp_path, CITYSCAPES_16).labels
    assert sixteen is not None
    assert [int(value) for value in sixteen[:, 0]] == [9, 8, 255, 8, 0, 0]
    # through the 16 classes
    for taxonomy, expected in ((CITYSCAPES_7, [4, 3, 255, 3, 0, 0]), (CAMVID_11, [0, 5, 255, 5, 3, 3])):
        coarser = first(tmp_path, taxonomy).labels
        assert coarser is not None
        assert coarser[:, 0].tolist() == expected


def test_colours(tmp_path: Path) -> None:
    labels = np.zeros((*SHAPE, 3), np.uint8)
    labels[1:3], labels[3:] = (100, 60, 100), (0, 199, 0)
    root = own(tmp_path, COLOURS, labels)
    assert first(root).labels[:, 0].tolist() == [255, 0, 0, 1, 1, 1]  # type: ignore[index]
    assert first(root, CITYSCAPES_7).labels[:, 0].tolist() == [255, 0, 0, 255, 255, 255]  # type: ignore[index]
    assert first(root).depth_m is None


def test_palette_pictures_are_read_by_index_and_bare_names_by_position(tmp_path: Path) -> None:
    root = own(tmp_path, {"names": ["road", "sky"]}, ids())
    values = np.ones(SHAPE, np.uint8)
    values[0] = 0
    picture = Image.fromarray(values)
    picture.putpalette([9, 9, 9, 8, 8, 8])
    picture.save(root / "labels" / "a.png")
    assert first(root).labels[:, 0].tolist() == [0, 1, 1, 1, 1, 1]  # type: ignore[index]
    assert first(root, CITYSCAPES_16).labels[:, 0].tolist() == [0, 9, 9, 9, 9, 9]  # type: ignore[index]
    assert len(set(open_dataset("own", root, "val", None).taxonomy.palette)) == 2


def test_splits_folders_and_cameras(tmp_path: Path) -> None:
    for place, name in (("train/drive1", "1"), ("train/drive2", "1"), ("val", "2")):
        own(tmp_path, IDS, ids(), place, name)
    write(tmp_path / "images" / "test" / "3.png", np.zeros((*SHAPE, 3), np.uint8))
    cameras = {"drive1/1": 11.0, "drive2/1": 12.0, "2": 13.0, "3": 14.0}
    (tmp_path / "cameras.json").write_text(json.dumps({key: {"focal_px": f} for key, f in cameras.items()}))
    train = open_dataset("own", tmp_path, "train", None)
    assert list(train.names) == ["drive1_1", "drive2_1"]
    assert [train[index].focal_px for index in range(2)] == [11.0, 12.0]
    assert first(tmp_path, None, "val").focal_px == 13.0
    assert first(tmp_path, None, "test").labels is None
    (tmp_path / "labels" / "train" / "drive1" / "1.png").unlink()
    with pytest.raises(InputError, match=r"labels/train: 1 file missing: .*drive1/1\.png"):
        first(tmp_path)


def test_the_whole_of_a_divided_set_has_names_of_its_own(tmp_path: Path) -> None:
    for place in ("train", "val"):
        own(tmp_path, IDS, ids(), place)
    assert list(open_dataset("own", tmp_path, "all", None).names) == ["train_a", "val_a"]
    with pytest.raises(InputError, match=r"no folder images/test; its splits are train, val"):
        first(tmp_path, None, "test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": [7, 3]}, "3 names need as many ids, got 2"),
        ({"ids": [7, [3, 7], 9]}, "id 7 is of both Road and Tree"),
        ({"ids": [7, 255, 9]}, "id 255 is of both ignore and Tree"),
        ({"ids": [7, -3, 9]}, "ids are 0 to 65535, got -3"),
        ({"names": ["Road", "Road", "Sky"]}, "class names must differ"),
        ({"nmaes": []}, "unknown key nmaes; known are names, ids"),
        ({"depth": {"metres_per_unit": 0}}, "depth.metres_per_unit: Input should be greater than 0, got 0"),
        ({"depth": {}}, "depth.metres_per_unit: Field required"),
        ({"focal_px": "wide"}, "focal_px: .*got 'wide'"),
        ({"palette": [[1, 2, 300]] * 3}, "colours are"),
        ({"maps_to": {"ade": {}}}, "maps_to knows cityscapes-16, cityscapes-7, camvid-11, got ade"),
        ({"maps_to": {"cityscapes-7": {"Road": "street"}}}, "maps_to.cityscapes-7: no class named 'street'"),
        ({"maps_to": {"cityscapes-7": {"Bus": "vehicle"}}}, "maps_to.cityscapes-7: no class named 'Bus'"),
    ],
)
def test_wrong_descriptions(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    root = own(tmp_path, {**IDS, **change}, ids())
    with pytest.raises(InputError, match=message) as caught:
        first(root)
    assert str(root / "taxonomy.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_description_or_no_yaml(tmp_path: Path) -> None:
    root = own(tmp_path, IDS, ids())
    (root / "taxonomy.yaml").write_text("names: [a, b")
    with pytest.raises(InputError, match="not YAML"):
        first(root)
    (root / "taxonomy.yaml").write_text("")
    with pytest.raises(InputError, match=r"taxonomy\.yaml: the file: Input should be"):
        first(root)
    (root / "taxonomy.yaml").unlink()
    with pytest.raises(InputError, match=r"for pictures alone use layout frames"):
        first(root)
    with pytest.raises(InputError, match="no folder images, which a user's own set has"):
        first(root / "images")


@pytest.mark.parametrize(
    ("folder", "values", "message"),
    [
        ("labels", ids(44), "label id 44 at column 0, row 3 is out of range"),
        (
            "labels",
            np.full((*SHAPE, 3), (7, 3, 9), np.uint8),
            "labels are colours, but no palette is known; give it in taxonomy.yaml",
        ),
        ("labels", np.full((3, 8), 7, np.uint8), "sizes differ: picture 8x6, labels 8x3, depth 8x6"),
        ("depth", np.full(SHAPE, 7, np.uint8), "16 bits as taxonomy.yaml says, this file has 1 of 8 bits"),
        ("depth", np.ones(SHAPE, np.uint16), "every depth is 0 or invalid"),
        ("depth", np.zeros(SHAPE, np.uint16), "every depth is 0 or invalid"),
    ],
)
def test_wrong_contents_name_the_file(tmp_path: Path, folder: str, values: NDArray[Any], message: str) -> None:
    root = own(tmp_path, IDS, ids())
    write(root / "depth" / "a.png", np.full(SHAPE, 7, np.uint16))
    write(root / folder / "a.png", values)
    with pytest.raises(InputError, match=message):
        first(root)


def test_a_colour_that_is_no_class_is_named(tmp_path: Path) -> None:
    labels = np.zeros((*SHAPE, 3), np.uint8)
    labels[4, 5] = (1, 2, 3)
    with pytest.raises(InputError, match=r"colour \[1, 2, 3\] at column 5, row 4 is out of range"):
        first(own(tmp_path, COLOURS, labels))


def test_depth_without_a_unit_and_classes_without_a_place(tmp_path: Path) -> None:
    root = own(tmp_path, COLOURS, np.zeros((*SHAPE, 3), np.uint8))
    with pytest.raises(InputError, match="says of no class what it is among road, sidewalk"):
        first(root, CITYSCAPES_16)
    write(root / "depth" / "a.png", np.full(SHAPE, 7, np.uint16))
    with pytest.raises(InputError, match="says nothing of the unit of the folder depth"):
        first(root)
    with pytest.raises(InputError, match="only layout own has taxonomy own"):
        open_dataset("synthia", root, "train", None)


def test_a_configuration_may_take_the_sets_own_classes(tmp_path: Path) -> None:
    root = own(tmp_path, IDS, ids())
    data = Data(layout="own", root=str(root), taxonomy="own")
    assert taxonomy_of(data).names == ("Road", "Tree", "Sky")
    assert open_data(data, "source", "--source", tmp_path).taxonomy == taxonomy_of(data)
    assert taxonomy_of(Data(layout="synthia")) is CITYSCAPES_16
    with pytest.raises(InputError, match="taxonomy own is read from a set's root"):
        taxonomy_of(Data(layout="own", taxonomy="own"))


def test_the_documented_example_reads_virtual_kitti(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    example = next(block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if "GuardRail" in block)
    labels = np.zeros((*SHAPE, 3), np.uint8)
    labels[0], labels[1], labels[2] = (90, 200, 255), (100, 60, 100), (0, 139, 139)
    root = own(tmp_path, {}, labels)
    (root / "taxonomy.yaml").write_text(example, encoding="utf-8")
    depth = np.full(SHAPE, 1234, np.uint16)
    depth[0] = 65535
    write(root / "depth" / "a.png", depth)
    sample = first(root, CITYSCAPES_16)
    assert sample.labels is not None
    assert sample.labels[:3, 0].tolist() == [CITYSCAPES_16.index(name) for name in ("sky", "road", "car")]
    assert (sample.labels[3:] == 255).all()
    assert sample.depth_m is not None
    np.testing.assert_allclose(sample.depth_m[:, 0], [655.35, 12.34, 12.34, 12.34, 12.34, 12.34])
    assert len(first(root).labels[0]) == SHAPE[1]  # type: ignore[index]
