"""A film with its truth: drive.mp4, labels/000000.png ..., depth/, as `depdis-data street --drive` makes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from depdis_deploy.clip import open_clip
from depdis_deploy.command import InputError
from depdis_deploy.json_files import read_json
from depdis_deploy.sources import Frame, Source
from depdis_deploy.taxonomy import CITYSCAPES_16, Taxonomy
from depdis_training.label_figures import class_view

from . import reading
from .label_images import read_labels, written_code
from .samples import Sample

CLIP = "drive.mp4"
SPLITS = ("val", "all")


def is_drive(root: Path) -> bool:
    """Whether a film with its labels lies at `root`."""
    return (root / CLIP).is_file() and (root / "labels").is_dir()


class Drive:
    """All frames in order, under either split's name; their labels are the 16 classes, or a view of them.

    rate: frames a second. Read one after another they are decoded once; a step back begins the film anew.
    """

    def __init__(self, root: Path, split: str, taxonomy: Taxonomy, whole: bool = True) -> None:
        if split not in SPLITS:
            raise InputError(f"a drive has no split {split!r}; {' and '.join(SPLITS)} both mean the whole")
        if not is_drive(root):
            raise InputError(f"{root}: no drive: expected {CLIP} and a folder labels")
        self.taxonomy, self._root = taxonomy, root
        self._code = written_code(CITYSCAPES_16, class_view(CITYSCAPES_16, taxonomy))
        labels = reading.files(root / "labels", (".png",))
        self.names = [path.stem for path in labels]
        self._files = {"labels": labels}
        if (root / "depth").is_dir():
            self._files["depth"] = reading.counterparts(root / "depth", self.names)
        self._source = Source("video", str(root / CLIP), None)
        with open_clip(self._source) as clip:
            self.rate = float(clip.rate)
        camera = root / "camera.json"
        self._focal_px = reading.focal_length(read_json(camera, dict), camera) if camera.exists() else None
        for paths in self._files.values():
            reading.require(paths, str(root), whole)
        self._lock, self._next = Lock(), 0
        self._frames: Iterator[Frame] = iter(())

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name, files = self.names[index], self.files(index)
        image = self._frame(index).image
        labels = read_labels(files["labels"], self._code)
        depth_m = reading.read_depth_cm(files["depth"]) if "depth" in files else None
        reading.same_size(name, picture=image, labels=labels, depth=depth_m)
        return Sample(name, image, labels, depth_m, self._focal_px)

    def files(self, index: int) -> dict[str, Path]:
        """What sample `index` is read from."""
        found = {kind: paths[index] for kind, paths in self._files.items()}
        return {"picture": self._root / CLIP, **found}

    def _frame(self, index: int) -> Frame:
        with self._lock:
            if index < self._next or self._next == 0:
                self._frames, self._next = self._decoded(), 0
            frame = None
            while self._next <= index:
                frame = next(self._frames, None)
                if frame is None:
                    raise InputError(f"{self._root / CLIP}: ends before frame {index}, which has labels")
                self._next += 1
            assert frame is not None
            return frame

    def _decoded(self) -> Iterator[Frame]:
        with open_clip(self._source) as clip:
            yield from clip
