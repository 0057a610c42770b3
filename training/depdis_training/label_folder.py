"""A folder of pseudo-labels on disk: label files with their own counts, a manifest, and how it goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.files import is_part, remove_parts, written_whole
from depdis_deploy.json_files import parse_json, read_json, shortened
from depdis_deploy.pictures import read_text, write_labels
from depdis_deploy.taxonomy import Taxonomy

MANIFEST, SHEET = "manifest.json", "sheet.png"
_COUNTS = "Counts"  # keyword of a label file's own counts, so that a resumed work can sum them up
_PNG_END = b"IEND\xaeB`\x82"


@dataclass(frozen=True)
class LabelStatistics:
    """What became of the pixels, by class, each (C,): `predicted`, the `confident` of them, the `refined` of
    these, which are the labels; and the `thresholds` of confidence."""

    names: tuple[str, ...]
    pictures: int
    thresholds: NDArray[np.float64]
    predicted: NDArray[np.int64]
    confident: NDArray[np.int64]
    refined: NDArray[np.int64]

    def table(self) -> str:
        """A line for each class and one for all: its share of the prediction, and how much of it is kept."""
        width = max(map(len, (*self.names, "all classes")))
        lines = [f"{'':{width}}  threshold  predicted  confident  refined"]
        total = max(int(self.predicted.sum()), 1)
        rows = [*zip(self.names, self.thresholds, self.predicted, self.confident, self.refined, strict=True)]
        sums = (self.predicted.sum(), self.confident.sum(), self.refined.sum())
        for name, threshold, predicted, confident, refined in [*rows, ("all classes", None, *sums)]:
            shown = f"{'' if threshold is None else f'{threshold:.4f}':>9}"
            kept = [count / max(predicted, 1) for count in (confident, refined)]
            lines.append(f"{name:{width}}  {shown}  {predicted / total:9.2%}  {kept[0]:9.1%}  {kept[1]:7.1%}")
        return "\n".join(lines)


class LabelFolder:
    """A folder of labels with its manifest: new, or going on with the same settings.

    settings: plain values, among them `pictures`, the names of the labelled ones, and `classes`. InputError for
    a folder of other settings or of something else, and for names that no files can have.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder, self.settings = folder, settings
        self.names: list[str] = settings["pictures"]
        require_file_names(self.names)
        self.thresholds: NDArray[np.float64] | None = None
        self.finished = False
        path = folder / MANIFEST
        if path.exists():
            found = read_manifest(folder)
            theirs = found["settings"]
            differing = sorted(
                key for key in settings.keys() | theirs.keys() if settings.get(key) != theirs.get(key)
            )
            if differing:
                raise InputError(
                    f"{folder} holds labels of other settings (they differ in "
                    f"{shortened(', '.join(differing), 100)}): "
                    "remove it or give another folder"
                )
            self.thresholds = np.array(found["thresholds"], np.float64)
            self.finished = found["counts"] is not None
        elif folder.exists() and any(not is_part(entry) for entry in folder.iterdir()):
            raise InputError(f"{folder} holds something else than labels: give another folder")
        remove_parts(folder)

    def path(self, name: str) -> Path:
        """The label file of a picture."""
        return self.folder / f"{name}.png"

    def missing(self) -> list[str]:
        """The pictures whose label file is not there to its end."""
        return [name for name in self.names if not _is_whole(self.path(name))]

    def write(self, name: str, labels: NDArray[np.uint8], taxonomy: Taxonomy, counts: list[list[int]]) -> None:
        """Write a picture's labels, with its `counts` of predicted, confident and refined pixels by class."""
        write_labels(self.path(name), labels, taxonomy, {_COUNTS: json.dumps(counts)})

    def begin(self, thresholds: NDArray[np.float64]) -> None:
        """Make the folder, once the thresholds are known."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.thresholds = thresholds
        self._write(None)

    def finish(self) -> LabelStatistics:
        """Sum up the labels' own counts and write them into the manifest."""
        statistics = self.statistics()
        kinds = ("predicted", "confident", "refined")
        self._write({kind: getattr(statistics, kind).tolist() for kind in kinds})
        return statistics

    def statistics(self) -> LabelStatistics:
        """The sums of the labels' own counts."""
        total = np.zeros((3, len(self.settings["classes"])), np.int64)
        for name in self.names:
            total += _counts(self.path(name), total.shape)
        assert self.thresholds is not None
        return LabelStatistics(tuple(self.settings["classes"]), len(self.names), self.thresholds, *total)

    def _write(self, counts: dict[str, list[int]] | None) -> None:
        assert self.thresholds is not None
        content = {"settings": self.settings, "thresholds": self.thresholds.tolist(), "counts": counts}
        with written_whole(self.folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder of labels: `settings`, `thresholds` (C,), `counts` if finished.

    Raises:
        InputError: The file is missing or not such a manifest.
    """
    path = folder / MANIFEST
    found = read_json(path, dict)
    settings, thresholds = found.get("settings"), found.get("thresholds")
    classes = settings.get("classes") if isinstance(settings, dict) else None
    if (
        not isinstance(classes, list)
        or not isinstance(thresholds, list)
        or len(thresholds) != len(classes)
        or not all(type(threshold) in (int, float) for threshold in thresholds)
        or "counts" not in found
        or not isinstance(found["counts"], dict | None)
    ):
        raise InputError(f"{path}: not the manifest of a folder of labels; remove the folder to label again")
    return found


def _counts(path: Path, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The pixel counts (3, C) in a label file: predicted, confident, refined."""
    try:
        found = np.array(parse_json(read_text(path, _COUNTS) or "", list))
        if found.shape != shape or found.dtype.kind != "i":
            raise ValueError(f"expected counts of the shape {shape}")
    except ValueError as error:
        raise InputError(f"{path}: {error}; remove the file to label the image again") from None
    return found.astype(np.int64)


def require_file_names(names: Sequence[str]) -> None:
    """Check that every image can have a label file of its own, named after it.

    Raises:
        InputError: A name that occurs twice or cannot be a file's.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"two images are named {name}, and label files are named after images: rename one")
        if "/" in name or "\\" in name or f"{name}.png" == SHEET:
            raise InputError(
                f"label files are named after images, but {name!r} cannot name one: rename the image"
            )
        seen.add(name)


def _is_whole(path: Path) -> bool:
    """Whether a label file is there to its end, with its counts."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    return content.endswith(_PNG_END) and _COUNTS.encode() in content
