"""Sets with something wrong: one line that names the file and what to do."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depdis_deploy.command import InputError
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_16
from depdis_training.data import open_dataset

SHAPE = (6, 8)
COLOURS = np.full((*SHAPE, 3), (1, 2, 3), np.uint8)


def write(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values)


@pytest.fixture
def synthia(tmp_path: Path) -> Path:
    for name in ("0000000.png", "0000001.png"):
        write(tmp_path / "RGB" / name, np.full((*SHAPE, 3), 90, np.uint8))
        write(tmp_path / "parsed_LABELS" / name, np.full(SHAPE, 3, np.uint8))
        write(tmp_path / "Depth" / name, np.full(SHAPE, 500, np.uint16))
    return tmp_path


def open_synthia(root: Path) -> None:
    dataset = open_dataset("synthia", root, "train", CITYSCAPES_16)
    for index in range(len(dataset)):
        dataset[index]


def test_the_set_itself_is_read(synthia: Path) -> None:
    open_synthia(synthia)


def test_missing_root_and_wrong_root(synthia: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder; give the root of the SYNTHIA"):
        open_synthia(synthia / "nowhere")
    with pytest.raises(
        InputError, match="no folder RGB, which a SYNTHIA-RAND-CITYSCAPES set has; is this its root"
    ):
        open_synthia(synthia / "RGB")


def test_missing_folder_missing_file_and_no_files(synthia: Path) -> None:
    (synthia / "Depth" / "0000001.png").unlink()
    with pytest.raises(InputError, match=r"1 file missing: .*0000001\.png"):
        open_synthia(synthia)
    for path in (synthia / "RGB").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"RGB: holds no \.png files"):
        open_synthia(synthia)


def test_synthia_rand_is_recognised(synthia: Path) -> None:
    for path in (synthia / "Depth").iterdir():
        path.unlink()
    (synthia / "Depth").rmdir()
    (synthia / "RGB" / "0000000.png").rename(synthia / "RGB" / "ap_000_01-11-2015_19-20-57_000001_3_Rand_0.png")
    (synthia / "RGB" / "0000001.png").rename(synthia / "RGB" / "ap_000_01-11-2015_19-20-57_000001_3_Rand_1.png")
    with pytest.raises(
        InputError, match=r"this is SYNTHIA-RAND, which has no depth; .* SYNTHIA-RAND-CITYSCAPES"
    ):
        open_synthia(synthia)


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        (
            "parsed_LABELS",
            np.full(SHAPE, 23, np.uint8),
            "label id 23 at column 0, row 0 is out of range: this set's ids are 0 to 22",
        ),
        ("parsed_LABELS", np.full(SHAPE, 300, np.uint16), "label id 300 at column 0, row 0 is out of range"),
        ("parsed_LABELS", COLOURS, "labels are colours, but no palette is known"),
        ("parsed_LABELS", np.full((3, 8), 3, np.uint8), "sizes differ: picture 8x6, labels 8x3, depth 8x6"),
        (
            "Depth",
            np.full(SHAPE, 50, np.uint8),
            "one channel of 16 bits in centimetres, this file has 1 of 8 bits",
        ),
        ("Depth", np.full((*SHAPE, 3), 50, np.uint16), "this file has 3 of 16 bits"),
        ("Depth", np.zeros(SHAPE, np.uint16), "every depth is 0"),
    ],
)
def test_wrong_contents_name_the_file(synthia: Path, file: str, values: np.ndarray, message: str) -> None:
    write(synthia / file / "0000001.png", values)
    with pytest.raises(InputError, match=message) as caught:
        open_synthia(synthia)
    assert "0000001" in str(caught.value)


@pytest.mark.parametrize("folder", ["RGB", "parsed_LABELS", "Depth"])
@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_corrupt_files_are_named(synthia: Path, folder: str, damage: str) -> None:
    path = synthia / folder / "0000001.png"
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"not a picture"}[damage])
    with pytest.raises(InputError, match=rf"{folder}/0000001\.png: (corrupt or no PNG|the file is empty)"):
        open_synthia(synthia)


def test_sixteen_bit_labels_need_three_channels(synthia: Path) -> None:
    (synthia / "parsed_LABELS").rename(synthia / "LABELS")
    (synthia / "GT").mkdir()
    (synthia / "LABELS").rename(synthia / "GT" / "LABELS")
    with pytest.raises(InputError, match="labels in GT/LABELS have three channels"):
        open_synthia(synthia)


def test_cityscapes_without_labels_or_cameras(tmp_path: Path) -> None:
    place = "val/ulm/ulm_000000_000019"
    write(tmp_path / f"leftImg8bit/{place}_leftImg8bit.png", np.full((*SHAPE, 3), 90, np.uint8))
    with pytest.raises(InputError, match="no folder gtFine/val, which a Cityscapes set has"):
        open_dataset("cityscapes", tmp_path, "val", CITYSCAPES_16)
    write(tmp_path / f"gtFine/{place}_gtFine_labelIds.png", np.full(SHAPE, 40, np.uint8))
    with pytest.raises(InputError, match=r"label id 40 at .* is out of range: this set's ids are 0 to 33"):
        open_dataset("cityscapes", tmp_path, "val", CITYSCAPES_16)[0]
    write(tmp_path / f"disparity/{place}_disparity.png", np.zeros(SHAPE, np.uint16))
    with pytest.raises(InputError, match=r"1 file missing: .*ulm_000000_000019_camera\.json"):
        open_dataset("cityscapes", tmp_path, "val", CITYSCAPES_16)
    with pytest.raises(InputError, match="Cityscapes has no split 'validation'; it has train, val, test"):
        open_dataset("cityscapes", tmp_path, "validation", CITYSCAPES_16)


def test_mapillary_of_the_other_version(tmp_path: Path) -> None:
    write(tmp_path / "validation/images/a.jpg", np.full((*SHAPE, 3), 90, np.uint8))
    (tmp_path / "config_v1.2.json").write_text("{}")
    with pytest.raises(InputError, match=r"this is Mapillary Vistas v2\.0; use layout mapillary-v2\.0"):
        open_dataset("mapillary-v1.2", tmp_path, "val", CITYSCAPES_16)


def test_a_truncated_jpeg_is_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    write(tmp_path / "train" / "x.jpg", noise)
    path = tmp_path / "train" / "x.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"x\.jpg: a damaged or unsupported image"):
        open_dataset("camvid", tmp_path, "train", CAMVID_11)[0]
