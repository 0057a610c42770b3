"""Which layout a folder has, and which splits of it are there."""

from __future__ import annotations

from pathlib import Path

from depdis_deploy.address import masked
from depdis_deploy.command import InputError
from depdis_deploy.json_files import read_json, shown
from depdis_deploy.sources import find_sources

from . import own
from .description import FILE
from .label_maps import readable_in

TITLES = {
    "synthia": "SYNTHIA-RAND-CITYSCAPES",
    "cityscapes": "Cityscapes",
    "mapillary-v1.2": "Mapillary Vistas v1.2",
    "mapillary-v2.0": "Mapillary Vistas v2.0",
    "camvid": "CamVid (SegNet's copy)",
    "own": "a user's own set",
    "frames": "pictures or videos without labels",
}
# The folder of each split's pictures; a split is there when one of its folders is.
_SPLITS: dict[str, dict[str, tuple[str, ...]]] = {
    "cityscapes": {name: (f"leftImg8bit/{name}",) for name in ("train", "val", "test")},
    "mapillary": {
        "train": ("training", "train"), "val": ("validation", "val"), "test": ("testing", "test"),
    },
    "camvid": {name: (name, f"{name}annot") for name in ("train", "val", "test")},
    "own": {name: (f"images/{name}",) for name in ("train", "val", "test")},
}  # fmt: skip
_EXPECTED = (
    "RGB/ (SYNTHIA), leftImg8bit/ (Cityscapes), training/ or validation/ (Mapillary Vistas), "
    "train/ or val/ (CamVid), images/ and taxonomy.yaml (one's own), or pictures and videos"
)


def detect(root: Path) -> str:
    """The layout of the set at `root`; InputError says what was looked for, and where else a set lies."""
    if not root.exists():
        raise InputError(f"{masked(str(root))}: no such file or folder; give the root of a data set")
    layout = _layout(root)
    if layout is None:
        inner = [path for path in sorted(root.glob("*/")) if (_layout(path) or "frames") != "frames"]
        found = f"give {inner[0]}, which is one" if inner else f"found {_listed(root)}"
        raise InputError(f"{root}: no data set that is known: expected {_EXPECTED}; {found}")
    return layout


def _layout(root: Path) -> str | None:
    annotated = [f"{name}{end}" for name in ("train", "val", "test") for end in ("", "annot")]
    candidates = (
        ("synthia", any((root / name).is_dir() for name in ("RGB", "Depth", "GT", "parsed_LABELS"))),
        ("cityscapes", (root / "leftImg8bit").is_dir() or (root / "gtFine").is_dir()),
        ("own", (root / "images").is_dir() or (root / FILE).is_file()),
        (_mapillary(root), _mapillary(root) != ""),
        ("camvid", any((root / name).is_dir() for name in annotated)),
        ("frames", _has_frames(root)),
    )
    return next((layout for layout, is_there in candidates if is_there), None)


def _mapillary(root: Path) -> str:
    folders = [root / name for name in ("training", "validation", "testing")]
    inner = [root / name for name in ("train", "val", "test") if (root / name / "images").is_dir()]
    if not inner and not any(folder.is_dir() for folder in folders):
        return ""
    newer = (root / "config_v2.0.json").exists() or any((at / "v2.0").is_dir() for at in [*folders, *inner])
    return "mapillary-v2.0" if newer else "mapillary-v1.2"


def _has_frames(root: Path) -> bool:
    try:
        return any(source.kind in ("picture", "video") for source in find_sources([str(root)]))
    except ValueError:
        return False


def _listed(root: Path) -> str:
    names = sorted(path.name + "/" * path.is_dir() for path in root.iterdir()) if root.is_dir() else [root.name]
    return (
        ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "nothing"
    )


def divided(layout: str) -> tuple[str, ...]:
    """The splits that every set of the layout has; a user's own set may have none."""
    return () if layout == "own" else tuple(_SPLITS.get(layout.partition("-")[0], ()))


def splits(layout: str, root: Path) -> list[str]:
    """The splits that are there; `all` for a set that is not divided."""
    folders = _SPLITS.get(layout.partition("-")[0], {})
    there = [name for name, places in folders.items() if any((root / place).is_dir() for place in places)]
    return there or (["all"] if layout in ("synthia", "own", "frames") else ["train"])


def taxonomies(layout: str, root: Path) -> list[str]:
    """The names of the taxonomies that the set's labels can be read in; none for pictures alone."""
    if layout == "frames":
        return []
    return [*own.describe(root).readable_in(), "own"] if layout == "own" else readable_in(layout)


def unfinished(root: Path) -> list[str]:
    """Lines of what says that the set is not whole: parts of downloads, a generated set that was stopped."""
    lines = [
        f"{path}: an unfinished download; go on with it, then unpack it"
        for path in sorted(root.glob("*"))
        if path.suffix in (".part", ".partial", ".crdownload", ".aria2", ".download")
    ]
    description, finished = root / "street.json", root / "street.finished"
    if description.exists():
        wanted = read_json(description, dict).get("pictures", 0)
        if type(wanted) is not int:
            raise InputError(f"{description}: expected a number of pictures, got {shown(wanted)}")
        done = finished.read_text(encoding="utf-8").count("\n") if finished.exists() else 0
        if done < wanted:
            lines.append(
                f"{root}: {done} of {wanted} generated pictures; the same `depdis-data street` command goes on"
            )
    return lines
