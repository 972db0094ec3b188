"""The DexPilot reference: fingertip pairs that snap together when the person pinches.

DexPilot (Handa et al., ICRA 2020, arXiv:1910.03135) as dex-retargeting generalises it to two to
five fingers: vectors between all pairs of fingertips and from the palm to each. A thumb–finger
pair is *closed* from the frame its human tips come below `CLOSE` until they part beyond `OPEN`; a
finger–finger pair is closed while both of its fingers are closed on the thumb and their tips are
within `CLOSE`. An open pair is wanted as it is on the person, scaled; a closed one along the
person's direction, at the length η₁ (thumb–finger) or η₂ (finger–finger), with a large weight.

Weights are those published over that of the palm → tip vectors, (pairs + fingers), which is 1 here.
"""

from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from handsim.hands.robot_hand import RobotHand
from retarget.calibration import Calibration
from retarget.human.keypoints import CHAINS
from retarget.reference import PALM, Reference

DELTA = 0.03
CLOSE, OPEN = 0.03, 0.05
ETA_THUMB, ETA_FINGERS = 1e-4, 3e-2
WEIGHT_THUMB, WEIGHT_FINGERS = 200.0, 400.0


class Latch:
    """Which thumb–finger pairs were closed in the last frame; none at first."""

    def __init__(self) -> None:
        self.closed: bool | Bool[np.ndarray, " thumb_pairs"] = False


def dexpilot(
    hand: RobotHand,
    keypoints: Float[np.ndarray, "T 21 3"],
    calibration: Calibration,
    latch: Latch | None = None,
) -> Reference:
    """Fingertip pairs, latched, and palm → tip vectors.

    Args:
        hand: the robot.
        keypoints: human keypoints in the human palm frame [m], all finite, in order of time.
        calibration: of this person and hand.
        latch: of the frames before; it is brought to the last of these.
    """
    fingers = len(hand.fingers)
    pairs = np.array(list(combinations(range(fingers), 2)))
    nearer, farther = pairs.T
    tips = calibration.tip_targets(keypoints)
    person = keypoints[:, [CHAINS[finger][3] for finger in hand.fingers]]
    human = person[:, nearer] - person[:, farther]
    distance = np.linalg.norm(human, axis=-1)
    closed = closed_pairs(distance, fingers, latch or Latch())
    of_thumb = nearer == 0
    length = np.where(of_thumb, ETA_THUMB, ETA_FINGERS)
    wanted = tips[:, nearer] - tips[:, farther]
    direction = (human @ calibration.rotation.T) / np.maximum(distance, 1e-6)[..., None]
    heavy = np.where(of_thumb, WEIGHT_THUMB, WEIGHT_FINGERS)
    palm = len(pairs) + fingers
    return Reference(
        origin=np.concatenate([hand.tip_ids[farther], np.full(fingers, PALM)]),
        point=np.concatenate([hand.tip_ids[nearer], hand.tip_ids]),
        target=np.concatenate(
            [np.where(closed[..., None], length[:, None] * direction, wanted), tips], axis=1
        ),
        weight=np.concatenate(
            [np.where(closed, heavy, 1.0) / palm, np.ones(tips.shape[:2])], axis=1
        ),
        delta=DELTA,
    )


def closed_pairs(
    distance: Float[np.ndarray, "T pairs"],
    fingers: int,
    latch: Latch,
    close: float = CLOSE,
    open_: float = OPEN,
) -> Bool[np.ndarray, "T pairs"]:
    """Which pairs of fingertips are closed in each frame; it depends on the human alone.

    Args:
        distance: of the human tips [m], pairs in the order of ``combinations(fingers, 2)``.
        fingers: how many, the thumb first.
        latch: of the frames before; it is brought to the last of these.
        close, open_: a thumb–finger pair closes below the one and opens beyond the other [m].
    """
    thumb = distance[:, : fingers - 1]
    event = np.where(thumb > open_, -1, np.where(thumb < close, 1, 0))
    frames = np.arange(len(event))[:, None]
    last = np.maximum.accumulate(np.where(event != 0, frames, -1), axis=0)
    latest = np.take_along_axis(event, np.maximum(last, 0), axis=0) > 0
    closed = np.where(last >= 0, latest, latch.closed)
    latch.closed = closed[-1]
    others = np.array(list(combinations(range(fingers - 1), 2)), dtype=int).reshape(-1, 2)
    both = closed[:, others[:, 0]] & closed[:, others[:, 1]]
    return np.concatenate([closed, both & (distance[:, fingers - 1 :] <= CLOSE)], axis=1)
