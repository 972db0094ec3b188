"""What to match: one method a file, each a function of (hand, keypoints, calibration).

A method that looks back at frames before takes a memory too, which carries what it needs of them
from one call to the next, so that frames may come one by one.
"""

from collections.abc import Callable

from retarget.reference import Reference
from retarget.references.adaptive import adaptive
from retarget.references.ako import ako
from retarget.references.dexpilot import Latch, dexpilot
from retarget.references.joint_angle import joint_angle
from retarget.references.keyvector import keyvector
from retarget.references.natural import natural
from retarget.references.position import position
from retarget.references.vector import vector

METHODS: dict[str, Callable[..., Reference]] = {
    "adaptive": adaptive,
    "ako": ako,
    "dexpilot": dexpilot,
    "joint_angle": joint_angle,
    "keyvector": keyvector,
    "natural": natural,
    "position": position,
    "vector": vector,
}
MEMORIES: dict[str, Callable[[], object]] = {"dexpilot": Latch}
"""The memories of the methods that have one, empty."""
DEFAULT = "natural"

__all__ = [
    "DEFAULT",
    "MEMORIES",
    "METHODS",
    "adaptive",
    "ako",
    "dexpilot",
    "joint_angle",
    "keyvector",
    "natural",
    "position",
    "vector",
]
