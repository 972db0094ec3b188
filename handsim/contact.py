"""Contact of a hand with itself: gaps and penetration."""

import mujoco
import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from handsim.hands.capsules import colliding, tip_body
from handsim.hands.robot_hand import RobotHand

MAX_GAP = 1.0
"""Gaps are not measured beyond this [m]; no hand is that wide."""


def tip_gaps(hand: RobotHand, qpos: Float[np.ndarray, "T nq"]) -> Float[np.ndarray, "T F1"]:
    """Surface distance of the thumb's last link to that of each other finger [m].

    Negative where they overlap: minus the depth of penetration. Columns are `hand.fingers[1:]`.

    Raises:
        InputError: `qpos` has the wrong shape, or a fingertip has no colliding geom.
    """
    model, data = hand.model, mujoco.MjData(hand.model)
    thumb, *others = [_tip_geoms(model, f) for f in hand.fingers]
    gaps = np.empty((len(qpos), len(others)))
    for row, out in zip(_checked(hand, qpos), gaps, strict=True):
        data.qpos[:] = row
        mujoco.mj_kinematics(model, data)
        for i, geoms in enumerate(others):
            out[i] = min(
                mujoco.mj_geomDistance(model, data, a, b, MAX_GAP, None)
                for a in thumb
                for b in geoms
            )
    return gaps


def self_penetration(hand: RobotHand, qpos: Float[np.ndarray, "T nq"]) -> Float[np.ndarray, " T"]:
    """Deepest penetration between two links of the hand [m], 0 where nothing overlaps.

    Pairs that the model excludes from collision do not count.

    Raises:
        InputError: `qpos` has the wrong shape.
    """
    model, data = hand.model, mujoco.MjData(hand.model)
    depth = np.zeros(len(qpos))
    for i, row in enumerate(_checked(hand, qpos)):
        data.qpos[:] = row
        mujoco.mj_fwdPosition(model, data)
        if data.ncon:
            depth[i] = max(0.0, -float(data.contact.dist.min()))
    return depth


def _checked(hand: RobotHand, qpos: Float[np.ndarray, "..."]) -> Float[np.ndarray, "T nq"]:
    qpos = np.asarray(qpos, dtype=np.float64)
    if qpos.ndim != 2 or qpos.shape[1] != hand.nq:
        raise InputError(f"qpos has shape {qpos.shape}, expected (T, {hand.nq}) for {hand.name}.")
    return qpos


def _tip_geoms(model: mujoco.MjModel, finger: str) -> list[int]:
    return colliding(model, tip_body(model, finger))
