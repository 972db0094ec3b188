"""Objects that stand in scenes."""

from dataclasses import dataclass
from typing import Literal

import mujoco

_GEOMS = {"box": mujoco.mjtGeom.mjGEOM_BOX, "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER}


@dataclass(frozen=True)
class SceneObject:
    """A rigid object.

    Attributes:
        name: what it is called.
        shape: its form.
        size: full extents in its own frame, whose z points up when it stands [m].
        mass: [kg].
        friction: sliding friction.
        rgba: colour.
    """

    name: str
    shape: Literal["box", "cylinder"]
    size: tuple[float, float, float]
    mass: float
    friction: float = 1.0
    rgba: tuple[float, float, float, float] = (0.8, 0.4, 0.2, 1.0)

    @property
    def rest_height(self) -> float:
        """Height of the frame's origin above what it stands on [m]."""
        return self.size[2] / 2

    def add_geoms(self, spec: mujoco.MjSpec, body: mujoco.MjsBody) -> list[mujoco.MjsGeom]:
        """Add what it is made of to a body."""
        x, y, z = (extent / 2 for extent in self.size)
        size = [x, y, z] if self.shape == "box" else [x, z, 0]
        return [body.add_geom(type=_GEOMS[self.shape], size=size, mass=self.mass, rgba=self.rgba)]
