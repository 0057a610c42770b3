"""Class names, palettes, and the coarser views of the 16 classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IGNORE = 255

Colour = tuple[int, int, int]


def _is_level(value: object) -> bool:
    return isinstance(value, Integral) and 0 <= int(value) <= 255


@dataclass(frozen=True)
class Taxonomy:
    """The classes of a label map: a label's value is an index into `names`; 255 is unlabelled."""

    names: tuple[str, ...]
    palette: tuple[Colour, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= IGNORE:
            raise ValueError(f"a taxonomy holds 1 to {IGNORE} classes, got {len(self.names)}")
        if not all(
            isinstance(name, str) and name.isprintable() and 0 < len(name) <= 100 for name in self.names
        ):
            raise ValueError("class names are printable, of 1 to 100 letters")
        if len(set(self.names)) != len(self.names):
            twice = next(name for index, name in enumerate(self.names) if name in self.names[:index])
            raise ValueError(f"class names must differ, got {twice!r} twice")
        if len(self.palette) != len(self.names):
            raise ValueError(f"{len(self.names)} classes need as many colours, got {len(self.palette)}")
        if any(len(colour) != 3 or not all(map(_is_level, colour)) for colour in self.palette):
            raise ValueError("colours are (red, green, blue), each a whole number of 0..255")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The label value of a class; ValueError names the classes there are."""
        try:
            return self.names.index(name)
        except ValueError:
            raise ValueError(f"no class named {name!r}; the classes are {', '.join(self.names)}") from None

    def lookup(self, mapping: Mapping[str, str], target: Taxonomy) -> NDArray[np.uint8]:
        """A (256,) uint8 table from this taxonomy's labels to `target`'s; what `mapping` leaves out is 255."""
        import numpy as np

        table = np.full(256, IGNORE, np.uint8)
        for name, target_name in mapping.items():
            table[self.index(name)] = target.index(target_name)
        return table


CITYSCAPES_16 = Taxonomy(
    names=(
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
        "vegetation", "sky", "person", "rider", "car", "bus", "motorcycle", "bicycle",
    ),
    palette=(
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
        (250, 170, 30), (220, 220, 0), (107, 142, 35), (70, 130, 180), (220, 20, 60), (255, 0, 0),
        (0, 0, 142), (0, 60, 100), (0, 0, 230), (119, 11, 32),
    ),
)  # fmt: skip

CITYSCAPES_7 = Taxonomy(
    names=("flat", "construction", "object", "nature", "sky", "human", "vehicle"),
    palette=(
        (128, 64, 128), (70, 70, 70), (153, 153, 153), (107, 142, 35), (70, 130, 180), (220, 20, 60),
        (0, 0, 142),
    ),
)  # fmt: skip

CAMVID_11 = Taxonomy(
    names=(
        "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
        "bicyclist",
    ),
    palette=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
)  # fmt: skip

# The 13 of the 16 classes over which earlier work reports (mIoU*): wall, fence and pole left out.
CLASSES_13 = tuple(name for name in CITYSCAPES_16.names if name not in ("wall", "fence", "pole"))

# Cityscapes' own categories.
VIEW_7 = {
    "road": "flat", "sidewalk": "flat",
    "building": "construction", "wall": "construction", "fence": "construction",
    "pole": "object", "traffic light": "object", "traffic sign": "object",
    "vegetation": "nature", "sky": "sky",
    "person": "human", "rider": "human",
    "car": "vehicle", "bus": "vehicle", "motorcycle": "vehicle", "bicycle": "vehicle",
}  # fmt: skip

VIEW_CAMVID = {
    "sky": "sky", "building": "building", "wall": "building", "pole": "pole", "road": "road",
    "sidewalk": "pavement", "vegetation": "tree", "traffic light": "sign", "traffic sign": "sign",
    "fence": "fence", "car": "car", "bus": "car", "person": "pedestrian",
    "rider": "bicyclist", "motorcycle": "bicyclist", "bicycle": "bicyclist",
}  # fmt: skip


def view_7() -> NDArray[np.uint8]:
    """The (256,) table from the 16 classes to the 7 of Cityscapes' categories."""
    return CITYSCAPES_16.lookup(VIEW_7, CITYSCAPES_7)


def view_camvid() -> NDArray[np.uint8]:
    """The (256,) table from the 16 classes to CamVid's 11."""
    return CITYSCAPES_16.lookup(VIEW_CAMVID, CAMVID_11)
