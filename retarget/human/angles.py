"""The joint angles of a hand, from its keypoints: twenty, four a finger.

In the palm frame of a right hand (+x out of the palm, +y towards the thumb, +z to the fingers; a
left one is mirrored first), with d the direction of a finger's first bone,

    MCP flexion     atan2(d_x, d_z)     in the plane that fingers close in; 0 along the palm's z
    MCP abduction   asin(d_y)           towards the thumb

that is, the finger turns about the palm's y, then about the x it has carried along, the order of
the ISB's recommendation for the hand (Wu et al. 2005). The bones after it flex about the y carried
along. The thumb's metacarpal is given likewise by its course over the palm and its height above it,

    CMC flexion     atan2(−d_y, d_z)    across the palm, towards the little finger; 0 along z
    CMC abduction   asin(d_x)           out of the plane of the palm

and its further bones flex towards the little finger's knuckle. All angles but abduction are
positive where they close the hand. They are defined by the palm frame alone, so a hand whose
knuckles fan out at rest does not have zeros there.
"""

import numpy as np
from jaxtyping import Float

from retarget.human.finger_angles import finger_angles
from retarget.human.keypoints import COUNT, Side, mirror

ANGLES = (
    *("thumb_cmc_flexion", "thumb_cmc_abduction", "thumb_mcp_flexion", "thumb_ip_flexion"),
    *("index_mcp_flexion", "index_mcp_abduction", "index_pip_flexion", "index_dip_flexion"),
    *("middle_mcp_flexion", "middle_mcp_abduction", "middle_pip_flexion", "middle_dip_flexion"),
    *("ring_mcp_flexion", "ring_mcp_abduction", "ring_pip_flexion", "ring_dip_flexion"),
    *("pinky_mcp_flexion", "pinky_mcp_abduction", "pinky_pip_flexion", "pinky_dip_flexion"),
)
"""The angles' names, in the order of their columns."""

_THUMB_RANGES = ((-60, 25), (5, 55), (0, 74), (-15, 62))
_FINGER_RANGES = ((-16, 90), (-28, 28), (0, 108), (0, 82))
RANGES = np.deg2rad([*_THUMB_RANGES, *_FINGER_RANGES * 4])
"""What people reach (20, 2) [rad]: anatomical ranges of motion; of the thumb's CMC, whose angles
are counted from the palm here, what the poses of the authored hand span."""


def hand_angles(
    keypoints: Float[np.ndarray, "*batch 21 3"], side: Side
) -> Float[np.ndarray, "*batch 20"]:
    """The joint angles of `ANGLES` [rad].

    Args:
        keypoints: in the hand's own palm frame [m]. A bone of no length has the angle 0.
        side: which hand they are of.
    """
    points = keypoints if side == "right" else mirror(keypoints, axis=1)
    flat = np.ascontiguousarray(points, dtype=np.float64).reshape(-1, COUNT, 3)
    return finger_angles(flat).reshape(*keypoints.shape[:-2], len(ANGLES))
