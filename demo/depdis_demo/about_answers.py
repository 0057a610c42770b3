"""What the About tab shows: the outputs on one picture, the mixtures behind the density, the model's card."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from depdis_deploy.command import UsageError
from depdis_deploy.mixtures import class_density
from depdis_deploy.pictures import read_picture
from depdis_deploy.predictor import BUNDLED_MODEL
from depdis_deploy.visualize import density_colours, depth_colours, overlay

from . import examples
from .picture import scales, url
from .room import Room

if TYPE_CHECKING:
    from numpy.typing import NDArray


EXAMPLE = "high-street"
_WIDE = 800  # of the pictures, in pixels
_INPUT = {
    "stretch": "your picture stretched to {}",
    "fit": "your picture, in its own shape, inside {}",
    "area": "your picture, in its own shape, with about as many as {}",
}
_MAP = (96, 54)  # places at which a mixture is evaluated


class AboutAnswers:
    """Made from the model that the page offers first, when the server starts."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.predictor = room.models.get(room.models.names[0])
        self.pictures = self._drawn()

    def first(self) -> dict[str, Any]:
        """All that the tab shows."""
        mixtures = self.predictor.manifest.density or {}
        return {
            "pictures": self.pictures, "scales": scales(), "map": list(_MAP), "card": self._card(),
            "classes": list(self.predictor.names), "mixtures": bool(mixtures.get("grid")),
        }  # fmt: skip

    def density(self, asked: dict[str, Any]) -> dict[str, Any]:
        """How usual a class is at each place at one depth, in 255ths, row by row."""
        try:
            found = class_density(
                self.predictor.manifest, str(asked.get("name")), float(asked.get("metres") or 0), _MAP
            )
        except (UsageError, ValueError) as error:
            return {"error": str(error)}
        levels = np.rint(255 * found).astype(np.uint8)
        return {
            "levels": base64.b64encode(levels.tobytes()).decode("ascii"),
            "most": round(float(found.max()), 2),
        }

    def _drawn(self) -> dict[str, str]:
        prediction = self.predictor(read_picture(examples.picture(EXAMPLE)))
        palette = self.predictor.manifest.taxonomy.palette
        drawn = {
            "picture": prediction.image,
            "classes": overlay(prediction.image, prediction.labels, palette, 0.75),
        }
        if prediction.depth is not None:
            drawn["depth"] = depth_colours(prediction.depth)
        if prediction.density is not None:
            drawn["density"] = density_colours(prediction.density)
        return {name: self._kept(name, image) for name, image in drawn.items()}

    def _kept(self, name: str, image: NDArray[np.uint8]) -> str:
        folder = self.room.visitors.results / "about"
        folder.mkdir(exist_ok=True)
        height = round(_WIDE * image.shape[0] / image.shape[1])
        small = cv2.resize(image, (_WIDE, height), interpolation=cv2.INTER_AREA)
        path = folder / f"{name}.jpg"
        cv2.imwrite(str(path), np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])
        return url(path)

    def _card(self) -> list[tuple[str, str]]:
        manifest = self.predictor.manifest
        rule = manifest.resize
        facts = [
            ("Running now", self.predictor.choice),
            ("Network", f"{manifest.backbone or 'not said'}, {manifest.precision}"),
            ("Input", _INPUT[rule.kind].format(f"{rule.width} × {rule.height} pixels")),
            ("Outputs", ", ".join(manifest.outputs)),
            ("Classes", ", ".join(manifest.taxonomy.names)),
        ]
        return facts + (_scores() if self.predictor.model.parent == BUNDLED_MODEL.parent else [])


def _scores() -> list[tuple[str, str]]:
    """What the bundled model scores, from the file beside it."""
    scores = json.loads(BUNDLED_MODEL.with_suffix(".json").read_text("utf-8"))["scores"]
    camvid, street = scores["camvid_validation"], scores["streets_random_100_seed_1000"]
    return [
        ("Trained on", "generated streets alone, from ImageNet weights of its backbone"),
        ("Real pictures", f"{camvid['mIoU 11 (%)']:.1f} mIoU on CamVid's 101 validation pictures, 11 classes"),
        (
            "Distances",
            f"off by {100 * street['depth abs_rel']:.0f} % on average on generated streets it never saw "
            f"({100 * street['depth abs_rel, best constant per row']:.0f} % for the best guess by image row)",
        ),
    ]  # fmt: skip
