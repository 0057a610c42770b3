"""How a street runs: a bend and a climb that begin some way ahead."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depdis_training.street.mesh import Mesh


@dataclass(frozen=True)
class Course:
    """Street coordinates (x across, z along, metres) to the world's: a street straight up to `bend_start`.

    curvature: 1/m, positive to the right; the bend ends where its slope reaches `slope_limit`.
    climb: the slope that the street nears beyond `climb_start`, negative downhill.
    """

    bend_start: float = 0.0
    curvature: float = 0.0
    slope_limit: float = 0.6
    climb_start: float = 0.0
    climb: float = 0.0

    def offset(self, z: float) -> float:
        """By how much the street has moved to the right at z."""
        ahead = max(z - self.bend_start, 0.0)
        bent = min(ahead, self._bent_at_most())
        return self.curvature * bent * (ahead - bent / 2)

    def slope(self, z: float) -> float:
        """The offset's derivative."""
        steepness = abs(self.curvature) * max(z - self.bend_start, 0.0)
        return math.copysign(min(steepness, self.slope_limit), self.curvature)

    def height(self, z: float) -> float:
        """The ground's height at z."""
        ahead = max(z - self.climb_start, 0.0)
        return self.climb * ahead**2 / (ahead + 30.0)

    def points(self, points: ArrayLike) -> NDArray[np.float64]:
        """Street points (..., 3) in the world."""
        world = np.array(points, np.float64)
        ahead = np.maximum(world[..., 2] - self.bend_start, 0.0)
        bent = np.minimum(ahead, self._bent_at_most())
        world[..., 0] += self.curvature * bent * (ahead - bent / 2)
        ahead = np.maximum(world[..., 2] - self.climb_start, 0.0)
        world[..., 1] += self.climb * ahead**2 / (ahead + 30.0)
        return world

    def _bent_at_most(self) -> float:
        """The length of the bend in metres."""
        return self.slope_limit / max(abs(self.curvature), 1e-9)

    def place(
        self, mesh: Mesh, x: float, z: float, *, y: float = 0.0, yaw: float = 0.0, scale: float = 1.0
    ) -> Mesh:
        """An object set down at street coordinates, turned with the street."""
        return mesh.placed(
            x + self.offset(z), z, y=y + self.height(z),
            yaw=yaw + math.atan(self.slope(z)), scale=scale,
        )  # fmt: skip
