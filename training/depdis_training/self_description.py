"""What a trained model says of itself."""

from __future__ import annotations

from collections.abc import Collection

from depdis_deploy.manifest import OUTPUTS, Manifest

from .depth_distribution import DepthDistribution
from .experiment_data import taxonomy_of
from .settings import Config


def make_manifest(
    config: Config, branches: Collection[str], distribution: DepthDistribution | None
) -> Manifest:  # fmt: skip
    """What a model of a configuration says of itself; branches: those of its network."""
    return Manifest(
        taxonomy=taxonomy_of(config.source),
        resize=config.input.rule(),
        outputs=tuple(name for name in OUTPUTS if name in branches or name not in ("depth", "density")),
        dynamic=config.input.kind == "area",
        canonical_focal_px=config.input.canonical_focal_px,
        density=None if distribution is None else distribution.to_dict(),
        backbone=config.network.backbone,
    )
