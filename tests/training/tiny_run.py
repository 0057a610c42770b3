"""A tiny data set in SYNTHIA's layout (coloured blocks with depth, every class in it) and a run on it."""

import json
from pathlib import Path

import cv2
import numpy as np

from depdis_training.config import load_config
from depdis_training.settings import Config

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


TINY = """
source: {layout: synthia, street: null}
target: {layout: synthia, street: null}
validation: {layout: synthia, street: null}
network: {start: scratch}
input: {kind: area, width: 96, height: 64, canonical_focal_px: 80}
augment: {crop: [64, 48], scale: [0.8, 1.5], colour: 0.1}
mixtures: {pictures: 8, components: 2, per_class: 500}
optimizer: {warm_up: 2}
discriminator: {layers: 2}
training: {iterations: 24, batch: 2, average: 0.9, log_every: 2, checkpoint_every: 5, validate_every: 12,
           validation_pictures: 3}
labels: {class_balanced: true, base: 1, span: 4, reference: [96, 64], reestimate: true}
self_training: {rounds: 2, iterations: 6, batch: 2}
"""


def tiny_config(folder: Path, blocks: Path, *settings: str) -> Config:
    """A training of some seconds on `blocks`; its file is left in `folder`."""
    path = folder / "tiny.yaml"
    path.write_text(TINY)
    roots = {f"{role}.root": str(blocks) for role in ("source", "target", "validation")}
    return load_config(str(path), settings, roots)
