"""Objects shared by the tests."""

from itertools import product

import numpy as np

import handsim


def slab(place: tuple[float, float, float] = (0.03, 0.02, 0.05)) -> handsim.SceneObject:
    """A mesh of two boxes side by side, 10 x 5 x 10 cm in all, about `place` in its frame."""
    corners = np.array(list(product((-0.025, 0.025), (-0.025, 0.025), (-0.05, 0.05))))
    pieces = tuple(corners + place + [x, 0.0, 0.0] for x in (-0.025, 0.025))
    size = tuple(np.ptp(np.concatenate(pieces), axis=0).tolist())
    return handsim.SceneObject("slab", "mesh", size, 0.2, pieces=pieces)
