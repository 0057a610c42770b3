"""`depdis-data check`: what is there, each way to be wrong in one line, and what the set can be used for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from depdis_deploy.command import InputError
from depdis_training.data import reading
from depdis_training.data.check import Report, check
from depdis_training.data.check_text import as_text
from depdis_training.street.writer import write_street

ROOT = Path(__file__).parents[2]
SHAPE = (12, 16)
PICTURES = 4


def write(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values)


@pytest.fixture
def synthia(tmp_path: Path) -> Path:
    root = tmp_path / "SYNTHIA"
    noise = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
    for index in range(PICTURES):
        file = f"{index:07d}.png"
        write(root / "RGB" / file, noise)
        write(root / "parsed_LABELS" / file, (np.arange(192).reshape(SHAPE) % 22 + 1).astype(np.uint8))
        write(root / "Depth" / file, np.full(SHAPE, 1200 + index, np.uint16))
    return root


def checked(root: Path, layout: str = "auto") -> Report:
    return check(root, layout, workers=2, quiet=True)


def test_a_whole_set_has_nothing_wrong(synthia: Path) -> None:
    report = checked(synthia)
    assert report.layout == "synthia"
    assert report.faults == []
    (split,) = report.splits
    assert (split.pictures, split.found["labels"], split.found["depth"], split.focal) == (4, 4, 4, 0)
    assert split.sizes == {(16, 12): 4}
    assert split.depth_m == pytest.approx((12.0, 12.03))
    assert any("the published set has 9400" in note for note in report.notes)
    text = as_text(report)
    assert f"depdis-train CONFIG --source {synthia}" in text
    assert "synthia-cityscapes-16" in text


@pytest.mark.parametrize("name", ["RGB", "parsed_LABELS", "Depth"])
def test_a_named_pipe_in_a_set_is_reported_and_not_waited_for(synthia: Path, name: str) -> None:
    (synthia / name / "0000001.png").unlink()
    os.mkfifo(synthia / name / "0000001.png")
    assert f"{name}/0000001.png: expected an image file" in "\n".join(checked(synthia).faults)


def test_links_in_a_circle_end(synthia: Path) -> None:
    for name in ("RGB/self", "self", "Depth/up"):
        (synthia / name).symlink_to("..")
    assert checked(synthia).faults == []


def test_control_characters_in_names_are_escaped(synthia: Path) -> None:
    root = synthia.rename(synthia.with_name("SYN\x1b[2J\u202e\nTHIA"))
    (root / "Depth/0000000.png").unlink()
    cut(root / "Depth/0000001.png")
    report = checked(root)
    assert len(report.faults) == 2
    text = as_text(report)
    assert "SYN\\x1b[2J\\u202e\\nTHIA" in text
    assert all(line.isprintable() for line in text.split("\n"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def without_depth(root: Path) -> None:
    for path in (root / "Depth").iterdir():
        path.unlink()
    (root / "Depth").rmdir()


def rand(root: Path) -> None:
    without_depth(root)
    for path in list((root / "RGB").iterdir()):
        path.rename(path.with_name(f"ap_000_{path.name}"))


def empty(root: Path) -> None:
    for path in (root / "RGB").iterdir():
        path.unlink()


FAULTS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "corrupt": (
        lambda root: [cut(root / kind / "0000001.png") for kind in ("RGB", "parsed_LABELS", "Depth")],
        [r"RGB/0000001.png: corrupt", r"parsed_LABELS/0000001.png: corrupt", r"Depth/0000001.png: corrupt"],
    ),
    "missing": (
        lambda root: [(root / "Depth" / f"000000{index}.png").unlink() for index in (1, 2)],
        ["all: 2 of 4 pictures lack depth, the first"],
    ),
    "half downloaded": (
        lambda root: (root / "RGB" / "0000003.png").unlink(),
        ["parsed_LABELS: 1 of 4 files have no picture", "Depth: 1 of 4 files have no picture"],
    ),
    "unfinished": (lambda root: (root / "RGB.zip.part").touch(), ["an unfinished download"]),
    "eight bits": (
        lambda root: write(root / "Depth" / "0000000.png", np.full(SHAPE, 9, np.uint8)),
        ["0000000.png: depth is one channel of 16 bits"],
    ),
    "zeros": (
        lambda root: write(root / "Depth" / "0000000.png", np.zeros(SHAPE, np.uint16)),
        ["0000000.png: every depth is 0"],
    ),
    "out of range": (
        lambda root: write(root / "parsed_LABELS" / "0000002.png", np.full(SHAPE, 60, np.uint8)),
        ["0000002.png: label id 60 at column 0, row 0 is out of range: this set's ids are 0 to 22"],
    ),
    "sizes": (
        lambda root: write(root / "parsed_LABELS" / "0000002.png", np.full((6, 8), 3, np.uint8)),
        ["0000002: sizes differ: picture 16x12, labels 8x6, depth 16x12"],
    ),
    "no class": (
        lambda root: [write(path, np.zeros(SHAPE, np.uint8)) for path in (root / "parsed_LABELS").iterdir()],
        ["no pixel of any class"],
    ),
    "no depth": (without_depth, ["no folder Depth, which a SYNTHIA-RAND-CITYSCAPES set has"]),
    "SYNTHIA-RAND": (rand, ["this is SYNTHIA-RAND, which has no depth; what is needed is"]),
    "no files": (empty, ["RGB: holds no .png files"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_line(synthia: Path, fault: str) -> None:
    damage, expected = FAULTS[fault]
    damage(synthia)
    report = checked(synthia)
    assert len(report.faults) == len(expected), report.faults
    for line, part in zip(sorted(report.faults), sorted(expected, key=str.lower), strict=True):
        assert "\n" not in line
        assert any(part in line for part in expected), (line, part)
    assert "wrong:" in as_text(report)


def test_several_faults_at_once_are_all_named(synthia: Path) -> None:
    (synthia / "Depth" / "0000000.png").unlink()
    cut(synthia / "RGB" / "0000000.png")
    write(synthia / "parsed_LABELS" / "0000003.png", np.full(SHAPE, 99, np.uint8))
    faults = checked(synthia).faults
    assert len(faults) == 3
    assert "once that is put right" in as_text(checked(synthia))


@pytest.mark.parametrize("layout", ["cityscapes", "mapillary-v1.2", "mapillary-v2.0", "camvid", "own"])
def test_every_layout_is_told_and_whole(tmp_path: Path, layout: str) -> None:
    split = "train" if layout == "own" else "val"
    write_street(
        tmp_path, pictures=1, size=(64, 32), domain="source", layout=layout, split=split, workers=1, quiet=True
    )
    report = checked(tmp_path)
    assert report.layout == layout
    assert report.faults == []
    assert [(found.name, found.pictures) for found in report.splits] == [(split, 1)]
    assert report.splits[0].found["labels"] == 1
    assert ("there is no split train, which adapting to it takes" in report.notes) == (layout != "own")
    text = as_text(report)
    assert f"--target {tmp_path}" in text
    assert ("  source" in text) == (layout == "own")


def test_faults_of_ones_own_set(tmp_path: Path) -> None:
    write_street(tmp_path, pictures=2, size=(64, 32), domain="source", layout="own", workers=1, quiet=True)
    (tmp_path / "taxonomy.yaml").rename(tmp_path / "taxonomy.yml")
    (fault,) = checked(tmp_path).faults
    assert "taxonomy.yaml: no such file, which describes a set's classes" in fault


def test_a_stopped_generated_set_is_unfinished(tmp_path: Path) -> None:
    write_street(tmp_path, pictures=2, size=(64, 32), domain="source", layout="camvid", workers=1, quiet=True)
    (tmp_path / "street.finished").write_text("street_000000 1.0\n")
    assert any("1 of 2 generated pictures" in fault for fault in checked(tmp_path).faults)


def test_what_is_no_set(tmp_path: Path, synthia: Path) -> None:
    with pytest.raises(InputError, match=r"expected RGB/ .*; give .*SYNTHIA, which is one"):
        checked(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(InputError, match=r"no data set that is known: .* found notes\.txt"):
        checked(tmp_path / "other")
    with pytest.raises(InputError, match="no such file or folder"):
        checked(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no data set layout 'kitti'; there are auto, synthia"):
        checked(synthia, "kitti")


def test_the_command_exits_by_what_it_finds(synthia: Path) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        code = "from depdis_training.data_cli import main; main()"
        words = [sys.executable, "-c", code, "check", str(synthia)]
        path = f"{ROOT}:{ROOT / 'training'}"
        return subprocess.run(words, capture_output=True, text=True, env={"PYTHONPATH": path}, check=False)

    assert run().returncode == 0
    cut(synthia / "RGB" / "0000002.png")
    done = run()
    assert done.returncode == 1
    assert "RGB/0000002.png: corrupt" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def turn_by_tag(path: Path, orientation: int) -> None:
    """Give an image an EXIF orientation; its pixels stay as they are."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif, quality=100)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_reads_images_with_an_exif_orientation_as_stored(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = np.zeros((*SHAPE, 3), np.uint8)
    stored[:8, :8, 2] = 200
    path = tmp_path / f"a{suffix}"
    write(path, stored)
    turn_by_tag(path, orientation)
    assert np.abs(reading.read_rgb(path)[..., ::-1].astype(int) - stored).mean() < 10
    assert reading.orientation(path) == orientation


def test_names_images_with_an_exif_orientation(synthia: Path, tmp_path: Path) -> None:
    for kind, orientation in (("RGB", 3), ("parsed_LABELS", 6), ("Depth", 1)):
        turn_by_tag(synthia / kind / "0000002.png", orientation)
    report = checked(synthia)
    assert report.faults == []
    (note,) = (note for note in report.notes if note.startswith("warning:"))
    assert "2 files have an EXIF orientation other than 1" in note
    assert f"{synthia}/RGB/0000002.png, {synthia}/parsed_LABELS/0000002.png; pixels are used as stored" in note
    write(tmp_path / "frames" / "a.png", np.zeros((*SHAPE, 3), np.uint8))
    turn_by_tag(tmp_path / "frames" / "a.png", 5)
    assert any("1 file has an EXIF orientation" in note for note in checked(tmp_path / "frames").notes)


def test_pictures_alone_are_a_target(tmp_path: Path) -> None:
    write(tmp_path / "a.png", np.zeros((*SHAPE, 3), np.uint8))
    report = checked(tmp_path)
    assert (report.layout, report.faults) == ("frames", [])
    assert as_text(report).endswith(f"target\n    depdis-train street --target {tmp_path}")
