"""BVH: hands of optical motion capture, one file of one hand, of both, or a folder of such files.

Joints are recognised by their names, see `bvh_names`. A tip is the joint of that name, or an End
Site away from the last joint. Where the file has neither, as ManipNet's, it lies along the last
bone, turned by the last joint, as far as trackers measure (`DISTAL`): `source.tips` says so. The
side is in the joints' names, or in the file's.

A BVH has no unit: it is the power of ten that brings wrist to last joint of the middle finger
nearest to 0.16 m (ManipNet writes decimetres). In a folder, a file without fingers is an object:
the stream "object_<name of its root>" has the pose of its root in the same world. A world may be
left-handed (ManipNet's is Unity's): where named hands bend as only their mirror image could, x is
reversed, for objects and in their own frames too. What is y there, up by custom, is z here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from handsim.errors import FormatError
from retarget.human.hand_trajectory import HandTrajectory, Source, Stream
from retarget.human.keypoints import (
    CHAINS,
    COUNT,
    FINGERS,
    NAMES,
    WRIST,
    Side,
    chirality,
    mirror,
)
from retarget.human.mano import mirror_rotations
from retarget.human.sources.arrays import container
from retarget.human.sources.assembly import assemble, choose_side
from retarget.human.sources.bvh_file import Bvh, read_bvh
from retarget.human.sources.bvh_names import keypoint_in, side_in
from retarget.human.sources.poses import MEANING
from retarget.human.sources.transforms import poses, upright, upright_matrices

NAME = "bvh"

DISTAL = {"thumb": 0.0273, "index": 0.0215, "middle": 0.0224, "ring": 0.0216, "pinky": 0.0191}
"""From the last joint to the tip [m]: means over trackers of adults, standard deviation 2 mm."""

_WITHOUT_TIP = 0.16
_SHOWN = 60


@dataclass(frozen=True, eq=False)
class _Hand:
    """A hand in a file: which joint each keypoint is; a tip may have none."""

    bvh: Bvh
    joints: Mapping[int, int]


def recognises(path: Path) -> bool:
    """Whether it is a BVH, or a folder with one."""
    if container(path) == "folder":
        return bool(_files(path))
    return path.suffix.lower() == ".bvh"


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand; the file has times, so that `fps` has no effect.

    Raises:
        FormatError: a file is damaged, or has no hand; the message lists the joints it has.
        InputError: no hand of that side, or both and `side` is None.
    """
    files = _files(path) if container(path) == "folder" else [path]
    if not files:
        raise FormatError(f"{path} holds no .bvh file, expected one a hand.")
    hands: dict[Side | None, _Hand] = {}
    objects = []
    for file in files:
        bvh = read_bvh(file)
        found = dict(_hands(bvh, file))
        if found.keys() & hands.keys():
            raise FormatError(f"{path} holds several files of the same hand, name one of them.")
        hands |= found
        objects += [] if found else [bvh]
    if not hands:
        raise _no_hand(objects[0], files[0])
    named = {known for known in hands if known is not None}
    chosen = choose_side(named, side, path.name) if named else None
    points, scale, tips = _keypoints(hands[chosen])
    reversed_x = chosen is not None and chirality(points) not in (None, chosen)
    return assemble(
        path,
        upright(mirror(points) if reversed_x else points),
        chosen or side,
        Source(path.name, NAME, tracker="motion capture", tips=tips),
        times=np.arange(len(points)) * hands[chosen].bvh.period,
        streams=dict(_stream(bvh, scale, reversed_x) for bvh in objects),
    )


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".bvh")


def _hands(bvh: Bvh, file: Path) -> Iterator[tuple[Side | None, _Hand]]:
    """The hands in a file by their sides, None where no name says it.

    Raises:
        FormatError: a hand lacks a joint that is not a tip.
    """
    of_file = side_in(file.stem)
    sides: dict[Side | None, dict[int, int]] = {}
    for index, joint in enumerate(bvh.joints):
        keypoint = keypoint_in(joint.name)
        if keypoint is not None:
            sides.setdefault(side_in(joint.name) or of_file, {}).setdefault(keypoint, index)
    for side, joints in sides.items():
        if set(joints) == {WRIST}:
            continue
        tips = [chain[-1] for chain in CHAINS.values()]
        missing = [NAMES[k] for k in range(COUNT) if k not in joints and k not in tips]
        if missing:
            raise FormatError(f"{file} has no joint for {', '.join(missing)}. {_found(bvh)}")
        yield side, _Hand(bvh, {**_end_sites(bvh, joints), **joints})


def _end_sites(bvh: Bvh, joints: Mapping[int, int]) -> dict[int, int]:
    """Tips that are End Sites away from the last joints."""
    last = {joints[chain[-2]]: chain[-1] for chain in CHAINS.values()}
    return {
        last[joint.parent]: index
        for index, joint in enumerate(bvh.joints)
        if not joint.name and joint.parent in last and any(joint.offset)
    }


def _no_hand(bvh: Bvh, file: Path) -> FormatError:
    return FormatError(f"{file} has no joints of fingers, expected MCP, PIP, … {_found(bvh)}")


def _found(bvh: Bvh) -> str:
    names = [joint.name for joint in bvh.joints if joint.name]
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names[:_SHOWN])
    return f"Its joints: {shown}."


def _keypoints(hand: _Hand) -> tuple[Float[np.ndarray, "T 21 3"], float, str]:
    """Keypoints [m], metres of a unit of the file, and how its tips are defined."""
    points = np.full((len(hand.bvh.values), COUNT, 3), np.nan)
    for keypoint, index in hand.joints.items():
        points[:, keypoint] = hand.bvh.pose(index)[1]
    scale = _metres(points)
    points *= scale
    missing = [finger for finger in FINGERS if CHAINS[finger][-1] not in hand.joints]
    for finger in missing:
        points[:, CHAINS[finger][-1]] = _tip(hand, finger, scale)
    lengths = ", ".join(f"{finger} {1e3 * DISTAL[finger]:g} mm" for finger in missing)
    said = f"assumed along the last bone: {lengths}" if missing else "joints or End Sites"
    return points, scale, said


def _metres(points: Float[np.ndarray, "T 21 3"]) -> float:
    """The power of ten that makes the middle finger, from the wrist but for its tip, 0.16 m."""
    chain = points[:, [WRIST, *CHAINS["middle"][:-1]]]
    length = np.linalg.norm(np.diff(chain, axis=1), axis=-1).sum(axis=1).mean()
    return float(10.0 ** np.round(np.log10(_WITHOUT_TIP / length))) if length > 0 else 1.0


def _tip(hand: _Hand, finger: str, scale: float) -> Float[np.ndarray, "T 3"]:
    """A tip [m] that continues the last bone, turned by the last joint."""
    last = hand.joints[CHAINS[finger][-2]]
    above, start = hand.bvh.pose(hand.bvh.joints[last].parent)
    turn, end = hand.bvh.pose(last)
    bone = above[0].T @ (end[0] - start[0])
    length = np.linalg.norm(bone)
    return scale * end + turn @ (DISTAL[finger] * bone / (length if length > 0 else np.nan))


def _stream(bvh: Bvh, scale: float, reversed_x: bool) -> tuple[str, Stream]:
    turn, move = bvh.pose(0)
    if reversed_x:
        turn, move = mirror_rotations(turn), mirror(move)
    matrices = np.tile(np.eye(4), (len(move), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = turn, scale * move
    times = np.arange(len(move)) * bvh.period
    meaning = f"object in the world: {MEANING}"
    return f"object_{bvh.joints[0].name}", Stream(times, poses(upright_matrices(matrices)), meaning)
