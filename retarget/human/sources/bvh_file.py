"""Biovision hierarchies (BVH): skeletons with an Euler angle a channel, and where their joints are.

A joint's frame in its parent's is a translation, then the rotations of its channels in the order
the file lists them, each about an axis of the frame the ones before it have turned. The root is
translated by its offset plus its position channels; another joint by its offset, or, where it has
position channels, by these alone (they hold the whole displacement in the files that have them).
A BVH has no unit of length and no statement of which way is up.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError
from retarget.human.sources.text import read_text

_MOST_JOINTS = 2000
_HUGE = 1e9
_AXES = "XYZ"
_POSITIONS = tuple(f"{axis}position" for axis in _AXES)
_ROTATIONS = tuple(f"{axis}rotation" for axis in _AXES)


@dataclass
class Joint:
    """A joint: its place in the hierarchy and its channels; an End Site has no name."""

    name: str
    parent: int
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    channels: tuple[str, ...] = ()
    first: int = 0


@dataclass(frozen=True, eq=False)
class Bvh:
    """A hierarchy, parents first, and its motion.

    Attributes:
        joints: all joints and End Sites.
        period: time between frames [s].
        values: a row a frame; lengths in the file's unit, angles in degrees.
    """

    joints: list[Joint]
    period: float
    values: Float[np.ndarray, "T C"]
    _poses: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def pose(self, index: int) -> tuple[Float[np.ndarray, "T 3 3"], Float[np.ndarray, "T 3"]]:
        """Orientation and position of a joint in every frame."""
        if index not in self._poses:
            joint = self.joints[index]
            turn, move = self._local(joint)
            if joint.parent >= 0:
                above, place = self.pose(joint.parent)
                turn, move = above @ turn, place + (above @ move[..., None])[..., 0]
            self._poses[index] = (turn, move)
        return self._poses[index]

    def _local(self, joint: Joint) -> tuple[np.ndarray, np.ndarray]:
        values = self.values[:, joint.first : joint.first + len(joint.channels)]
        moves = [name in _POSITIONS for name in joint.channels]
        move = np.tile(np.array(joint.offset), (len(values), 1))
        if any(moves) and joint.parent >= 0:
            move[:] = 0.0
        for name, column in zip(joint.channels, values.T, strict=True):
            if name in _POSITIONS:
                move[:, _POSITIONS.index(name)] += column
        axes = "".join(name[0] for name in joint.channels if name in _ROTATIONS)
        if not axes:
            return np.tile(np.eye(3), (len(values), 1, 1)), move
        angles = values[:, [not moving for moving in moves]]
        return Rotation.from_euler(axes, angles, degrees=True).as_matrix(), move


def read_bvh(path: Path) -> Bvh:
    """Read a file.

    Raises:
        FormatError: it is damaged, or its motion does not fit its hierarchy.
    """
    hierarchy, found, motion = read_text(path).partition("MOTION")
    if not found or not hierarchy.split()[:1] == ["HIERARCHY"]:
        raise FormatError(f"{path} is no BVH: it has no HIERARCHY followed by a MOTION.")
    joints = _joints(hierarchy, path)
    return Bvh(joints, *_motion(motion, sum(len(joint.channels) for joint in joints), path))


def _joints(text: str, path: Path) -> list[Joint]:
    joints: list[Joint] = []
    open_joints: list[int] = []
    channels = 0
    for line in text.replace("{", "\n{\n").replace("}", "\n}\n").splitlines():
        words = line.split()
        try:
            if words[:1] in (["ROOT"], ["JOINT"], ["End"]):
                name = "" if words[0] == "End" else " ".join(words[1:])
                joints.append(Joint(name, open_joints[-1] if open_joints else -1))
            elif words == ["{"]:
                open_joints.append(len(joints) - 1)
            elif words == ["}"]:
                open_joints.pop()
            elif words[:1] == ["OFFSET"]:
                joints[open_joints[-1]].offset = _offset(words[1:])
            elif words[:1] == ["CHANNELS"]:
                _set_channels(joints[open_joints[-1]], words, channels)
                channels += len(words) - 2
        except (ValueError, IndexError) as error:
            raise FormatError(f"{path} has a damaged line {line.strip()[:60]!r}.") from error
        if len(joints) > _MOST_JOINTS:
            raise FormatError(f"{path} has more than {_MOST_JOINTS} joints.")
    if not joints or open_joints:
        raise FormatError(f"{path} has a hierarchy that is not whole.")
    return joints


def _offset(words: list[str]) -> tuple[float, ...]:
    x, y, z = (float(word) for word in words)
    if not all(abs(value) < _HUGE for value in (x, y, z)):
        raise ValueError("offset")
    return x, y, z


def _set_channels(joint: Joint, words: list[str], first: int) -> None:
    names = tuple(words[2:])
    known = {*_POSITIONS, *_ROTATIONS}
    if int(words[1]) != len(names) or len(set(names)) != len(names) or not set(names) <= known:
        raise ValueError("channels")
    joint.channels, joint.first = names, first


def _motion(text: str, channels: int, path: Path) -> tuple[float, np.ndarray]:
    lines = text.strip().split("\n", 2)
    try:
        frames = int(lines[0].partition("Frames:")[2])
        period = float(lines[1].partition("Frame Time:")[2])
        values = np.array(lines[2].split() if len(lines) > 2 else [], dtype=np.float64)
    except (ValueError, IndexError) as error:
        raise FormatError(f"{path} has a damaged MOTION.") from error
    if not 0 < period < _HUGE or frames < 1:
        raise FormatError(f"{path} has {frames} frames of {period} s, expected numbers above 0.")
    if not np.all(np.abs(values) < _HUGE):
        raise FormatError(f"{path} has a number in its MOTION that is not below {_HUGE:g}.")
    if values.size != frames * channels:
        raise FormatError(
            f"{path} declares {frames} frames of {channels} channels, but holds {values.size} "
            "numbers."
        )
    return period, values.reshape(frames, channels)
