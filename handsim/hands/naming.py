"""Which finger is which, by the names of its links and by the shape of the hand."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from handsim.hands.robot_hand import FINGERS, Side
from handsim.hands.skeleton import Chain, Skeleton

_WORDS = {
    "thumb": ("thumb", "pollex"),
    "index": ("index", "forefinger", "pointer"),
    "middle": ("middle",),
    "ring": ("ring",),
    "pinky": ("pinky", "pinkie", "little"),
}
_CODES = {"th": "thumb", "ff": "index", "mf": "middle", "rf": "ring", "lf": "pinky"}
_CODE = re.compile(
    r"(?:^|[_.\-/ ])(th|ff|mf|rf|lf)"
    r"(?=j?\d|tip|base|hub|knuckle|proximal|middle|medial|distal|metacarpal|[_.\-/ ]|$)",
    re.IGNORECASE,
)
_SIDE = re.compile(r"(?:^|[^a-z])(right|left|rh|lh|r|l)(?:[^a-z]|$)", re.IGNORECASE)


def finger_said(names: Iterable[str]) -> str | None:
    """The finger that most of the names of a finger's links and joints speak of, or None.

    >>> finger_said(["rh_ffmiddle", "rh_ffdistal", "rh_FFJ1"])
    'index'
    """
    votes: Counter[str] = Counter()
    for name in names:
        code = _CODE.search(name)
        if code:
            votes[_CODES[code[1].lower()]] += 1
            continue
        for finger, words in _WORDS.items():
            votes[finger] += any(word in name.lower() for word in words)
    top = [finger for finger, count in votes.most_common(2) if count]
    if not top or (len(top) == 2 and votes[top[0]] == votes[top[1]]):
        return None
    return top[0]


def side_said(names: Iterable[str]) -> Side | None:
    """The side that names speak of, when they agree.

    >>> side_said(["rh_palm", "rh_thbase"])
    'right'
    """
    votes = Counter(match[1].lower()[0] for name in names for match in _SIDE.finditer(name))
    if len(votes) != 1:
        return None
    return "right" if "r" in votes else "left"


def names_of(skeleton: Skeleton, chain: Chain) -> list[str]:
    """The names of a finger's own links and joints."""
    model = skeleton.model
    bodies = {int(model.jnt_bodyid[j]) for j in chain.joints}
    bodies |= set(skeleton.below(chain.link, moving=False))
    return [model.joint(j).name for j in chain.joints] + [model.body(b).name for b in bodies]


def odd_one_out(
    skeleton: Skeleton, chains: Sequence[Chain], tips: Float[np.ndarray, "F 3"]
) -> tuple[int, bool]:
    """The chain without which the others are most alike, the thumb; and whether that is clear.

    Alike are fingers that bend about parallel axes to the same side, point the same way and start
    side by side. With two chains nothing tells them apart but how far the base sits back.
    """
    bends = np.array([skeleton.axes[chain.joints[-1]] for chain in chains])
    bases = np.array([skeleton.anchors[skeleton.flexion(chain)[0]] for chain in chains])
    ways = (tips - bases) / np.linalg.norm(tips - bases, axis=1, keepdims=True)
    size = np.linalg.norm(tips - bases, axis=1).mean()
    spreads = []
    for odd in range(len(chains)):
        rest = [i for i in range(len(chains)) if i != odd]
        mean = ways[rest].mean(axis=0)
        back = bases[rest] @ mean / max(float(np.linalg.norm(mean)), 1e-9)
        spreads.append(
            (1 - np.linalg.norm(bends[rest].mean(axis=0)))
            + (1 - np.linalg.norm(mean))
            + float(np.ptp(back)) / size
        )
    if len(chains) == 2:
        first, second = bases @ ways.mean(axis=0)
        return int(first > second), False
    order = np.argsort(spreads)
    return int(order[0]), bool(spreads[order[1]] > 1.5 * spreads[order[0]] + 0.02)


def in_order(across: Float[np.ndarray, " F"], thumb: int, towards_thumb: float) -> list[str]:
    """Names of fingers that lie at `across` over the palm, from the thumb's side outwards.

    Args:
        across: place of each finger's base along the palm's y axis.
        thumb: which of them is the thumb.
        towards_thumb: sign of the y axis on the thumb's side.
    """
    rest = [i for i in np.argsort(-towards_thumb * across) if i != thumb]
    names = [""] * len(across)
    names[thumb] = FINGERS[0]
    for finger, i in zip(FINGERS[1:], rest, strict=False):
        names[i] = finger
    return names
