"""A motion as a mirror shows it: a left hand from a right one, and the other way round."""

from dataclasses import replace

import numpy as np

from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import mirror
from retarget.human.mano_poses import mirror_parameters


def mirrored(motion: HandTrajectory) -> HandTrajectory:
    """The mirror image of a motion, x → −x in its own frame; twice is the motion itself.

    With the reflections M = diag(−1, 1, 1) of the world and N = diag(1, −1, 1) of the palm, whose
    thumb changes sides, a palm's rotation R becomes M R N: its quaternion (w, x, y, z) becomes
    (z, −y, −x, w). Streams are left out: what a reflection does to their columns is not known.
    """
    wrist = motion.wrist.copy()
    wrist[:, 0] *= -1
    wrist[:, 3:] = motion.wrist[:, [6, 5, 4, 3]] * np.array([1.0, -1.0, -1.0, 1.0])
    return replace(
        motion,
        keypoints=mirror(motion.keypoints),
        wrist=wrist,
        side="left" if motion.side == "right" else "right",
        mano=None if motion.mano is None else mirror_parameters(motion.mano),
        streams={},
    )
