"""What to match: one method a file, each a function of (hand, keypoints, calibration)."""

from retarget.references.dexpilot import dexpilot
from retarget.references.keyvector import keyvector
from retarget.references.position import position
from retarget.references.vector import vector

METHODS = {
    "dexpilot": dexpilot,
    "keyvector": keyvector,
    "position": position,
    "vector": vector,
}
DEFAULT = "keyvector"

__all__ = ["DEFAULT", "METHODS", "dexpilot", "keyvector", "position", "vector"]
