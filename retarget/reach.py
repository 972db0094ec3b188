"""Which pinches a robot hand can make at all: the fingers whose tip the thumb's can touch.

A pull on a pinch that the hand cannot close costs every other target of the frame, and a score
that asks for it measures the hand and not the method. Both leave such fingers out.
"""

from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float

from handsim.contact import self_penetration, tip_gaps
from handsim.hands.robot_hand import RobotHand
from retarget.objective import Objective
from retarget.reference import Gaps, Joints, Reference
from retarget.solvers.newton import newton

TOUCH = 0.002
"""Tips nearer than this [m] touch: twice the margin that self-collision keeps."""
STARTS = 4
"""Random poses a search starts from; sixty-four find nothing more on the catalogue's hands."""
PULL, COLLISION = 1.0, 10.0
"""Weights of the gap and of self-collision: tips that pull at each other stop 0.9 mm apart."""


_found: WeakKeyDictionary[RobotHand, Bool[np.ndarray, " F1"]] = WeakKeyDictionary()


def reachable_pinches(hand: RobotHand) -> Bool[np.ndarray, " F1"]:
    """Whether the thumb's tip can touch each other finger's, in the order of `fingers[1:]`.

    It is searched for once a hand.

    Raises:
        InputError: a fingertip has no colliding geom.
    """
    if hand not in _found:
        _found[hand] = least_pinch_gaps(hand) <= TOUCH
    return _found[hand]


def least_pinch_gaps(hand: RobotHand) -> Float[np.ndarray, " F1"]:
    """How near the thumb's tip comes to each other finger's without any links overlapping [m].

    For each pinch the distance of the two pads and all self-collision are minimised from several
    poses of the whole hand. What is returned is the least distance of the tips' surfaces found,
    or the deepest overlap of two links there if that is more.

    Raises:
        InputError: a fingertip has no colliding geom.
    """
    pinches = len(hand.fingers) - 1
    objective = Objective(hand, _search(hand))
    qpos = objective.qpos(newton(objective).x[1::2])
    wanted = np.tile(np.eye(pinches, dtype=bool), (STARTS, 1))
    worst = np.maximum(tip_gaps(hand, qpos)[wanted], self_penetration(hand, qpos))
    return worst.reshape(STARTS, pinches).min(axis=0)


def _search(hand: RobotHand) -> Reference:
    """Two frames a search: one that goes to its start, one that closes the pinch from there."""
    pinches, inputs = len(hand.fingers) - 1, hand.tree.input_ids
    frames = 2 * STARTS * pinches
    low, high = hand.limits[inputs].T
    starts = np.random.default_rng(0).uniform(low, high, size=(STARTS, len(inputs)))
    going = np.arange(frames) % 2 == 0
    pull = PULL * np.tile(np.repeat(np.eye(pinches), 2, axis=0), (STARTS, 1))
    no_vectors = np.zeros(0, dtype=np.int64)
    return Reference(
        origin=no_vectors,
        point=no_vectors,
        target=np.zeros((frames, 0, 3)),
        weight=np.zeros((frames, 0)),
        delta=1.0,
        joints=Joints(
            target=np.repeat(starts, 2 * pinches, axis=0),
            weight=np.repeat(going[:, None].astype(float), len(inputs), axis=1),
        ),
        gaps=Gaps(
            pairs=np.array([[0, finger] for finger in range(1, pinches + 1)]),
            target=np.zeros((frames, pinches)),
            pull=np.where(going[:, None], 0.0, pull),
            push=np.zeros((frames, pinches)),
        ),
        collision=COLLISION,
        smoothness=0.0,
        posture=1e-4,
    )
