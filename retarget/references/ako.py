"""The AKO reference: fingertips, pinches by a soft law of distance, and the fingertips' directions.

"Analyzing Key Objectives in Human-to-Robot Retargeting for Dexterous Manipulation" (Xin, Yu et al.,
arXiv:2506.09384). With d the distance of the person's thumb tip from a finger's, in metres,

    palm → fingertip     1 − s(d)                      (of the thumb: the nearest finger's d)
    palm → thumb tip     10
    thumb → fingertip    10 s(d), the person's vector at the length l(d)
    last phalanx         10, the person's direction

    s(d) = 1 / (1 + exp(w (d − ε₁))),      w = 10/m, ε₁ = 0.1 m
    l(d) = 0 below ε₂ = 0.01 m, d above ε₁, linear between

are the weights of squared distances [m²]; the ratios are kept. s is as the authors' code reads it:
with a slope of 10 a metre it is 0.71 where fingertips touch and 0.5 at ε₁. Three things differ. The
calibration's scales apply: l(d)/d shortens the vector between the calibrated fingertips. A last
phalanx has the robot's length, not the person's. The palm is given, so there is no wrist to rotate
(0.1 in the paper). Posture and velocity are held by this package's regularisers.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.keypoints import CHAINS
from retarget.reference import PALM, Reference
from retarget.references.phalanges import last_phalanges

THUMB_WEIGHT, PINCH_WEIGHT, DIRECTION_WEIGHT = 10.0, 10.0, 10.0
NEAR, FAR = 0.01, 0.1
STEEPNESS = 10.0


def ako(
    hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"], calibration: Calibration
) -> Reference:
    """Palm → tip, thumb → tip and last phalanges, as squares.

    Args:
        hand: the robot.
        keypoints: human keypoints in the human palm frame [m], all finite.
        calibration: of this person and hand.
    """
    person = keypoints[:, [CHAINS[finger][3] for finger in hand.fingers]]
    apart = np.linalg.norm(person[:, 1:] - person[:, :1], axis=-1)
    pinching = expit(STEEPNESS * (FAR - apart))
    tips, last = calibration.tip_targets(keypoints), last_phalanges(hand, keypoints, calibration)
    thumb, others = hand.tip_ids[:1], hand.tip_ids[1:]
    nearest = pinching.max(axis=1, keepdims=True)
    shorter = pinch_length(apart) / np.maximum(apart, 1e-6)
    return Reference(
        origin=np.concatenate(
            [np.full(len(hand.fingers), PALM), np.repeat(thumb, len(others)), last.origin]
        ),
        point=np.concatenate([hand.tip_ids, others, last.point]),
        target=np.concatenate(
            [tips, shorter[..., None] * (tips[:, 1:] - tips[:, :1]), last.target], axis=1
        ),
        weight=np.concatenate(
            [
                THUMB_WEIGHT + 1.0 - nearest,
                1.0 - pinching,
                PINCH_WEIGHT * pinching,
                np.full(last.target.shape[:2], DIRECTION_WEIGHT),
            ],
            axis=1,
        ),
        delta=np.inf,
    )


def pinch_length(apart: Float[np.ndarray, "T P"]) -> Float[np.ndarray, "T P"]:
    """l(d): how far the robot's tips should be apart where the person's are `apart` [m]."""
    between = FAR * (apart - NEAR) / (FAR - NEAR)
    return np.where(apart > FAR, apart, np.maximum(between, 0.0))
