"""A rigid object: its shape, its mass, and what they become in MuJoCo."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, Literal, get_args

import mujoco
import numpy as np
from jaxtyping import Float

from handsim.convex import MAX_EXTENT, hull_volume
from handsim.errors import FormatError, InputError, unknown
from handsim.files import one_line

Shape = Literal["box", "cylinder", "sphere", "capsule", "ellipsoid", "mesh"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
ORANGE = (0.85, 0.47, 0.23, 1.0)

_REQUIRED = ("name", "shape", "size", "mass")
_EXTENTS = {
    "cylinder": "diameter, diameter, height",
    "sphere": "three times the diameter",
    "capsule": "twice the diameter and, along any one axis, a greater length",
    "mesh": "the extents of its pieces",
}


@dataclass(frozen=True, eq=False)
class SceneObject:
    """A rigid object, z up as it stands on a table. `dataclasses.replace` makes a varied copy.

    Attributes:
        name: what it is called.
        shape: one of `SHAPES`.
        size: full extents along x, y and z [m]. A cylinder stands along z; a capsule lies along
            its longest extent.
        mass: [kg].
        friction: coefficient of sliding friction.
        rgba: colour and opacity, from 0 to 1.
        pieces: of a mesh, the vertices of its convex pieces in the object's frame [m], which is
            that of the mesh's file; the mass is spread evenly. The origin of any other shape is its
            centre.

    Raises:
        UnknownNameError: there is no such shape.
        InputError: a value means nothing, or the extents are none of that shape.
    """

    name: str
    shape: Shape
    size: tuple[float, float, float]
    mass: float
    friction: float = 1.0
    rgba: tuple[float, float, float, float] = ORANGE
    pieces: tuple[Float[np.ndarray, "_ 3"], ...] = ()

    def __post_init__(self) -> None:
        for attribute, value in _checked(vars(self)).items():
            object.__setattr__(self, attribute, value)
        if not self.mass > 0:
            raise InputError(f"mass: {self.mass}, expected a positive number [kg].")
        if self.friction < 0:
            raise InputError(f"friction: {self.friction}, expected a number of at least 0.")
        if not all(0 <= part <= 1 for part in self.rgba):
            raise InputError(f"rgba: {self.rgba}, expected four numbers from 0 to 1.")
        self._check_size()

    def _check_size(self) -> None:
        if not all(0 < extent <= MAX_EXTENT for extent in self.size):
            raise InputError(
                f"size: {self.size}, expected three of more than 0 and up to {MAX_EXTENT:g} m."
            )
        if (self.shape == "mesh") != bool(self.pieces):
            raise InputError(f"pieces: {len(self.pieces)} of them, expected them of a mesh only.")
        if not self._is_of_its_shape():
            expected = _EXTENTS[self.shape]
            raise InputError(f"size: {self.size}, expected of a {self.shape} {expected} [m].")

    def _is_of_its_shape(self) -> bool:
        short, middle, long = sorted(self.size)
        if self.shape == "cylinder":
            return bool(np.isclose(self.size[0], self.size[1]))
        if self.shape == "sphere":
            return bool(np.isclose(short, long))
        if self.shape == "capsule":
            return bool(np.isclose(short, middle)) and not np.isclose(middle, long)
        if self.shape == "mesh":
            return np.allclose(self.size, np.ptp(np.concatenate(self.pieces), axis=0))
        return True

    @property
    def rest_height(self) -> float:
        """Height of the frame's origin over the table the object stands on [m]."""
        if self.shape == "mesh":
            return -float(min(piece[:, 2].min() for piece in self.pieces))
        return self.size[2] / 2

    def scaled(self, factor: float | tuple[float, float, float]) -> "SceneObject":
        """The object in another size, of the same mass.

        Args:
            factor: of all extents, or of each.

        Raises:
            InputError: a factor is not positive, or what comes out is not the same shape.
        """
        factors = np.array(_numbers("factor", 3, factor if np.ndim(factor) else (factor,) * 3))
        if not (factors > 0).all():
            raise InputError(f"factor: {factor}, expected positive numbers.")
        size = factors * self.size
        return replace(
            self,
            size=_numbers("size", 3, size.tolist()),
            pieces=tuple(piece * factors for piece in self.pieces),
        )

    def add_geoms(self, spec: mujoco.MjSpec, body: mujoco.MjsBody) -> list[mujoco.MjsGeom]:
        """Give `body`, whose frame becomes the object's, its geoms with their masses.

        Contact parameters, friction too, are left to the scene.

        Args:
            spec: the spec `body` belongs to.
            body: a body with a name.
        """
        if self.shape == "mesh":
            return self._add_meshes(spec, body)
        kind, size, quat = _geom(self.shape, self.size)
        return [body.add_geom(type=kind, size=size, quat=quat, mass=self.mass, rgba=self.rgba)]

    def _add_meshes(self, spec: mujoco.MjSpec, body: mujoco.MjsBody) -> list[mujoco.MjsGeom]:
        volumes = np.array([hull_volume(piece) for piece in self.pieces])
        geoms = []
        for i, (piece, share) in enumerate(zip(self.pieces, volumes / volumes.sum(), strict=True)):
            # MuJoCo makes the faces of the hull itself.
            mesh = spec.add_mesh(name=f"{body.name}/{i}", uservert=piece.ravel())
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
            geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name)
            geom.mass, geom.rgba = self.mass * share, self.rgba
            geoms.append(geom)
        return geoms

    def as_dict(self) -> dict[str, Any]:
        """The object in what JSON has, for `from_dict`."""
        values = {"name": self.name, "shape": self.shape, "mass": self.mass}
        values |= {"size": list(self.size), "friction": self.friction, "rgba": list(self.rgba)}
        return values | {"pieces": [piece.tolist() for piece in self.pieces]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SceneObject":
        """The object that `as_dict` described.

        Raises:
            FormatError: something is missing or unknown.
            InputError: a value means nothing.
        """
        check_keys("The object", values, _REQUIRED, tuple(_CHECKS))
        return cls(**_checked(values))


def check_keys(
    source: str | Path, said: Mapping[str, Any], required: tuple[str, ...], known: tuple[str, ...]
) -> None:
    """Make sure that `said` has all `required` keys and none but the `known`.

    Raises:
        FormatError: it does not, or has others; the message begins with `source`.
    """
    missing, odd = [k for k in required if k not in said], [k for k in said if k not in known]
    if missing:
        raise FormatError(f"{source} lacks {missing[0]!r}, expected {', '.join(required)}.")
    if odd:
        raise FormatError(f"{source} has the key {odd[0]!r}. Available: {', '.join(known)}.")


def _geom(
    shape: Shape, size: tuple[float, float, float]
) -> tuple[mujoco.mjtGeom, list[float], list[float]]:
    """MuJoCo's type, size and orientation of a primitive."""
    half, upright = [extent / 2 for extent in size], [1.0, 0.0, 0.0, 0.0]
    kinds = mujoco.mjtGeom
    if shape == "box":
        return kinds.mjGEOM_BOX, half, upright
    if shape == "ellipsoid":
        return kinds.mjGEOM_ELLIPSOID, half, upright
    if shape == "sphere":
        return kinds.mjGEOM_SPHERE, [half[0], 0.0, 0.0], upright
    if shape == "cylinder":
        return kinds.mjGEOM_CYLINDER, [half[0], half[2], 0.0], upright
    radius, length = min(half), max(half)
    turned = 0.5**0.5
    along_x, along_y = [turned, 0.0, turned, 0.0], [turned, -turned, 0.0, 0.0]
    quat = (along_x, along_y, upright)[half.index(length)]
    return kinds.mjGEOM_CAPSULE, [radius, length - radius, 0.0], quat


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that are attributes, each as its type has it."""
    return {key: check(values[key]) for key, check in _CHECKS.items() if key in values}


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"name: {name!r}, expected a word.")
    return name


def _checked_shape(shape: Any) -> Shape:
    if shape not in SHAPES:
        raise unknown("shape", shape, SHAPES)
    return shape


def _checked_pieces(pieces: Any) -> tuple[Float[np.ndarray, "_ 3"], ...]:
    if not isinstance(pieces, (list, tuple)):
        raise InputError(f"pieces: {pieces!r:.80}, expected a list of pieces.")
    return tuple(_checked_piece(piece) for piece in pieces)


def _checked_piece(piece: Any) -> Float[np.ndarray, "_ 3"]:
    try:
        points = np.array(piece, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"pieces: {one_line(error)}, expected vertices.") from error
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise InputError(f"pieces: shape {points.shape}, expected (V, 3) finite numbers.")
    if not hull_volume(points) > 0:
        raise InputError("pieces: one of them is flat, expected a solid.")
    points.flags.writeable = False
    return points


def _number(what: str, value: Any) -> float:
    if not isinstance(value, Real) or not np.isfinite(float(value)):
        raise InputError(f"{what}: {value!r}, expected a finite number.")
    return float(value)


def _numbers(what: str, count: int, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, (list, tuple, np.ndarray)) or len(values) != count:
        raise InputError(f"{what}: {values!r}, expected {count} numbers.")
    return tuple(_number(what, value) for value in values)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": _checked_name,
    "shape": _checked_shape,
    "size": partial(_numbers, "size", 3),
    "mass": partial(_number, "mass"),
    "friction": partial(_number, "friction"),
    "rgba": partial(_numbers, "rgba", 4),
    "pieces": _checked_pieces,
}
