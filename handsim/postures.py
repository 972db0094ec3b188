"""Postures that every hand can take: at ease, and thumb on index finger."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from handsim.contact import self_penetration, tip_gaps
from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand

CURL = 0.25
"""How far towards their limits joints are bent at ease."""
_MOST_CURL = 0.5
"""The most a joint is bent at ease, followers too at the pace they start with [rad]."""
_BENDING = 0.6
"""A joint bends a finger when the tip's motion makes at least this cosine with its pad's normal."""
_NEAR, _TOUCH = 0.01, 0.0005
"""Lengths [m] that count as one in the two steps of `pinch`: between tip points, then surfaces."""
_STARTS, _FINISHED = 4, 3
_FINISH = {"eps": 1e-5, "maxiter": 25}
_CLOSE = 0.1
"""Squared error of the touch, in units of its length, that needs no other start."""


def natural(hand: RobotHand) -> Float[np.ndarray, " nq"]:
    """The neutral configuration with every joint that bends a finger a quarter bent [rad]."""
    low, high = hand.limits[hand.independent_ids].T
    x = hand.reduce(hand.neutral)
    bending = _bending(hand, x)
    room = np.where(bending > 0, high - x, x - low)
    fastest = np.abs(hand.expand(x + 1e-5 * np.eye(len(x))) - hand.expand(x)).max(axis=1) / 1e-5
    return hand.expand(x + bending * np.minimum(CURL * room, _MOST_CURL / fastest))


def curled(hand: RobotHand, share: float) -> Float[np.ndarray, " nq"]:
    """The neutral configuration, every joint that bends a finger bent by a share of its room [rad].

    Args:
        share: 0 for the neutral configuration, 1 for fingers bent as far as they go.
    """
    low, high = hand.limits[hand.independent_ids].T
    x = hand.reduce(hand.neutral)
    bending = _bending(hand, x)
    return hand.expand(x + bending * share * np.where(bending > 0, high - x, x - low))


def pinch(hand: RobotHand) -> Float[np.ndarray, " nq"]:
    """A configuration in which the pads of thumb and index finger touch [rad], the rest natural.

    First the tip points are brought together with their pads face to face, from several fixed
    starts; then the distance between the surfaces of the two last links is brought to zero, and
    links that overlap apart. A hand that cannot reach gets as near as it can.

    Raises:
        InputError: the hand has no index finger, or a fingertip no colliding geom.
    """
    if "index" not in hand.fingers:
        raise InputError(f"Hand {hand.name!r} has no index finger to pinch with.")
    rest = hand.reduce(natural(hand))
    low, high = hand.limits[hand.independent_ids].T
    free = np.flatnonzero(_moves(hand, rest))
    width = (high - low)[free]

    def whole(y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " nq"]:
        x = rest.copy()
        x[free] = np.clip(low[free] + y * width, low[free], high[free])
        return hand.expand(x)

    start = (rest - low)[free] / width

    def ease(y: Float[np.ndarray, " n"]) -> float:
        return 0.05 * float(((y - start) ** 2).sum())

    def meet(y: Float[np.ndarray, " n"]) -> float:
        pose = hand.pose(whole(y))
        thumb, index = 0, hand.fingers.index("index")
        gap = float(np.linalg.norm(pose.tips[thumb] - pose.tips[index])) / _NEAR
        facing = 1 + float(pose.tip_normals[thumb] @ pose.tip_normals[index])
        return gap**2 + facing + ease(y)

    def touch(y: Float[np.ndarray, " n"]) -> float:
        qpos = whole(y)[None]
        gap = float(tip_gaps(hand, qpos)[0, 0]) / _TOUCH
        return gap**2 + (float(self_penetration(hand, qpos)[0]) / _TOUCH) ** 2 + meet(y)

    box = [(0.0, 1.0)] * len(free)
    starts = [start, *np.random.default_rng(0).uniform(0.2, 0.8, size=(_STARTS, len(free)))]
    met = [minimize(meet, y, method="L-BFGS-B", bounds=box, tol=1e-4).x for y in starts]
    ends = []
    for y in sorted(met, key=meet)[:_FINISHED]:
        ends.append(minimize(touch, y, method="L-BFGS-B", bounds=box, options=_FINISH))
        if ends[-1].fun - meet(ends[-1].x) < _CLOSE:
            break
    return whole(min(ends, key=lambda end: float(end.fun)).x)


def _tip_motion(hand: RobotHand, x: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m F 3"]:
    """How each independent joint moves the tips [m/rad], its followers moving along."""
    steps = np.concatenate([x + 1e-5 * np.eye(len(x)), x - 1e-5 * np.eye(len(x))])
    ahead, behind = np.split(hand.tips(hand.expand(steps)), 2)
    return (ahead - behind) / 2e-5


def _bending(hand: RobotHand, x: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """The sense in which each independent joint bends the finger it moves most; 0 if none."""
    motion = _tip_motion(hand, x)
    normals = hand.pose(hand.expand(x)).tip_normals
    lengths = np.linalg.norm(motion, axis=2)
    most = lengths.argmax(axis=1)
    rows = np.arange(len(x))
    outward = (motion[rows, most] * normals[most]).sum(axis=1)
    cosine = outward / np.maximum(lengths.max(axis=1), 1e-9)
    return np.where(np.abs(cosine) > _BENDING, np.sign(cosine), 0.0)


def _moves(hand: RobotHand, x: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """How much each independent joint moves the tips of thumb or index finger [m/rad]."""
    tips = [0, hand.fingers.index("index")]
    motion = np.linalg.norm(_tip_motion(hand, x)[:, tips], axis=2).max(axis=1)
    return np.where(motion > 1e-6, motion, 0.0)
