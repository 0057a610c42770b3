"""A small trained-looking checkpoint, written once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from depdis_deploy.manifest import Manifest, ResizeRule
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.checkpoint import write_checkpoint
from depdis_training.network import Network, build_network


@pytest.fixture(scope="session")
def network() -> Network:
    torch.manual_seed(0)
    return build_network(16, "efficientnet_lite0", pretrained=True).eval()


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    return Manifest(
        taxonomy=CITYSCAPES_16,
        resize=ResizeRule(kind="area", width=256, height=128, multiple=32),
        canonical_focal_px=160.0,
        backbone="efficientnet_lite0",
    )


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, network: Network, manifest: Manifest) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "last.pt"
    write_checkpoint(path, network, manifest, config={}, step=1, state={})
    return path
