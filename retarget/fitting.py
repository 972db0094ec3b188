"""Fitting a calibration: to a clip in which the hand moves, or to the bones of an open hand."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from handsim.errors import InputError
from handsim.hands.robot_hand import RobotHand
from retarget.calibration import PINCH, PINCH_UNKNOWN, Calibration, require_same_side
from retarget.human.filters import plausible
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import CHAINS
from retarget.human.recording import Source
from retarget.objective import Objective
from retarget.reference import fingertips
from retarget.solvers.newton import newton

FRAMES, ROUNDS = 64, 8
HUBER = 0.01
"""Distance [m] beyond which a fingertip pulls on the fit with constant force."""
SHARED = 0.5
"""How far each round draws the fingers' scales to their mean: where scales agree, fingertips that
touch on the person have targets that touch. On three hands and clips it costs 1 mm of tip error
and brings the gap at pinches from 25 to under 10 mm (Allegro, glove)."""


def calibrate(hand: RobotHand, motion: HandTrajectory | Float[np.ndarray, "T 21 3"]) -> Calibration:
    """Fit palm alignment and finger scales to a person's motion.

    Starts at the hand's full reach (`by_proportion`) and alternates: solve the fingertips for the
    current targets; fit the similarity that brings the human tips onto the solved ones. Targets
    out of reach draw the scale down and the palm over; targets that are reached keep it. The
    fingers' scales are drawn together (`SHARED`), so that pinches stay pinches. Frames whose bones
    or knuckles are not the clip's (`filters.plausible`) are left out.

    Args:
        hand: the robot.
        motion: the person, or keypoints in the human palm frame [m].

    Raises:
        InputError: no frame shows a hand, or the motion is of the other side.
    """
    keypoints, source = _person(hand, motion)
    calibration = _of_source(by_proportion(hand, keypoints[_good(keypoints)]), source)
    chosen = _spread(keypoints)
    for _ in range(ROUNDS):
        reference = fingertips(hand, calibration.tip_targets(chosen))
        objective = Objective(hand, replace(reference, smoothness=1e-4))
        tips = hand.tips(objective.qpos(newton(objective).x))
        calibration = _refit(calibration, chosen, tips)
    return calibration


def calibrate_open(
    hand: RobotHand, motion: HandTrajectory | Float[np.ndarray, "T 21 3"]
) -> Calibration:
    """A calibration from a frame or a few of an open hand, or of any: only its bones count.

    Palms coincide (rotation 1, offset 0), and each finger's scale is the robot's reach over the
    length of the person's bones, drawn half way to the fingers' mean. Fitting an alignment to an
    open hand is worse than none: on four clips and four hands the fingertips of the whole clip
    were 2 to 17 mm off their targets with this, up to 26 mm with a Kabsch fit to the robot's open
    hand, and 0.4 to 14 mm with `calibrate` on the clip.

    Args:
        hand: the robot.
        motion: the person, or keypoints in the human palm frame [m].

    Raises:
        InputError: no frame shows a hand, or the motion is of the other side.
    """
    keypoints, source = _person(hand, motion)
    calibration = _of_source(by_proportion(hand, keypoints[_good(keypoints)]), source)
    return replace(calibration, scale=_shared(calibration.scale))


def _person(
    hand: RobotHand, motion: HandTrajectory | Float[np.ndarray, "T 21 3"]
) -> tuple[Float[np.ndarray, "T 21 3"], Source]:
    if not isinstance(motion, HandTrajectory):
        return motion, Source()
    require_same_side(hand, motion)
    return motion.palm_keypoints[motion.valid], motion.source


def _of_source(calibration: Calibration, source: Source) -> Calibration:
    return replace(calibration, tips=source.tips, pinch=PINCH.get(source.tips, PINCH_UNKNOWN))


def _good(keypoints: Float[np.ndarray, "T 21 3"]) -> Int[np.ndarray, " G"]:
    good = np.flatnonzero(plausible(keypoints))
    if not len(good):
        raise InputError(
            f"None of the {len(keypoints)} frames has the bones of most; expected one person's."
        )
    return good


def _spread(keypoints: Float[np.ndarray, "T 21 3"]) -> Float[np.ndarray, "S 21 3"]:
    """Frames spread over the clip, each the plausible one nearest to its place."""
    good = _good(keypoints)
    wanted = np.linspace(0, len(keypoints) - 1, FRAMES).astype(int)
    nearest = np.abs(good[None] - wanted[:, None]).argmin(axis=1)
    return keypoints[np.unique(good[nearest])]


def _refit(
    old: Calibration, keypoints: Float[np.ndarray, "T 21 3"], tips: Float[np.ndarray, "T F 3"]
) -> Calibration:
    """The robust similarity that brings human tips onto robot tips: Kabsch, then the scales."""
    distance = np.linalg.norm(tips - old.tip_targets(keypoints), axis=-1)
    weight = HUBER / np.maximum(distance, HUBER)
    human = keypoints[:, [CHAINS[f][3] for f in old.fingers]]
    scaled = old.scale[:, None] * human
    centre_h = np.average(scaled, axis=(0, 1), weights=weight[..., None] * np.ones(3))
    centre_r = np.average(tips, axis=(0, 1), weights=weight[..., None] * np.ones(3))
    rotation = _kabsch(scaled - centre_h, tips - centre_r, weight)
    offset = centre_r - rotation @ centre_h
    turned = human @ rotation.T
    along = (weight[..., None] * turned * (tips - offset)).sum(axis=(0, 2))
    scale = along / (weight[..., None] * turned**2).sum(axis=(0, 2))
    return replace(old, rotation=rotation, offset=offset, scale=_shared(scale))


def _shared(scale: Float[np.ndarray, " F"]) -> Float[np.ndarray, " F"]:
    return (1 - SHARED) * scale + SHARED * scale.mean()


def _kabsch(
    a: Float[np.ndarray, "T F 3"], b: Float[np.ndarray, "T F 3"], weight: Float[np.ndarray, "T F"]
) -> Float[np.ndarray, "3 3"]:
    """The rotation R that minimises Σ w ‖b − R a‖² (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(np.einsum("tf,tfi,tfj->ij", weight, b, a))
    sign = np.sign(np.linalg.det(u @ vt))
    return u @ np.diag([1.0, 1.0, sign]) @ vt


def by_proportion(hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"]) -> Calibration:
    """Palms coincide; each finger's scale is the robot's reach over the human finger's length.

    Args:
        hand: the robot.
        keypoints: valid human keypoints in the human palm frame [m].
    """
    scale = hand.reach / finger_lengths(keypoints, hand.fingers)
    return Calibration(hand.name, hand.side, hand.fingers, np.eye(3), np.zeros(3), scale)


def finger_lengths(
    keypoints: Float[np.ndarray, "T 21 3"], fingers: tuple[str, ...]
) -> Float[np.ndarray, " F"]:
    """Length of each finger from the wrist to its tip [m]: the sum of its median bones.

    Raises:
        InputError: a finger has no length.
    """
    chains = [[0, *CHAINS[f]] for f in fingers]
    bones = np.array(
        [
            np.median(np.linalg.norm(np.diff(keypoints[:, chain], axis=1), axis=-1), axis=0).sum()
            for chain in chains
        ]
    )
    if not (bones > 0).all():
        flat = fingers[int(np.argmin(bones))]
        raise InputError(f"The {flat} has length 0 in most frames; expected a finger.")
    return bones
