"""The sample motion, authored with an anatomical hand of joint angles.

`sample_motion` strings poses of `retarget.human.authored_hand` together with minimum-jerk blends;
`python -m retarget.human.authored [FOLDER]` writes it as `sample_right.npz`. Everything is
computed, nothing recorded, so the motion is free of anybody's rights and its joint angles are
known exactly: a retargeting can be tested against a planted truth.

Where thumb and fingers meet (pinches, the thumb over the fist) the angles are solved for, not
guessed: `_pinch` and `_thumb_over` minimise the distance of the pads with the flesh, as capsules,
kept out of itself.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from handsim.assets import ASSETS
from retarget.human.angles import ANGLES
from retarget.human.authored_hand import RADII_MM, RANGES, angle_slots, bone_frames, hand_keypoints
from retarget.human.hand_trajectory import HandTrajectory, Source, Stream
from retarget.human.keypoints import CHAINS, FINGERS, Side, mirror

DIP_PER_PIP = 2 / 3
"""How far the last joint of a finger follows the one before it, in every authored pose."""
_YIELD_MM = 7.0
_PULL = 0.12 / np.deg2rad(1.0)
_STRAIGHT = (5.0, 0.0, 8.0)
_RELAXED = (14.0, 0.0, 18.0)
_FOLDED = (82.0, 0.0, 100.0)
_OPEN_THUMB = (-8.0, -8.0, 5.0, 8.0)
_LIFTED_THUMB = (0.0, 30.0, 8.0, 8.0)


def _hand(
    thumb: tuple[float, float, float, float] = _OPEN_THUMB,
    **fingers: tuple[float, float, float],
) -> Float[np.ndarray, " 20"]:
    """Angles [rad] from degrees: MCP flexion, MCP abduction, PIP; a finger left out is straight."""
    angles = list(thumb)
    for finger in FINGERS[1:]:
        flexion, abduction, middle = fingers.get(finger, _STRAIGHT)
        angles += [flexion, abduction, middle, DIP_PER_PIP * middle]
    return np.deg2rad(angles)


def _solved(
    angles: Float[np.ndarray, " 20"],
    free: list[int],
    residuals: Callable[[np.ndarray], np.ndarray],
) -> Float[np.ndarray, " 20"]:
    """`angles` with the `free` ones moved, inside `RANGES`, to the least squares of `residuals`.

    A weak pull to where they start picks one of many solutions. The last digits, which differ
    between machines, are rounded off: 1e-4 rad is a hundredth of a millimetre at a tip.
    """

    def moved(free_angles: np.ndarray) -> np.ndarray:
        whole = angles.copy()
        whole[free] = free_angles
        for finger in FINGERS[1:]:
            slots = angle_slots(finger)
            if slots.start in free:
                whole[slots.stop - 1] = DIP_PER_PIP * whole[slots.stop - 2]
        return whole

    def cost(free_angles: np.ndarray) -> np.ndarray:
        whole = moved(free_angles)
        return np.concatenate([residuals(whole), _PULL * (free_angles - angles[free])])

    found = least_squares(cost, angles[free], bounds=RANGES[free].T, xtol=1e-7, ftol=1e-10)
    return moved(np.clip(np.round(found.x, 4), *RANGES[free].T))


def _pinch(finger: str, others: Float[np.ndarray, " 20"]) -> Float[np.ndarray, " 20"]:
    """Thumb and `finger` pad to pad, starting from a hand whose other fingers stay as they are."""

    def residuals(angles: np.ndarray) -> np.ndarray:
        points = hand_keypoints(angles)
        thumb, thumb_pad = _pad("thumb", angles, points)
        tip, pad = _pad(finger, angles, points)
        facing = 8.0 * max(0.0, 0.2 + thumb_pad @ pad)
        return np.array([*(1e3 * (thumb - tip)), facing, *_squeezed(points, touching=finger)])

    slots = angle_slots(finger)
    return _solved(others, [0, 1, 2, 3, *range(slots.start, slots.stop - 1)], residuals)


def _thumb_over(finger: str, others: Float[np.ndarray, " 20"]) -> Float[np.ndarray, " 20"]:
    """The thumb laid on the back of the middle bone of the folded `finger`."""
    joints = hand_keypoints(others)[list(CHAINS[finger][1:3])]
    back = -bone_frames(finger, others)[1][:, 0]
    height = 1e-3 * (RADII_MM["thumb"] + RADII_MM[finger])
    return _thumb_at(joints.mean(axis=0) + height * back, -back, others)


def _thumb_at(
    point: Float[np.ndarray, " 3"], facing: Float[np.ndarray, " 3"], others: np.ndarray
) -> Float[np.ndarray, " 20"]:
    """The thumb with the middle of its last bone's outer half at `point` [m], its pad `facing`."""

    def residuals(angles: np.ndarray) -> np.ndarray:
        frame, points = bone_frames("thumb", angles)[-1], hand_keypoints(angles)
        away = 1e3 * (points[CHAINS["thumb"][-1]] - 0.007 * frame[:, 2] - point)
        return np.array([*away, 4.0 * (1.0 - frame[:, 0] @ facing), *_squeezed(points)])

    return _solved(others, [0, 1, 2, 3], residuals)


def _pad(finger: str, angles: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle of a finger's pad [m], 4.5 mm off the bone 3 mm before its tip, and its normal."""
    frame = bone_frames(finger, angles)[-1]
    tip = points[CHAINS[finger][-1]]
    return tip - 0.003 * frame[:, 2] + 0.0045 * frame[:, 0], frame[:, 0]


def _squeezed(points: np.ndarray, touching: str = "") -> np.ndarray:
    """How far each bone of the thumb is inside each of a finger (36,) [mm], 0 where it is not.

    The last bones of the thumb and of a `touching` finger may come `_YIELD_MM` closer: a finger is
    thinner at its tip, and its pad gives.
    """
    thumb = _along_bones(points, "thumb")
    depths = np.zeros((len(FINGERS) - 1, 3, 3))
    for number, finger in enumerate(FINGERS[1:]):
        apart = thumb[:, None, :, None] - _along_bones(points, finger)[None, :, None, :]
        gaps = np.linalg.norm(apart, axis=-1).min(axis=(2, 3))
        depths[number] = RADII_MM["thumb"] + RADII_MM[finger] - gaps
        if finger == touching:
            depths[number, -1, -1] -= _YIELD_MM
    depths = np.maximum(depths, 0.0)
    return depths.ravel()


def _along_bones(points: np.ndarray, finger: str) -> np.ndarray:
    """Twelve points along each bone of a finger (3, 12, 3) [mm]."""
    ends = 1e3 * points[list(CHAINS[finger])]
    share = np.linspace(0.0, 1.0, 12)[:, None]
    return ends[:-1, None] * (1 - share) + ends[1:, None] * share


@cache
def poses() -> dict[str, Float[np.ndarray, " 20"]]:
    """The joint angles [rad] of every named pose of the sample motion, read-only."""
    fist = {finger: _FOLDED for finger in FINGERS[1:]}
    rest = {finger: _RELAXED for finger in FINGERS[1:]}
    bent = (50.0, 0.0, 58.0)
    ready = (22.0, 14.0, 18.0, 20.0)

    def pinch(finger: str) -> np.ndarray:
        return _pinch(finger, _hand(ready, **{**rest, finger: bent}))

    def count(*straight: str, thumb_on: str) -> np.ndarray:
        up = {finger: _STRAIGHT for finger in straight}
        return _thumb_over(thumb_on, _hand(ready, **{**fist, **up}))

    spread = {
        "index": (0.0, 14.0, 2.0),
        "middle": (0.0, 2.0, 2.0),
        "ring": (0.0, -9.0, 2.0),
        "pinky": (0.0, -17.0, 2.0),
    }
    four_up = _hand((55.0, 0.0, 30.0, 25.0))
    four = _thumb_at(np.array([0.026, -0.028, 0.072]), np.array([-1.0, 0.0, 0.0]), four_up)
    named = {
        "open": _hand(),
        "fist": _thumb_over("middle", _hand(ready, **fist)),
        "spread": _hand((-28.0, -18.0, 0.0, -5.0), **spread),
        **{f"pinch {finger}": pinch(finger) for finger in FINGERS[1:]},
        "one": count("index", thumb_on="middle"),
        "two": count("index", "middle", thumb_on="ring"),
        "three": count("index", "middle", "ring", thumb_on="pinky"),
        "four": four,
        "five": _hand((-18.0, -12.0, 0.0, 0.0)),
    }
    for angles in named.values():
        angles.setflags(write=False)
    return named


@dataclass(frozen=True)
class _Step:
    """Blend to a pose in `blend` frames, then hold it for `hold`.

    The fingers move in the `window`, as shares of the blend, and a thumb that must pass them is
    `lifted` half-way.
    """

    pose: str
    blend: int
    hold: int
    lifted: bool = True
    window: tuple[float, float] = (0.1, 0.9)


RATE = 30.0
"""Frames a second of the sample motion."""

_SCRIPT = (
    _Step("open", 0, 18),
    _Step("fist", 24, 15, window=(0.0, 0.65)),
    _Step("spread", 21, 15, window=(0.35, 1.0)),
    _Step("pinch index", 21, 15, lifted=False, window=(0.0, 1.0)),
    _Step("pinch middle", 21, 15),
    _Step("pinch ring", 21, 15),
    _Step("pinch pinky", 21, 15),
    _Step("one", 24, 15, window=(0.0, 0.7)),
    _Step("two", 21, 15),
    _Step("three", 21, 15),
    _Step("four", 21, 15),
    _Step("five", 18, 15, lifted=False, window=(0.0, 1.0)),
    _Step("open", 18, 12, lifted=False, window=(0.0, 1.0)),
)


def sample_motion(side: Side = "right") -> HandTrajectory:
    """The authored motion: open, fist, spread, four pinches, and counting from one to five.

    The hand points up before a gently moving wrist, in a world whose z is up. In a pinch the two
    tip keypoints, which lie at the ends of the bones, are 5 to 10 mm apart: the pads touch. The
    stream "label" names the pose from each of its times on; "" is the way to the next pose. The
    stream "angles" has the joint angles behind each frame.
    """
    angles, labels = _played()
    times = np.arange(len(angles)) / RATE
    wrist, turn = _wrist(times)
    palm = hand_keypoints(angles)
    world = palm @ np.swapaxes(turn, -1, -2) + wrist[:, None]
    starts, names = zip(*labels, strict=True)
    label = Stream(times[list(starts)], np.array(names), "pose held from this time on, '' is none")
    return HandTrajectory.from_keypoints(
        times,
        world if side == "right" else mirror(world, axis=1),
        side,
        streams={"label": label, "angles": Stream(times, angles, f"{', '.join(ANGLES)} [rad]")},
        source=Source(file=f"sample_{side}.npz", tracker="authored", tips="end of the last bone"),
    )


def write(folder: str | Path) -> Path:
    """Write the sample motion into `folder` as `sample_right.npz`, the same bytes each time.

    Raises:
        OutputError: the folder cannot be written to.
    """
    path = Path(folder) / "sample_right.npz"
    sample_motion().save(path)
    return path


def _played() -> tuple[Float[np.ndarray, "T 20"], list[tuple[int, str]]]:
    """The angles of every frame, and (frame, name) wherever the label changes."""
    first, *steps = _SCRIPT
    frames = [poses()[first.pose]] * (first.hold + 1)
    labels = [(0, first.pose)]
    for step in steps:
        labels.append((len(frames), ""))
        frames += list(_blend(frames[-1], poses()[step.pose], step))
        labels.append((len(frames) - 1, step.pose))
        frames += [frames[-1]] * step.hold
    return np.clip(frames, *RANGES.T), labels


def _blend(start: np.ndarray, end: np.ndarray, step: _Step) -> Float[np.ndarray, "B 20"]:
    """The frames after `start`, up to and including `end`."""
    share = np.arange(1, step.blend + 1) / step.blend
    early, late = step.window
    blend = start + _minimum_jerk((share - early) / (late - early))[:, None] * (end - start)
    if step.lifted:
        thumb, lifted = angle_slots("thumb"), np.deg2rad(_LIFTED_THUMB)
        up, down = _minimum_jerk(2 * share)[:, None], _minimum_jerk(2 * share - 1)[:, None]
        blend[:, thumb] = start[thumb] + up * (lifted - start[thumb]) + down * (end[thumb] - lifted)
    return blend


def _minimum_jerk(share: np.ndarray) -> np.ndarray:
    """10 s³ − 15 s⁴ + 6 s⁵, at rest at both ends (Flash and Hogan 1985); held outside 0 to 1."""
    s = np.clip(share, 0.0, 1.0)
    return s**3 * (10 - 15 * s + 6 * s**2)


def _wrist(times: np.ndarray) -> tuple[Float[np.ndarray, "T 3"], Float[np.ndarray, "T 3 3"]]:
    """Position [m] and rotation of the palm in the world: slow sway of 3 cm and 8 degrees."""
    sway = 2 * np.pi * times[:, None] * np.array([0.11, 0.07, 0.13])
    position = np.array([0.0, 0.0, 0.3]) + np.array([0.02, 0.03, 0.015]) * np.sin(sway)
    turn = np.deg2rad([5.0, 6.0, 8.0]) * np.sin(sway[:, ::-1])
    return position, Rotation.from_rotvec(turn).as_matrix()


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else ASSETS / "motions")
