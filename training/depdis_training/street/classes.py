"""The 16 classes' label values by name."""

from __future__ import annotations

from depdis_deploy.taxonomy import CITYSCAPES_16

ROAD = CITYSCAPES_16.index("road")
SIDEWALK = CITYSCAPES_16.index("sidewalk")
BUILDING = CITYSCAPES_16.index("building")
WALL = CITYSCAPES_16.index("wall")
FENCE = CITYSCAPES_16.index("fence")
POLE = CITYSCAPES_16.index("pole")
TRAFFIC_SIGN = CITYSCAPES_16.index("traffic sign")
VEGETATION = CITYSCAPES_16.index("vegetation")
