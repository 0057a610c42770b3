"""A tiny data set in SYNTHIA's layout: coloured blocks with depth, enough for every class to occur."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

IDS = (3, 4, 2, 21, 5, 7, 15, 9, 6, 1, 10, 17, 8, 19, 12, 11)  # SYNTHIA's of the 16 classes
SKY = 9


def write_blocks(root: Path, pictures: int = 10, width: int = 96, height: int = 64) -> Path:
    for name in ("RGB", "parsed_LABELS", "Depth"):
        (root / name).mkdir(parents=True)
    colours = np.random.default_rng(0).integers(0, 256, (16, 3))
    cameras = {}
    for index in range(pictures):
        rng = np.random.default_rng([1, index])
        blocks = rng.permutation(np.arange(24) % 16).reshape(4, 6)
        labels = np.kron(blocks, np.ones((height // 4, width // 6), int))
        depth_m = 2.0 + labels + 20 * np.linspace(1, 0, height)[:, None]
        depth_cm = np.where(labels == SKY, 65535, 100 * depth_m).astype(np.uint16)
        image = np.clip(colours[labels] + rng.normal(0, 10, (height, width, 3)), 0, 255).astype(np.uint8)
        file = f"{index:07d}.png"
        cv2.imwrite(str(root / "RGB" / file), image[..., ::-1])
        cv2.imwrite(str(root / "parsed_LABELS" / file), np.array(IDS, np.uint8)[labels])
        cv2.imwrite(str(root / "Depth" / file), depth_cm)
        cameras[f"{index:07d}"] = {"focal_px": 80.0 + index}
    (root / "cameras.json").write_text(json.dumps(cameras))
    return root


@pytest.fixture(scope="session")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a set of 10 pictures, 96x64."""
    return write_blocks(tmp_path_factory.mktemp("blocks") / "set")
