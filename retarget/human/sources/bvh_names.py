"""Which keypoint of a hand a joint is, and on which side, by its name.

Whatever its case and separators, once a namespace ("mixamorig:"), a side ("left", "right", "L_",
"R_") and the word "hand" are taken off and "little" is read as pinky, it is

    ============ ==================================================================
    wrist        wrist, hand
    thumb        CMC or 1, MCP or 2, IP or 3, tip or 4
    a finger     MCP or 1, PIP or 2, DIP or 3, tip or 4
    ============ ==================================================================

each also with "FE" after it (a flexion axis), as ManipNet has them; its ``THUMB_CMC_FE`` is where
the metacarpal meets the wrist, and ``THUMB_CMC_AA`` is left out.
"""

import re

from retarget.human.keypoints import CHAINS, FINGERS, WRIST, Side

_WORDS = {
    "thumb": (("cmc", "1"), ("mcp", "2"), ("ip", "3"), ("tip", "4")),
    **dict.fromkeys(FINGERS[1:], (("mcp", "1"), ("pip", "2"), ("dip", "3"), ("tip", "4"))),
}
_KEYPOINTS = {"wrist": WRIST, "": WRIST} | {
    f"{finger}{word}": CHAINS[finger][place]
    for finger in FINGERS
    for place, words in enumerate(_WORDS[finger])
    for word in words
}
"""Keypoints by what is left of a joint's name; nothing is left of "hand"."""
_SIDE = re.compile(r"left|right|^l(?=_)|^r(?=_)", re.IGNORECASE)


def keypoint_in(name: str) -> int | None:
    """The index of the keypoint that a joint of that name is; None when it is none."""
    plain = _SIDE.sub("", name.rpartition(":")[2]).lower().replace("little", "pinky")
    return _KEYPOINTS.get(re.sub("[^a-z0-9]|hand", "", plain).removesuffix("fe")) if name else None


def side_in(name: str) -> Side | None:
    """The side that the name of a joint or file says."""
    found = _SIDE.search(name)
    if found is None:
        return None
    return "left" if found.group().lower().startswith("l") else "right"
