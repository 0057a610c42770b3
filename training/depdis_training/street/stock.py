"""A scene's store of objects: a few of each kind are built, then set down many times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from depdis_training.street.cameras import View
from depdis_training.street.course import Course
from depdis_training.street.mesh import Mesh
from depdis_training.street.palette import Palette


@dataclass(frozen=True)
class Mover:
    """An object that moves along the street: its meshes show the phases of one step, `stride` metres long."""

    phases: tuple[Mesh, ...]
    x: float
    z: float
    y: float
    yaw: float
    vx: float
    vz: float
    stride: float = 1.4

    def at(self, time_s: float, course: Course) -> Mesh:
        """The mesh where it is at a time."""
        way = float(np.hypot(self.vx, self.vz)) * time_s / self.stride
        phase = self.phases[int(way * len(self.phases)) % len(self.phases)]
        return course.place(
            phase, self.x + self.vx * time_s, self.z + self.vz * time_s, y=self.y, yaw=self.yaw
        )  # fmt: skip


@dataclass
class Stage:
    """What is being set up: the random source, the view, and everything placed so far.

    moving: keep what moves apart, with `phases` meshes for a step of those who walk.
    """

    rng: np.random.Generator
    palette: Palette
    view: View
    course: Course
    moving: bool = False
    still: list[Mesh] = field(default_factory=list)
    movers: list[Mover] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)
    _stock: dict[object, list[tuple[Mesh, ...]]] = field(default_factory=dict)

    def chance(self, share: float) -> bool:
        """True in that share of draws."""
        return bool(self.rng.random() < share)

    def uniform(self, low: float, high: float) -> float:
        """A number between two."""
        return float(self.rng.uniform(low, high))

    def sees(self, x: float, z: float, radius: float) -> bool:
        """Whether an object at street coordinates may show."""
        return self.view.sees(x + self.course.offset(z), z, radius)

    def detail(self, x: float, z: float) -> float:
        """How finely an object there is worth building: 1 near, 0.2 far."""
        if self.moving:  # the camera will come nearer
            z = max(0.0, z - 40.0)
        distance = self.view.distance(x + self.course.offset(z), z)
        return 1.0 if distance < 14 else 0.6 if distance < 32 else 0.3

    def stocked(
        self, key: object, build: Callable[[], Mesh | tuple[Mesh, ...]], variants: int
    ) -> tuple[Mesh, ...]:
        """One of at most `variants` objects of a kind, built when first needed."""
        shelf = self._stock.setdefault(key, [])
        if len(shelf) < variants:
            made = build()
            shelf.append(made if isinstance(made, tuple) else (made,))
            return shelf[-1]
        return shelf[int(self.rng.integers(len(shelf)))]

    def free(self, x: float, z: float, half_x: float, half_z: float) -> bool:
        """Whether a box at street coordinates is clear of the camera and of all else; takes it if so."""
        if abs(x - self.view.x) < half_x + 0.5 and abs(z - self.view.z) < half_z + 0.7:
            return False
        for other_x, other_z, other_half_x, other_half_z in self.taken:
            if abs(x - other_x) < half_x + other_half_x and abs(z - other_z) < half_z + other_half_z:
                return False
        self.taken.append((x, z, half_x, half_z))
        return True

    def put(
        self, mesh: Mesh, x: float, z: float, *, y: float = 0.0, yaw: float = 0.0, scale: float = 1.0
    ) -> None:
        """Set an object down."""
        self.still.append(self.course.place(mesh, x, z, y=y, yaw=yaw, scale=scale))

    def move(
        self, phases: tuple[Mesh, ...], x: float, z: float, *, yaw: float, speed: float, y: float = 0.0
    ) -> None:  # fmt: skip
        """Set down what moves, at `speed` in the direction it faces."""
        mover = Mover(phases, x, z, y, yaw, speed * float(np.sin(yaw)), speed * float(np.cos(yaw)))
        self.movers.append(mover)
