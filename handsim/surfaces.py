"""How far points are from the surface of an object: negative inside.

Closed forms after Íñigo Quílez, "Distance functions": exact for box, cylinder, sphere and capsule;
of an ellipsoid to first order, hence exact on its surface. A mesh is the union of its convex
pieces, each the intersection of half-spaces: exact beside a face, too near beside an edge and too
shallow inside where pieces meet.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float
from scipy.spatial import ConvexHull

from handsim.scene_object import SceneObject
from handsim.surface_parts import BOX, CYLINDER, box, cylinder

Distance = Callable[[np.ndarray], np.ndarray]
COMPILED = {"box": BOX, "cylinder": CYLINDER}
"""Shapes that `surface_parts.distances` knows."""


def distance_to(item: SceneObject) -> Distance:
    """The function from points (..., 3) in the object's frame [m] to signed distances (...) [m]."""
    half = np.array(item.size) / 2
    if item.shape == "mesh":
        return partial(_pieces, [ConvexHull(piece).equations for piece in item.pieces])
    if item.shape == "capsule":
        along = int(half.argmax())
        radius = float(half.min())
        return partial(_capsule, np.eye(3)[along] * (half[along] - radius), radius)
    if item.shape == "sphere":
        return partial(_capsule, np.zeros(3), float(half[0]))
    return partial({"box": _box, "cylinder": _cylinder, "ellipsoid": _ellipsoid}[item.shape], half)


def centre(item: SceneObject) -> Float[np.ndarray, " 3"]:
    """The middle of the object's extents, in its frame [m]."""
    if item.shape != "mesh":
        return np.zeros(3)
    points = np.concatenate(item.pieces)
    return (points.min(axis=0) + points.max(axis=0)) / 2


def normals(distance: Distance, points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
    """Outward unit normals of the level sets through `points`: the gradient of the distance."""
    step = 1e-6 * np.eye(3)
    ahead, behind = points[..., None, :] + step, points[..., None, :] - step
    gradient = (distance(ahead) - distance(behind)) / 2e-6
    return gradient / np.maximum(np.linalg.norm(gradient, axis=-1, keepdims=True), 1e-9)


def _box(half: np.ndarray, points: np.ndarray) -> np.ndarray:
    return box(half, points.reshape(-1, 3)).reshape(points.shape[:-1])


def _cylinder(half: np.ndarray, points: np.ndarray) -> np.ndarray:
    return cylinder(half, points.reshape(-1, 3)).reshape(points.shape[:-1])


def _capsule(end: np.ndarray, radius: float, points: np.ndarray) -> np.ndarray:
    """The axis goes from −`end` to `end`."""
    share = points @ end / max(float(end @ end), 1e-18)
    offset = points - np.clip(share, -1.0, 1.0)[..., None] * end
    return np.sqrt((offset * offset).sum(-1)) - radius


def _ellipsoid(half: np.ndarray, points: np.ndarray) -> np.ndarray:
    scaled, steep = points / half, points / half**2
    length, slope = np.sqrt((scaled * scaled).sum(-1)), np.sqrt((steep * steep).sum(-1))
    # In the middle length and slope vanish together, their ratio being about the least half axis.
    ratio = np.where(slope > 1e-9, length / np.maximum(slope, 1e-9), half.min())
    return ratio * (length - 1.0)


def _pieces(equations: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    depths = [(points @ e[:, :3].T + e[:, 3]).max(axis=-1) for e in equations]
    return np.min(depths, axis=0)
