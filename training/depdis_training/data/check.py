"""`depdis-data check`: every file of a set is read; what is there, missing or corrupt comes out as a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import InputError, one_line
from depdis_deploy.json_files import read_json
from depdis_deploy.progress import tracked
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_16, Taxonomy
from depdis_deploy.terminal import printable

from . import layouts, open_dataset, reading
from .samples import FARTHEST_M, FileDataset

# How many pictures the published sets have.
PUBLISHED = {
    "synthia": {"all": 9400},
    "cityscapes": {"train": 2975, "val": 500, "test": 1525},
    "mapillary-v1.2": {"train": 18000, "val": 2000, "test": 5000},
    "mapillary-v2.0": {"train": 18000, "val": 2000, "test": 5000},
    "camvid": {"train": 367, "val": 101, "test": 233},
}


_EXIF_SUFFIXES = (*reading.PICTURE_SUFFIXES, ".webp", ".tif", ".tiff")
_MOST_NAMED = 5  # files in one line


@dataclass
class Split:
    """What was found in one split.

    found: readable files by kind; sizes: pictures by (width, height); focal: pictures with a focal length;
    classes: (256,) labelled pixels of each class; depth_m: nearest and farthest depth, without the sky.
    """

    name: str
    pictures: int = 0
    found: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    focal: int = 0
    classes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    depth_m: tuple[float, float] | None = None


@dataclass
class Report:
    """faults: a line for each thing that is wrong; notes: what is worth knowing; taxonomy: of the counts."""

    root: Path
    layout: str
    taxonomies: list[str] = field(default_factory=list)
    taxonomy: Taxonomy | None = None
    splits: list[Split] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Seen:
    """One sample. faults: (kind, line); missing: (kind, path); turned: files with an EXIF orientation."""

    good: set[str] = field(default_factory=set)
    size: tuple[int, int] | None = None
    focal: bool = False
    classes: NDArray[np.int64] | None = None
    depth_m: tuple[float, float] | None = None
    faults: list[str] = field(default_factory=list)
    missing: list[tuple[str, Path]] = field(default_factory=list)
    turned: list[Path] = field(default_factory=list)


def check(root: Path, layout: str = "auto", *, workers: int | None = None, quiet: bool = False) -> Report:
    """Read every file of the set at `root`; `auto` finds its layout out.

    InputError where there is no set that is known; everything else that is wrong is a line of the report.
    """
    if layout == "auto":
        layout = layouts.detect(root)
    elif layout not in layouts.TITLES:
        raise InputError(f"no data set layout {layout!r}; there are auto, {', '.join(layouts.TITLES)}")
    report = Report(root, layout)
    report.faults += layouts.unfinished(root)
    try:
        report.taxonomies = layouts.taxonomies(layout, root)
    except InputError as error:
        report.faults.append(one_line(error))
        return report
    for name in layouts.splits(layout, root):
        try:
            dataset = _opened(report, name)
        except (ValueError, OSError) as error:
            report.faults.append(one_line(error))
            report.splits.append(Split(name))
            continue
        report.taxonomy = dataset.taxonomy
        report.splits.append(_read(dataset, name, report, workers, quiet))
    _note(report)
    return report


def _opened(report: Report, split: str) -> FileDataset:
    taxonomy: Taxonomy | None = CAMVID_11 if report.layout == "camvid" else CITYSCAPES_16
    if report.layout == "own":
        taxonomy = None
    return open_dataset(report.layout, report.root, split, taxonomy, whole=False)


def _read(dataset: FileDataset, name: str, report: Report, workers: int | None, quiet: bool) -> Split:
    split = Split(name, pictures=len(dataset))
    missing: dict[str, list[Path]] = {}
    turned: list[Path] = []
    pool = ThreadPoolExecutor(workers or cores(), thread_name_prefix="check")
    try:
        seen_in_order = pool.map(partial(_look_at, dataset), range(len(dataset)))
        for seen in tracked(seen_in_order, f"{name}: reading", len(dataset), quiet=quiet):
            split.found.update(seen.good)
            split.sizes.update([seen.size] if seen.size else [])
            split.focal += seen.focal
            if seen.classes is not None:
                split.classes += seen.classes
            if seen.depth_m is not None:
                known = split.depth_m or seen.depth_m
                split.depth_m = min(known[0], seen.depth_m[0]), max(known[1], seen.depth_m[1])
            report.faults += seen.faults
            turned += seen.turned
            for kind, path in seen.missing:
                missing.setdefault(kind, []).append(path)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the rest
    for kind, paths in missing.items():
        report.faults.append(_missing_line(name, kind, paths, len(dataset)))
    report.faults += _strays(dataset)
    if turned:
        report.notes.append(_turned_line(name, turned, report.layout))
    return split


def _look_at(dataset: FileDataset, index: int) -> _Seen:
    """Read one sample; where that fails, each of its files on its own, so that all faults are named."""
    seen = _Seen()
    files = dataset.files(index)
    try:
        sample = dataset[index]
    except (ValueError, OSError, MemoryError) as error:
        line = one_line(error)
    else:
        seen.good = set(files)
        seen.size = (sample.image.shape[1], sample.image.shape[0])
        seen.focal = sample.focal_px is not None
        if sample.labels is not None:
            seen.classes = np.bincount(sample.labels.ravel(), minlength=256)
        if sample.depth_m is not None:
            known = sample.depth_m[(sample.depth_m > 0) & (sample.depth_m < FARTHEST_M)]
            seen.depth_m = (float(known.min()), float(known.max())) if known.size else None
        images = [path for path in files.values() if path.suffix.lower() in _EXIF_SUFFIXES]
        seen.turned = [path for path in images if reading.orientation(path) != 1]
        return seen
    for kind, path in files.items():
        if not path.exists():
            seen.missing.append((kind, path))
        elif printable(str(path)) not in line:
            fault = _unreadable(kind, path)
            seen.faults += [fault] if fault else []
            seen.good |= set() if fault else {kind}
    if not any(printable(str(path)) in line for _, path in seen.missing):
        seen.faults.insert(0, line)
    return seen


def _unreadable(kind: str, path: Path) -> str | None:
    try:
        if kind == "camera":
            read_json(path, dict)
        elif kind == "picture":
            reading.read_rgb(path)
        else:
            reading.read_png(path)
    except ValueError as error:
        return one_line(error)
    return None


def _missing_line(split: str, kind: str, paths: list[Path], pictures: int) -> str:
    what = {"picture": "the picture file", "camera": "the camera file"}.get(kind, kind)
    return f"{split}: {len(paths)} of {pictures} pictures lack {what}, the first {paths[0]}"


def _turned_line(split: str, paths: list[Path], layout: str) -> str:
    named = ", ".join(str(path) for path in paths[:_MOST_NAMED])
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    files = "1 file has" if len(paths) == 1 else f"{len(paths)} files have"
    used = "they are used upright"
    if layout != "frames":
        used = (
            "pixels are used as stored, so labels and depth must be stored the same way; to be sure, rotate "
            "the pixels and remove the tag"
        )
    return f"warning: {split}: {files} an EXIF orientation other than 1: {named}{more}; {used}"


def _strays(dataset: FileDataset) -> Iterator[str]:
    """Folders of labels or depth that hold files of pictures which are not there: half a download."""
    expected: dict[tuple[Path, str], set[str]] = {}
    for index, name in enumerate(dataset.names):
        for kind, path in dataset.files(index).items():
            if kind in ("labels", "depth"):
                ending = path.name.removeprefix(name) if path.name.startswith(name) else path.suffix
                expected.setdefault((path.parent, ending), set()).add(path.name)
    for (folder, ending), names in expected.items():
        if not folder.is_dir():
            continue
        there = {path.name for path in folder.iterdir() if path.name.endswith(ending) and path.name[0] != "."}
        beyond = sorted(there - names)
        if beyond:
            yield (
                f"{folder}: {len(beyond)} of {len(there)} files have no picture, the first {beyond[0]}; "
                "are the pictures half downloaded?"
            )


def _note(report: Report) -> None:
    generated = (report.root / "street.json").exists()
    for split in report.splits:
        published = PUBLISHED.get(report.layout, {}).get(split.name, split.pictures)
        if 0 < split.pictures != published and not generated:
            report.notes.append(f"{split.name}: {split.pictures} pictures; the published set has {published}")
    there = {split.name for split in report.splits}
    for name, needs in (("train", "adapting to it"), ("val", "scoring on it")):
        if name in layouts.divided(report.layout) and name not in there:
            report.notes.append(f"there is no split {name}, which {needs} takes")
    taxonomy = report.taxonomy
    if taxonomy is None:
        return
    counts = sum((split.classes for split in report.splits), np.zeros(256, np.int64))
    labelled = [split for split in report.splits if split.found["labels"]]
    if labelled and not counts[: len(taxonomy)].any():
        report.faults.append(f"{report.root}: no pixel of any class; all labels are ignored ones")
    elif labelled:
        unseen = [name for index, name in enumerate(taxonomy.names) if not counts[index]]
        if unseen:
            report.notes.append(f"no pixel of {', '.join(unseen)}: trained on this set, they are never learned")
    depths = [split for split in report.splits if split.found["depth"]]
    if depths and not any(split.focal for split in depths):
        report.notes.append("no focal length is known: depth is that of this one camera")
    if report.layout in ("cityscapes", "mapillary-v1.2", "mapillary-v2.0"):
        report.notes.append("labels and depth are read of val alone: adaptation uses none of train")
