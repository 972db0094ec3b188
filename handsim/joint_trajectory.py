"""JointTrajectory: what a robot hand does over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from handsim.errors import InputError, unknown
from handsim.files import load_npz, save_npz, whole
from handsim.hands.robot_hand import SIDES, RobotHand, Side
from handsim.poses import interpolate_poses

KIND, SCHEMA = "joint_trajectory", 1


@dataclass(frozen=True, eq=False)
class JointTrajectory:
    """Joint positions and wrist pose of one robot hand over time.

    Attributes:
        hand, side: which hand, as `handsim.load_hand` takes them.
        joint_names: names of the columns of `qpos`.
        times: [s], strictly increasing.
        qpos: joint positions [rad].
        wrist: palm frame in world: x y z [m] and qw qx qy qz.
        valid: frames that follow an observation; the others hold or interpolate.

    Raises:
        InputError: the shapes disagree, a value is not finite, or times do not increase.
    """

    hand: str
    side: Side
    joint_names: tuple[str, ...]
    times: Float[np.ndarray, " T"]
    qpos: Float[np.ndarray, "T nq"]
    wrist: Float[np.ndarray, "T 7"]
    valid: Bool[np.ndarray, " T"]

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise unknown("side", self.side, SIDES)
        require_texts(hand=(self.hand,), joint_names=self.joint_names)
        for name, kinds in {"times": "iuf", "qpos": "iuf", "wrist": "iuf", "valid": "b"}.items():
            require_numbers(name, getattr(self, name), kinds)
        count, joints = len(self.times), len(self.joint_names)
        expected = {
            "times": (count,),
            "qpos": (count, joints),
            "wrist": (count, 7),
            "valid": (count,),
        }
        for name, shape in expected.items():
            if np.shape(getattr(self, name)) != shape:
                raise InputError(
                    f"{name}: shape {np.shape(getattr(self, name))}, expected {shape}."
                )
        if count == 0:
            raise InputError("times: no frames, expected at least one.")
        for name in ("times", "qpos", "wrist"):
            _require_finite(name, getattr(self, name))
        _require_increasing(self.times)
        object.__setattr__(self, "wrist", unit_poses("wrist", self.wrist))

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return (
            f"JointTrajectory({self.hand} {self.side}, {len(self)} frames, {self.duration:.2f} s)"
        )

    @property
    def duration(self) -> float:
        """Time from the first to the last frame [s]."""
        return float(self.times[-1] - self.times[0])

    @property
    def rate(self) -> float:
        """Frames a second: one over the median time step [Hz]; 0 for a single frame."""
        return float(1.0 / np.median(np.diff(self.times))) if len(self) > 1 else 0.0

    def resample(self, rate: float) -> "JointTrajectory":
        """The same motion at `rate` frames a second [Hz].

        Joints and position are interpolated linearly, orientation along the great arc. A new
        frame is valid when the old frames on both sides are.

        Raises:
            InputError: `rate` is not positive.
        """
        if not rate > 0:
            raise InputError(f"rate: {rate}, expected a positive number of frames a second.")
        steps = int(np.floor(self.duration * rate + 1e-9))
        times = self.times[0] + np.arange(steps + 1) / rate
        return self.at(np.minimum(times, self.times[-1]))

    def at(self, times: Float[np.ndarray, " S"]) -> "JointTrajectory":
        """The motion at the given `times` [s], held outside its span; see `resample`."""
        inside = np.clip(times, self.times[0], self.times[-1])
        qpos = np.stack([np.interp(inside, self.times, column) for column in self.qpos.T], axis=1)
        valid = np.interp(inside, self.times, self.valid.astype(float)) > 1 - 1e-9
        wrist = interpolate_poses(inside, self.times, self.wrist)
        return replace(self, times=np.asarray(times), qpos=qpos, wrist=wrist, valid=valid)

    def save(self, path: str | Path) -> None:
        """Write one self-describing `.npz`.

        Raises:
            OutputError: `path` cannot be written.
        """
        header = {
            "kind": KIND,
            "schema": SCHEMA,
            "hand": self.hand,
            "side": self.side,
            "joint_names": self.joint_names,
        }
        names = ("times", "qpos", "wrist", "valid")
        save_npz(path, header, {name: getattr(self, name) for name in names})

    @classmethod
    def load(cls, path: str | Path) -> "JointTrajectory":
        """Read what `save` wrote.

        Raises:
            MissingFileError: there is no such file.
            FormatError: it holds something else.
        """
        header, arrays = load_npz(path, KIND, SCHEMA)
        with whole(path, KIND):
            return cls.from_saved(header, arrays)

    @classmethod
    def from_saved(
        cls, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> "JointTrajectory":
        """The trajectory that a file's header and arrays describe."""
        names = ("times", "qpos", "wrist", "valid")
        return cls(
            header["hand"],
            header["side"],
            tuple(header["joint_names"]),
            **{name: arrays[name] for name in names},
        )


def is_regular(elapsed: Float[np.ndarray, " T"], rate: float) -> bool:
    """Whether times since the first [s] are those of frames at `rate` [Hz]."""
    return bool(np.abs(elapsed * rate - np.arange(len(elapsed))).max() <= 1e-3)


def conformed(trajectory: JointTrajectory, hand: RobotHand, control_rate: float) -> JointTrajectory:
    """`trajectory` at `control_rate` [Hz] from time 0, its columns in the order of `hand`.

    A trajectory that has this rate already keeps its frames as they are.

    Raises:
        InputError: it is for another hand, or has fewer than two frames at that rate.
    """
    if (trajectory.hand, trajectory.side) != (hand.name, hand.side):
        raise InputError(
            f"The trajectory is for the {trajectory.side} hand {trajectory.hand!r}, expected the "
            f"{hand.side} hand {hand.name!r}."
        )
    if sorted(trajectory.joint_names) != sorted(hand.joint_names):
        raise InputError(
            f"The trajectory has the joints {', '.join(trajectory.joint_names)}; expected those of "
            f"{hand.name!r}: {', '.join(hand.joint_names)}."
        )
    if len(trajectory) < 2:
        raise InputError(f"The trajectory has {len(trajectory)} frame, expected at least two.")
    elapsed = trajectory.times - trajectory.times[0]
    if not is_regular(elapsed, control_rate):
        trajectory = trajectory.resample(control_rate)
    if len(trajectory) < 2:
        raise InputError(
            f"The trajectory lasts {elapsed[-1]:g} s, expected at least one step at "
            f"{control_rate:g} Hz."
        )
    order = [trajectory.joint_names.index(name) for name in hand.joint_names]
    return replace(
        trajectory,
        joint_names=hand.joint_names,
        times=np.arange(len(trajectory)) / control_rate,
        qpos=trajectory.qpos[:, order],
    )


def require_texts(**values: Sequence[object]) -> None:
    """Make sure that names are text.

    Raises:
        InputError: one is something else.
    """
    for name, texts in values.items():
        odd = [text for text in texts if not isinstance(text, str)]
        if odd:
            raise InputError(f"{name}: {odd[0]!r:.60}, expected text.")


def require_numbers(name: str, values: object, kinds: str = "biuf") -> None:
    """Make sure that an array is of numbers of numpy's `kinds`.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(values, np.ndarray) or values.dtype.kind not in kinds:
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise InputError(f"{name}: {kind}, expected an array of numbers or truth values.")


def _require_finite(name: str, values: Float[np.ndarray, "..."]) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(f"{name}{list(place)} is {values[place]}, expected a finite number.")


def _require_increasing(times: Float[np.ndarray, " T"]) -> None:
    steps = np.flatnonzero(np.diff(times) <= 0)
    if len(steps):
        i = int(steps[0])
        raise InputError(
            f"times must be strictly increasing: times[{i + 1}] = {times[i + 1]:g} follows "
            f"{times[i]:g}."
        )


def unit_poses(name: str, poses: Float[np.ndarray, "T 7"]) -> Float[np.ndarray, "T 7"]:
    """Poses with quaternions of length 1; those that have it keep their bits.

    Raises:
        InputError: a quaternion is far from that.
    """
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(poses[:, 3:], axis=1)
    if np.any(np.abs(norms - 1) > 1e-3):
        i = int(np.argmax(np.abs(norms - 1)))
        raise InputError(f"{name}[{i}] has a quaternion of length {norms[i]:g}, expected 1.")
    norms[np.abs(norms - 1) < 1e-12] = 1.0
    return np.concatenate([poses[:, :3], poses[:, 3:] / norms[:, None]], axis=1)
