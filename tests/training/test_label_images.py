"""Label PNGs give the same classes however a lossless tool stores them, or are rejected."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from label_pngs import GREY, INDEXED, RGB, RGBA, sorted_palette, write_png
from numpy.typing import NDArray
from PIL import Image

from depdis_deploy.command import InputError
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_16
from depdis_training.data import open_dataset
from depdis_training.data.check import check
from depdis_training.data.label_maps import class_names, label_colours

Labels = NDArray[np.uint8]
NAMES = ["road", "sky", "car", "person"]
PALETTE = np.array([(128, 64, 128), (70, 130, 180), (0, 0, 142), (220, 20, 60)], np.uint8)
VOID = (0, 0, 0)
TRUTH = np.array([[0, 0, 1, 1], [2, 2, 3, 255], [2, 1, 0, 255]], np.uint8)
COLOURS = np.array([*PALETTE, *[VOID] * 252], np.uint8)[TRUTH]


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*TRUTH.shape, 3), 90, np.uint8)).save(path)


def own(root: Path, **description: Any) -> Path:
    image(root / "images" / "a.png")
    (root / "labels").mkdir(exist_ok=True)
    (root / "taxonomy.yaml").write_text(yaml.safe_dump({"names": NAMES, **description}), encoding="utf-8")
    return root / "labels" / "a.png"


def with_palette(root: Path) -> Path:
    return own(root, palette=PALETTE.tolist(), ignore=[255, list(VOID)])


def read(root: Path, layout: str = "own", split: str = "train", taxonomy: Any = None) -> Labels:
    labels = open_dataset(layout, root, split, taxonomy)[0].labels
    assert labels is not None
    return labels


def grey_rgb(values: Labels) -> Labels:
    return np.repeat(values[..., None], 3, -1)


def opaque(colours: Labels) -> Labels:
    return np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])


def full_palette() -> Labels:
    table = np.zeros((256, 3), np.uint8)
    table[: len(PALETTE)] = PALETTE
    return table


OF_COLOURS: dict[str, Callable[[Path], None]] = {
    "index and colour agree": lambda path: write_png(path, TRUTH, INDEXED, palette=full_palette()),
    "sorted palette": lambda path: sorted_palette(path, COLOURS),
    "sorted palette of 4 bits": lambda path: sorted_palette(path, COLOURS, 4),
    "RGB": lambda path: write_png(path, COLOURS, RGB),
    "RGBA": lambda path: write_png(path, opaque(COLOURS), RGBA),
    "grey ids": lambda path: write_png(path, TRUTH, GREY),
    "ids in a sorted grey palette": lambda path: sorted_palette(path, grey_rgb(TRUTH), 4),
    "grey ids as RGB": lambda path: write_png(path, grey_rgb(TRUTH), RGB),
}


@pytest.mark.parametrize("write", OF_COLOURS.values(), ids=OF_COLOURS.keys())
def test_own_set_with_a_palette_reads_every_storage_alike(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(with_palette(tmp_path))
    np.testing.assert_array_equal(read(tmp_path), TRUTH)


@pytest.mark.parametrize("few", [2, 4])
def test_reads_sorted_palettes_of_few_bits(tmp_path: Path, few: int) -> None:
    path = with_palette(tmp_path)
    truth = TRUTH % few
    sorted_palette(path, PALETTE[truth], {2: 1, 4: 2}[few])
    np.testing.assert_array_equal(read(tmp_path), truth)


OF_IDS: dict[str, Callable[[Path], None]] = {
    "grey": lambda path: write_png(path, TRUTH, GREY),
    "16 bits": lambda path: write_png(path, TRUTH, GREY, 16),
    "sorted grey palette": lambda path: sorted_palette(path, grey_rgb(TRUTH)),
    "RGB": lambda path: write_png(path, grey_rgb(TRUTH), RGB),
    "RGBA": lambda path: write_png(path, opaque(grey_rgb(TRUTH)), RGBA),
    "colour palette": lambda path: write_png(path, TRUTH, INDEXED, palette=full_palette()),
}


@pytest.mark.parametrize("write", OF_IDS.values(), ids=OF_IDS.keys())
def test_own_set_of_ids_reads_every_storage_alike(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(own(tmp_path))
    np.testing.assert_array_equal(read(tmp_path), TRUTH)


def test_reads_grey_levels_that_are_colours_of_the_palette(tmp_path: Path) -> None:
    path = own(tmp_path, palette=[[70, 70, 70], [1, 2, 3], [4, 5, 6], [153, 153, 153]], ignore=[list(VOID)])
    write_png(path, np.array([[70, 153, 0]], np.uint8).repeat(2, 0), GREY)
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    assert read(tmp_path).tolist() == [[0, 3, 255]] * 2


def jpeg(path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue())


BLACK_AND_WHITE = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
REJECTED: dict[str, tuple[Callable[[Path], None], str]] = {
    "foreign palette": (
        lambda path: write_png(path, TRUTH % 4, INDEXED, palette=PALETTE[::-1] // 2),
        r"colour \[110, 10, 30\] at column 0, row 0 is out of range",
    ),
    "black and white in 1 bit": (
        lambda path: write_png(path, TRUTH % 2, GREY, 1),
        "labels can be read as label id 255 or as .* 1, which differ",
    ),
    "black and white palette": (
        lambda path: write_png(path, TRUTH % 2, INDEXED, 1, palette=BLACK_AND_WHITE),
        "labels can be read as label id 255 or as .* 1, which differ",
    ),
    "4-bit grey that is not of ids": (
        lambda path: write_png(path, TRUTH % 4, GREY, 4),
        "label id 17 at column 2, row 0 is out of range",
    ),
    "transparent class": (
        lambda path: write_png(path, np.dstack([COLOURS, TRUTH * np.uint8(80)]), RGBA),
        "transparent pixels have the colour of a class",
    ),
    "transparent palette entry": (
        lambda path: write_png(path, TRUTH % 4, INDEXED, palette=PALETTE[[1, 0, 3, 2]], transparency=b"\0"),
        "transparent pixels have the colour of a class",
    ),
    "16 bits a channel": (lambda path: write_png(path, COLOURS, RGB, 16), "labels have 16 bits for each"),
    "JPEG called PNG": (jpeg, "labels are a JPEG, whose compression changes them; export them as PNG"),
    "missing palette entry": (
        lambda path: write_png(path, TRUTH % 4, INDEXED, palette=PALETTE[:2]),
        r"palette index \d has no colour|damaged or unsupported",
    ),
}


@pytest.mark.parametrize(("write", "message"), REJECTED.values(), ids=REJECTED.keys())
def test_rejects_label_pngs_that_can_be_misread(
    tmp_path: Path, write: Callable[[Path], None], message: str
) -> None:
    write(with_palette(tmp_path))
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/labels/a.png: ")
    assert "\n" not in str(caught.value)


def test_transparent_unlabelled_pixels_are_accepted(tmp_path: Path) -> None:
    alpha = np.where(TRUTH == 255, 0, 255).astype(np.uint8)
    write_png(with_palette(tmp_path), np.dstack([COLOURS, alpha]), RGBA)
    np.testing.assert_array_equal(read(tmp_path), TRUTH)


def test_ignored_index_may_have_any_colour_in_a_palette_that_is_not_sorted(tmp_path: Path) -> None:
    path = own(tmp_path, ids=[1, 2, 3, 4], palette=PALETTE.tolist(), ignore=[0])
    values = TRUTH + np.uint8(1)
    write_png(path, values, INDEXED, palette=np.array([(9, 8, 7), *PALETTE], np.uint8))
    np.testing.assert_array_equal(read(tmp_path), TRUTH)
    sorted_palette(path, np.array([(9, 8, 7), *PALETTE], np.uint8)[values])
    with pytest.raises(InputError, match=r"colour \[9, 8, 7\] at column 3, row 1 is out of range"):
        read(tmp_path)


def test_rejects_palettes_that_differ_between_files_of_an_own_set(tmp_path: Path) -> None:
    own(tmp_path)
    for name in ("a", "b"):
        image(tmp_path / "images" / f"{name}.png")
    write_png(tmp_path / "labels/a.png", TRUTH % 4, INDEXED, palette=PALETTE)
    write_png(tmp_path / "labels/b.png", TRUTH % 4, INDEXED, palette=PALETTE[[1, 0, 2, 3]])
    report = check(tmp_path, workers=1, quiet=True)
    assert len(report.faults) == 1
    assert "b.png: palette index 0 has the colour [70, 130, 180], but [128, 64, 128] in" in report.faults[0]


def mapillary(root: Path, names: list[str], colours: list[Any]) -> Path:
    image(root / "validation/images/a.jpg")
    listed = [
        {"readable": name, **({} if colour is None else {"color": colour})}
        for name, colour in zip(names, colours, strict=True)
    ]
    (root / "config.json").write_text(json.dumps({"labels": listed}))
    (root / "validation/labels").mkdir()
    return root / "validation/labels/a.png"


def test_mapillary_goes_by_the_colours_of_its_configuration(tmp_path: Path) -> None:
    path = mapillary(tmp_path, ["Bird", "Road", "Sky", "Car"], PALETTE.tolist())
    sorted_palette(path, PALETTE[TRUTH % 4])
    expected = np.array([255, 0, 9, 12], np.uint8)[TRUTH % 4]
    np.testing.assert_array_equal(read(tmp_path, "mapillary-v1.2", "val", CITYSCAPES_16), expected)


def test_mapillary_colour_of_several_classes_needs_the_index(tmp_path: Path) -> None:
    shared = [[1, 2, 3], [9, 9, 9], [1, 2, 3], None]
    path = mapillary(tmp_path, ["Road", "Bird", "Sky", "Car"], shared)
    values = np.array([[0, 1, 2]], np.uint8).repeat(3, 0)[:, [0, 1, 2, 2]]
    palette = np.array([(1, 2, 3), (9, 9, 9), (1, 2, 3)], np.uint8)
    write_png(path, values, INDEXED, palette=palette)
    assert read(tmp_path, "mapillary-v1.2", "val", CITYSCAPES_16)[0].tolist() == [0, 255, 9, 9]
    sorted_palette(path, palette[values])
    with pytest.raises(InputError, match=r"colour \[1, 2, 3\] at column 0, row 0 is of several classes"):
        read(tmp_path, "mapillary-v1.2", "val", CITYSCAPES_16)


@pytest.mark.parametrize("colour", ["red", [1, 2], [1, 2, 300]])
def test_rejects_a_colour_that_is_none_in_mapillarys_configuration(tmp_path: Path, colour: object) -> None:
    mapillary(tmp_path, ["Road"], [colour])
    with pytest.raises(InputError, match=r"config\.json: expected a color of"):
        open_dataset("mapillary-v1.2", tmp_path, "val", CITYSCAPES_16, whole=False)


@pytest.mark.parametrize("storage", ["colours", "ids"])
def test_cityscapes_and_camvid_read_sorted_palettes(tmp_path: Path, storage: str) -> None:
    ids = np.array([[7, 23, 26, 24]], np.uint8).repeat(3, 0)
    image(tmp_path / "leftImg8bit/val/ulm/ulm_0_leftImg8bit.png")
    palette = np.array([*label_colours("cityscapes").values()], np.uint8)
    stored = palette[ids] if storage == "colours" else grey_rgb(ids)
    sorted_palette(tmp_path / "gtFine/val/ulm/ulm_0_gtFine_labelIds.png", stored)
    assert read(tmp_path, "cityscapes", "val", CITYSCAPES_16)[0].tolist() == [0, 9, 12, 10]
    image(tmp_path / "val/x.png")
    indices = np.array([[0, 3, 8, 11]], np.uint8).repeat(3, 0)
    stored = (
        np.array([*CAMVID_11.palette, VOID], np.uint8)[indices] if storage == "colours" else grey_rgb(indices)
    )
    sorted_palette(tmp_path / "valannot/x.png", stored)
    assert read(tmp_path, "camvid", "val", CAMVID_11)[0].tolist() == [0, 3, 8, 255]


def test_synthia_reads_a_sorted_grey_palette_and_rejects_lost_ids(tmp_path: Path) -> None:
    ids = np.array([[3, 1, 8, 10]], np.uint8).repeat(3, 0)
    image(tmp_path / "RGB/0.png")
    write_png(tmp_path / "Depth/0.png", np.full(TRUTH.shape, 900, np.uint16), GREY, 16)
    sorted_palette(tmp_path / "parsed_LABELS/0.png", grey_rgb(ids))
    assert read(tmp_path, "synthia", "train", CITYSCAPES_16)[0].tolist() == [0, 9, 12, 10]
    (tmp_path / "parsed_LABELS").rename(tmp_path / "GT")
    write_png(tmp_path / "GT/LABELS/0.png", np.dstack([ids * 0, ids, ids * 0]), RGB)
    with pytest.raises(InputError, match="the ids were lost with 16 bits of a channel, got 8"):
        read(tmp_path, "synthia", "train", CITYSCAPES_16)


def test_cityscapes_colours_are_the_official_ones() -> None:
    from cityscapesscripts.helpers.labels import labels

    assert label_colours("cityscapes") == {entry.id: entry.color for entry in labels if entry.id >= 0}
    assert class_names("cityscapes") == [entry.name for entry in labels if entry.id >= 0]
