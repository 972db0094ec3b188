"""MANO's mesh: parameters to vertices, joints and keypoints, with the user's model.

With β the betas, R the rotations of the 15 finger joints and 𝟙 the identity (Romero et al. 2017;
linear blend skinning as in Loper et al. 2015),

    v_rest = v_template + shapedirs β,     J = joint_regressor v_rest,
    v_posed = v_rest + posedirs vec(R − 𝟙),
    v = transl + Σ_j w_j (p_j + G_j (v_posed − J_j)),

where joint j stands at p_j and is turned by G_j, its parents' and its own rotations multiplied. The
wrist turns about itself. `mano.forward` is the same chain for any rest skeleton; it carries a tip
rigidly with its last joint, which the mesh does not quite.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from retarget.human.hand_trajectory import ManoParameters
from retarget.human.keypoints import FROM_MANO
from retarget.human.mano import TIP_VERTICES
from retarget.human.mano_model import PARENTS, ManoModel

_BLOCK = 256
"""Frames at a time: the products of a long motion would not fit the caches."""


class _Chain(NamedTuple):
    """Joints at rest and as posed, and the orientations of their frames."""

    rest: Float[np.ndarray, "T 16 3"]
    posed: Float[np.ndarray, "T 16 3"]
    turns: Float[np.ndarray, "T 16 3 3"]


def vertices(model: ManoModel, parameters: ManoParameters) -> Float[np.ndarray, "T 778 3"]:
    """The mesh [m]; NaN where the parameters are."""
    return _skinned(model, parameters, np.arange(len(model.v_template)))


def joints(model: ManoModel, parameters: ManoParameters) -> Float[np.ndarray, "T 16 3"]:
    """MANO's joints in MANO's order [m]; NaN where the parameters are."""
    return _chain(model, parameters).posed


def keypoints(
    model: ManoModel, parameters: ManoParameters, tips: Sequence[int] = TIP_VERTICES
) -> Float[np.ndarray, "T 21 3"]:
    """The 21 keypoints in the canonical order [m]; NaN where the parameters are.

    Args:
        model: of the side of the parameters.
        parameters: as in a `HandTrajectory`.
        tips: vertices at the tips of thumb, index, middle, ring and pinky. Those of smplx and
            HaMeR are the default; manotorch takes 745, 317, 444 (left 445), 556 and 673.
    """
    ends = _skinned(model, parameters, np.asarray(tips))
    return np.concatenate([joints(model, parameters), ends], axis=1)[:, list(FROM_MANO)]


def rest_keypoints(
    model: ManoModel, betas: Float[np.ndarray, "10"], tips: Sequence[int] = TIP_VERTICES
) -> Float[np.ndarray, "21 3"]:
    """Keypoints of the flat hand of a shape [m] where the model has them, its wrist not at 0.

    Less its wrist it is the rest skeleton that `mano.forward` takes.
    """
    shape = model.v_template + model.shapedirs @ betas
    ordered = np.concatenate([model.joint_regressor @ shape, shape[list(tips)]])
    return ordered[list(FROM_MANO)]


def _chain(model: ManoModel, parameters: ManoParameters) -> _Chain:
    directions = np.stack([model.joint_regressor @ d for d in np.moveaxis(model.shapedirs, -1, 0)])
    rest = model.joint_regressor @ model.v_template
    rest = rest + np.einsum("tb,bjc->tjc", parameters.betas, directions)
    turns = [parameters.global_orient]
    posed = [parameters.transl + rest[:, 0]]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        bone = rest[:, joint] - rest[:, parent]
        posed.append(posed[parent] + (turns[parent] @ bone[..., None])[..., 0])
        turns.append(turns[parent] @ parameters.hand_pose[:, joint - 1])
    return _Chain(rest, np.stack(posed, axis=1), np.stack(turns, axis=1))


def _skinned(
    model: ManoModel, parameters: ManoParameters, chosen: np.ndarray
) -> Float[np.ndarray, "T V 3"]:
    """The posed vertices of those indices."""
    chain = _chain(model, parameters)
    template, weights = model.v_template[chosen], model.weights[chosen]
    shapes = model.shapedirs[chosen].reshape(-1, 10).T
    poses = model.posedirs[chosen].reshape(-1, 135).T
    offsets = chain.posed - (chain.turns @ chain.rest[..., None])[..., 0]
    out = np.empty((len(parameters), len(chosen), 3))
    for block in _blocks(len(parameters)):
        bent = (parameters.hand_pose[block] - np.eye(3)).reshape(-1, 135)
        moved = (parameters.betas[block] @ shapes + bent @ poses).reshape(-1, *template.shape)
        turns = weights @ chain.turns[block].reshape(-1, len(PARENTS), 9)
        turned = np.einsum("tvij,tvj->tvi", turns.reshape(*moved.shape, 3), template + moved)
        out[block] = turned + weights @ offsets[block]
    return out


def _blocks(count: int) -> Iterator[slice]:
    yield from (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))
