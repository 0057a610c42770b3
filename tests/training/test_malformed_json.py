"""Every reader of a data set's or a run's JSON: a wrong file is an error of one line that names it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from depdis_deploy.command import InputError
from depdis_deploy.json_files import read_json
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.data.cityscapes import _camera
from depdis_training.data.layouts import unfinished
from depdis_training.data.mapillary import _classes
from depdis_training.data.reading import focal_lengths
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.label_folder import LabelFolder, read_manifest
from depdis_training.pseudo_labels import PseudoLabelled
from depdis_training.statistics import _read_fitted, read_counts
from depdis_training.street.claim import claimed
from depdis_training.sweep import comparison

MIXTURE = {"weights": [[1]], "means": [[[1, 2, 3]]], "variances": [[[1, 1, 1]]]}
LABELS = {"classes": ["a"], "palette": [[1, 2, 3]], "pictures": [], "resize": {"kind": "area"}}


def cameras(path: Path) -> None:
    focal_lengths(read_json(path, dict), ["0"], path)


def street(path: Path) -> None:
    with claimed(path.parent, {"pictures": 3}):
        pass


def metrics(path: Path) -> None:
    from depdis_training.config import load_config

    comparison({path.parent.name: load_config("street")}, path.parent.parent)


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "cameras": ("cameras.json", cameras),
    "camera": ("camera.json", _camera),
    "mapillary": ("config.json", _classes),
    "street": ("street.json", street),
    "unfinished": ("street.json", lambda path: unfinished(path.parent)),
    "counts": ("class_counts.json", lambda path: read_counts(path, 2)),
    "fitted": ("mixtures-0.json", lambda path: _read_fitted(path, 1)),
    "mixtures": ("mixtures.json", DepthDistribution.from_json),
    "labels": ("manifest.json", lambda path: read_manifest(path.parent)),
    "labelled": ("manifest.json", lambda path: PseudoLabelled([], path.parent)),  # type: ignore[arg-type]
    "metrics": ("metrics.json", metrics),
}


def check(reader: str, text: str, folder: Path, message: str | None = None) -> None:
    name, read = READERS[reader]
    path = folder / name
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("reader", READERS)
def test_rejects_json_of_another_kind(reader: str, tmp_path: Path) -> None:
    other = "{}" if reader == "counts" else "[]"
    for text in (other, '"text"', "[" * 100_000, '{"a": NaN}', "9" * 5000, '{"a": ', ""):
        check(reader, text, tmp_path)


@pytest.mark.parametrize(
    ("reader", "content", "message"),
    [
        ("cameras", {}, "no focal_px for '0'"),
        ("cameras", {"0": [1]}, "expected a positive number focal_px, got None"),
        ("cameras", {"0": {"focal_px": "80"}}, "got '80'"),
        ("cameras", {"0": {"focal_px": -1}}, "got -1"),
        ("cameras", {"0": {"focal_px": True}}, "got True"),
        ("camera", {"intrinsic": {"fx": [1]}, "extrinsic": {"baseline": 1}}, r"intrinsic.fx, got \[1\]"),
        ("camera", {"intrinsic": 5, "extrinsic": {"baseline": 1}}, "no intrinsic.fx"),
        ("mapillary", {"labels": {"a": 1}}, "no list `labels`"),
        ("mapillary", {"labels": [{"readable": "a"}] * 300}, "300 labels, expected at most 256"),
        ("unfinished", {"pictures": "many"}, "expected a number of pictures, got 'many'"),
        ("counts", [1], "not the statistics"),
        ("counts", [1, -2], "not the statistics"),
        ("counts", [1, 2.5], "not the statistics"),
        ("counts", [1, [2]], "not the statistics"),
        ("counts", ["1", "2"], "not the statistics"),
        ("fitted", {"mixtures": MIXTURE, "depths": [1]}, "not the statistics"),
        ("fitted", {"mixtures": MIXTURE, "depths": {"counts": [[1]], "total_m": [1]}}, "not the statistics"),
        ("fitted", {"mixtures": {"weights": "x"}, "depths": {}}, "not the statistics"),
        ("mixtures", {**MIXTURE, "weights": [["x"]]}, "not a depth distribution"),
        ("mixtures", {**MIXTURE, "weights": [[None]]}, "not a depth distribution"),
        ("mixtures", {**MIXTURE, "means": [[1], [2, 3]]}, "not a depth distribution"),
        ("mixtures", {**MIXTURE, "grid": 5}, r"a grid is \(h, w\) of whole cells, got 5"),
        ("mixtures", {**MIXTURE, "grid": ["a", "b"]}, "a grid is"),
        ("mixtures", {**MIXTURE, "scale": "data"}, "scale and variance_floor are numbers, got 'data'"),
        ("labels", {"settings": 5, "thresholds": [], "counts": None}, "not the manifest of a folder of labels"),
        ("labels", {"settings": LABELS, "thresholds": ["x"], "counts": None}, "not the manifest"),
        ("labels", {"settings": LABELS, "thresholds": [1], "counts": 5}, "not the manifest"),
        ("labelled", {"settings": LABELS, "thresholds": [1], "counts": {}}, "malformed settings"),
        ("labelled", {"settings": {"classes": ["a"]}, "thresholds": [1], "counts": {}}, "malformed settings"),
        ("metrics", {"rows": [1]}, "not the metrics of a run"),
        ("metrics", {"rows": {"last": {"kind": "checkpoint", "figures": {}}}}, "not the metrics of a run"),
        ("metrics", {"rows": {"last": {"kind": "", "figures": {"mIoU": "x"}}}}, "not the metrics of a run"),
    ],
)
def test_rejects_json_of_wrong_values(reader: str, content: object, message: str, tmp_path: Path) -> None:
    check(reader, json.dumps(content), tmp_path, message)


@pytest.mark.parametrize("text", [None, "{}", "[[1], [2, 3]]", '["a"]', "[" * 100_000])
def test_rejects_label_file_without_its_counts(text: str | None, tmp_path: Path) -> None:
    settings = {"pictures": ["one"], "classes": list(CITYSCAPES_16.names)}
    folder = LabelFolder(tmp_path, settings)
    folder.begin(np.full(16, 0.9))
    notes = PngImagePlugin.PngInfo()
    if text is not None:
        notes.add_text("Counts", text)
    Image.new("L", (4, 4)).save(tmp_path / "one.png", pnginfo=notes)
    with pytest.raises(InputError, match=r"one\.png: .*remove the file to label the image again"):
        folder.statistics()


def test_removes_what_a_killed_labelling_left(tmp_path: Path) -> None:
    folder = tmp_path / "labels-1"
    folder.mkdir()
    (folder / ".manifest.12.part.json").write_text("{")
    (folder / ".one.12.part.png").write_bytes(b"half")
    LabelFolder(folder, {"pictures": ["one"], "classes": ["a"]})
    assert list(folder.iterdir()) == []
