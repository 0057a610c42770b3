"""Which files of a folder belong to a set: side files, equal names, suffixes in upper case, encodings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depdis_deploy.command import InputError
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_16
from depdis_training.config import load_config
from depdis_training.data import FileDataset, open_dataset
from depdis_training.data.check import check
from depdis_training.experiment_data import open_experiment

SHAPE = (6, 8)


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SHAPE, 3), 90, np.uint8)).save(path)


def values(path: Path, value: int, dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(SHAPE, value, dtype)).save(path, "PNG")


def read_all(dataset: FileDataset) -> list[int]:
    """The label of each image's first pixel."""
    samples = [dataset[index] for index in range(len(dataset))]
    return [int(sample.labels[0, 0]) for sample in samples if sample.labels is not None]


def mapillary(root: Path) -> None:
    image(root / "validation/images/a.jpg")
    image(root / "validation/images/b.JPG")
    values(root / "validation/labels/a.png", 1)
    values(root / "validation/labels/b.PNG", 0)
    (root / "config.json").write_text(json.dumps({"labels": [{"readable": "Sky"}, {"readable": "Road"}]}))


def test_side_files_next_to_images_and_labels_are_left_out(tmp_path: Path) -> None:
    mapillary(tmp_path)
    for folder in ("images", "labels"):
        for name in (".DS_Store", "Thumbs.db", "._a.jpg", "._a.png", "a.txt", "a.json", "a", "desktop.ini"):
            (tmp_path / "validation" / folder / name).write_bytes(b"\0no image")
    dataset = open_dataset("mapillary-v1.2", tmp_path, "val", CITYSCAPES_16)
    assert list(dataset.names) == ["a", "b"]
    assert read_all(dataset) == [0, 9]
    assert check(tmp_path, workers=1, quiet=True).faults == []


def test_upper_case_suffixes_are_read_in_every_layout(tmp_path: Path) -> None:
    root = tmp_path / "cityscapes"
    image(root / "leftImg8bit/val/ulm/x_leftImg8bit.PNG")
    values(root / "gtFine/val/ulm/x_gtFine_labelIds.PNG", 7)
    values(root / "disparity/val/ulm/x_disparity.PNG", 500, np.uint16)
    camera = {"intrinsic": {"fx": 9.0}, "extrinsic": {"baseline": 0.2}}
    (root / "camera/val/ulm").mkdir(parents=True)
    (root / "camera/val/ulm/x_camera.JSON").write_text(json.dumps(camera))
    assert read_all(open_dataset("cityscapes", root, "val", CITYSCAPES_16)) == [0]
    root = tmp_path / "synthia"
    image(root / "RGB/0.PNG")
    values(root / "parsed_LABELS/0.PNG", 3)
    values(root / "Depth/0.PNG", 900, np.uint16)
    assert read_all(open_dataset("synthia", root, "train", CITYSCAPES_16)) == [0]
    root = tmp_path / "own"
    image(root / "images/drive/0.JPG")
    values(root / "labels/drive/0.PNG", 1)
    values(root / "depth/drive/0.PNG", 900, np.uint16)
    (root / "taxonomy.yaml").write_text("names: [a, b]\ndepth: {metres_per_unit: 0.01}\n")
    assert read_all(open_dataset("own", root, "train", None)) == [1]
    root = tmp_path / "camvid"
    image(root / "val/x.PNG")
    values(root / "valannot/x.PNG", 3)
    assert read_all(open_dataset("camvid", root, "val", CAMVID_11)) == [3]
    for name in ("cityscapes", "synthia", "own", "camvid"):
        assert check(tmp_path / name, workers=1, quiet=True).faults == []


@pytest.mark.parametrize(
    ("first", "second"),
    [("val/a.jpg", "val/a.png"), ("val/a.png", "val/a.PNG"), ("valannot/a.png", "valannot/a.PNG")],
)
def test_rejects_two_files_of_one_image(tmp_path: Path, first: str, second: str) -> None:
    image(tmp_path / "val/a.png")
    values(tmp_path / "valannot/a.png", 3)
    for name in (first, second):
        image(tmp_path / name)
    with pytest.raises(InputError, match=r"a\.(jpg|PNG|png) and a\.(png|PNG): two (images|files) of one"):
        open_dataset("camvid", tmp_path, "val", CAMVID_11)
    assert len(check(tmp_path, workers=1, quiet=True).faults) == 1


def test_labels_of_another_format_are_named(tmp_path: Path) -> None:
    image(tmp_path / "val/a.png")
    image(tmp_path / "valannot/a.jpg")
    with pytest.raises(
        InputError, match=r"1 file missing: .*a\.png; expected a PNG, got a\.jpg: export it as PNG"
    ):
        open_dataset("camvid", tmp_path, "val", CAMVID_11)


def test_equal_names_of_a_camera_get_label_files_of_their_own(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "one/0.png", "two/0.png", "two/sheet.png"):
        image(tmp_path / name)
    (tmp_path / "list.txt").write_text("a.jpg\na.png\none/0.png\ntwo/0.png\ntwo/sheet.png\n", encoding="utf-16")
    frames = open_dataset("frames", tmp_path / "list.txt", "train", CITYSCAPES_16)
    assert list(frames.names) == ["a", "a-2", "0", "0-2", "sheet-2"]


def test_target_whose_names_collide_is_rejected_before_anything_is_trained(tmp_path: Path) -> None:
    for city in ("ulm", "bonn"):
        image(tmp_path / f"leftImg8bit/train/{city}/x_leftImg8bit.png")
    config = load_config("street")
    target = config.target.model_copy(update={"root": str(tmp_path), "layout": "cityscapes", "street": None})
    config = config.model_copy(update={"target": target})
    with pytest.raises(InputError, match="two images are named x, and label files are named after images"):
        open_experiment(config, tmp_path / "cache", uses_target=True)
    assert not (tmp_path / "cache").exists()


def test_reads_descriptions_with_byte_order_marks_and_windows_line_ends(tmp_path: Path) -> None:
    image(tmp_path / "images/a.png")
    values(tmp_path / "labels/a.png", 1)
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "taxonomy.yaml").write_bytes("names: [Straße, b]\r\nids: [1, 2]\r\n".encode(encoding))
        (tmp_path / "cameras.json").write_bytes(b'\xef\xbb\xbf{"a": {"focal_px": 700}}\r\n')
        dataset = open_dataset("own", tmp_path, "train", None)
        assert dataset.taxonomy.names == ("Straße", "b")
        assert dataset[0].focal_px == 700
