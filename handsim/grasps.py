"""Grasps of an object that stands on a table, planned from the geometry alone.

The thumb's pad is put on one side of the object and the other fingers' pads on the opposite side,
each facing the surface, at one height, with all links outside the object and clear of the table
and each other: a `GraspProblem`, solved from several sides of the object.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from handsim.grasp_problem import GraspProblem, Solution
from handsim.hands.robot_hand import RobotHand
from handsim.poses import poses_from_matrices
from handsim.postures import natural
from handsim.scene_object import SceneObject
from handsim.surfaces import centre

OPENING, PRESSING = 0.025, 0.010
"""How far from the surface the pads wait, and how far inside it they are told to go [m]."""
RETREAT = 0.10
"""How far back the palm waits [m]."""
WIDEST = 0.09
"""Objects are not grasped across more than this [m]."""

_TILTS = np.radians([30.0, 90.0])
"""How steeply the fingers point down at first."""
_ALIKE = np.radians([-60.0, -40.0, -20.0, 0.0, 20.0, 40.0])
"""How the palm is turned about the way across to start from, where a grasp is to be like another.
"""
_CLOSING, _COMING = np.array([0.6, 0.0, 0.8]), np.array([0.8, 0.0, -0.6])
"""In the palm frame, about where the thumb's pad faces in a grasp, and where the palm moves to it.
"""
_DIGITS = 6
"""Plans are rounded so that the last bits of linear algebra, another on every machine, are lost."""
_STILL = 0.05
"""How much a joint's whole range weighs beside a pad's way [m]."""


@dataclass(frozen=True, eq=False)
class Grasp:
    """How a hand grasps an object, which stands on a table.

    Attributes:
        open, closed, pressed: qpos (nq,) [rad] before, at and inside the object's surface.
        palm: palm frame in the object's frame, x y z qw qx qy qz.
        retreat: from there to where the palm waits, in the object's frame [m].
        cost: of the least-squares problem; how well its wishes are met.
    """

    open: Float[np.ndarray, " nq"]
    closed: Float[np.ndarray, " nq"]
    pressed: Float[np.ndarray, " nq"]
    palm: Float[np.ndarray, " 7"]
    retreat: Float[np.ndarray, " 3"]
    cost: float


def plan_grasp(hand: RobotHand, item: SceneObject) -> Grasp:
    """The best grasp that is found.

    Raises:
        InputError: the object is too wide in every direction, or a fingertip has no colliding geom.
    """
    problems = [
        GraspProblem(hand, item, across, turn)
        for across in _ways_across(item)
        for turn in _turns(across)
    ]
    low, high = hand.limits[hand.independent_ids].T
    return _best(problems, hand.expand((hand.reduce(natural(hand)) + (low + high) / 2) / 2))


def grasp_like(
    hand: RobotHand,
    item: SceneObject,
    qpos: Float[np.ndarray, " nq"],
    turn: Rotation,
    across: Float[np.ndarray, " 3"],
    about: Float[np.ndarray, " 3"],
) -> Grasp:
    """The best grasp that is found from a posture and an orientation of the palm.

    Args:
        hand: the hand.
        item: the object.
        qpos: the posture [rad].
        turn: the palm's orientation in the object's frame; it is also tried turned about `across`.
        across: horizontal direction in the object's frame from the thumb's side to the fingers'.
        about: between the thumb and the fingers, in the object's frame [m].

    Raises:
        InputError: a fingertip has no colliding geom.
    """
    off = about - centre(item)
    middle = about - (off @ across) * across
    turns = [Rotation.from_rotvec(angle * across) * turn for angle in _ALIKE]
    return _best([GraspProblem(hand, item, across, t, middle) for t in turns], qpos)


def _best(problems: Sequence[GraspProblem], qpos: Float[np.ndarray, " nq"]) -> Grasp:
    """The grasp of the least cost that is found from a posture."""
    found = [(problem, problem.solved(_start(problem, qpos))) for problem in problems]
    return _grasp(*min(found, key=lambda pair: pair[1].cost))


def _ways_across(item: SceneObject) -> list[Float[np.ndarray, " 3"]]:
    """Horizontal directions that a hand can grasp across, one of those that are alike."""
    x, y, _ = item.size
    ways = [np.eye(3)[axis] for axis, width in enumerate((x, y)) if width <= WIDEST]
    if not ways:
        raise InputError(
            f"size: {item.size}, expected at most {WIDEST:g} m along x or y, for a hand to grasp."
        )
    return ways[:1] if np.isclose(x, y) else ways


def _turns(across: Float[np.ndarray, " 3"]) -> list[Rotation]:
    """Orientations of the palm, in the object's frame, to start from.

    Thumb and fingers close along one direction and the palm comes from another: the first is put
    across the object, the second comes from the side, from above or from between.
    """
    palm = np.stack([_CLOSING, _COMING, np.cross(_CLOSING, _COMING)], axis=1)
    sideways, turns = np.cross([0.0, 0.0, 1.0], across), []
    for tilt in _TILTS:
        for sign in (1.0, -1.0) if tilt < np.pi / 2 else (1.0,):
            way = np.cos(tilt) * sign * sideways - np.sin(tilt) * np.array([0.0, 0.0, 1.0])
            there = np.stack([across, way, np.cross(across, way)], axis=1)
            turns.append(Rotation.from_matrix(there @ palm.T))
    return turns


def _start(problem: GraspProblem, qpos: Float[np.ndarray, " nq"]) -> Float[np.ndarray, " n"]:
    """The posture, with the problem's centre between the tips."""
    tips = problem.hand.tips(qpos[None])[0]
    between = (tips[0] + tips[1:].mean(axis=0)) / 2
    return problem.unknowns(qpos, problem.centre - problem.turn.apply(between))


def _grasp(problem: GraspProblem, found: Solution) -> Grasp:
    hand = problem.hand
    closed = hand.expand(np.round(hand.reduce(problem.qpos(found.unknowns)), _DIGITS))
    inward = problem.inward(found.unknowns)
    palm = _rounded(poses_from_matrices(problem.palm(found.unknowns[None])[0]))
    back = palm[:3] - problem.centre
    back -= (back @ problem.across) * problem.across
    back[2] = max(back[2], 0.0)
    return Grasp(
        open=_moved(hand, closed, -OPENING * inward),
        closed=closed,
        pressed=_moved(hand, closed, PRESSING * inward),
        palm=palm,
        retreat=np.round(RETREAT * _unit(back), _DIGITS),
        cost=found.cost,
    )


def _moved(
    hand: RobotHand, qpos: Float[np.ndarray, " nq"], way: Float[np.ndarray, "F 3"]
) -> Float[np.ndarray, " nq"]:
    """The configuration near `qpos` whose tips are moved by `way` in the palm frame [m]."""
    low, high = hand.limits[hand.independent_ids].T
    start = np.clip(hand.reduce(qpos), low + 1e-6, high - 1e-6)
    targets = hand.tips(qpos[None])[0] + way

    def short(x: Float[np.ndarray, " m"]) -> Float[np.ndarray, " R"]:
        missed = hand.tips(hand.expand(x)[None])[0] - targets
        return np.concatenate([missed.ravel(), _STILL * (x - start) / (high - low)])

    return hand.expand(np.round(least_squares(short, start, bounds=(low, high)).x, _DIGITS))


def _rounded(pose: Float[np.ndarray, " 7"]) -> Float[np.ndarray, " 7"]:
    return np.concatenate([np.round(pose[:3], _DIGITS), _unit(np.round(pose[3:], _DIGITS))])


def _unit(vector: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return vector / np.linalg.norm(vector)
