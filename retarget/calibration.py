"""Calibration: how one person's palm frame and finger lengths map onto one robot hand's.

A human keypoint h of a finger f, in the human palm frame, is wanted at

    place(h) = offset + rotation h            (true size)
    target(h) = offset + scale_f rotation h   (the robot's size)

in the robot's palm frame. It belongs to one person and one hand: trackers draw the bones of the
same person differently, so another tracker is another person. A `Calibration` therefore keeps what
the tracker calls a fingertip (`Source.tips`), and fits no motion whose tips are something else.

`retarget.fitting` finds one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError, unknown
from handsim.files import load_npz, save_npz, whole
from handsim.hands.robot_hand import SIDES, RobotHand, Side
from handsim.joint_trajectory import require_numbers, require_texts
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import CHAINS
from retarget.human.mano import TIPS as MANO_TIPS
from retarget.human.recording import Source
from retarget.human.rigid import compose

KIND, SCHEMA = "calibration", 2
PINCH = {"Manus tip nodes": 0.010, "end of the last bone": 0.010, MANO_TIPS: 0.015}
PINCH_UNKNOWN = 0.020
"""Distance [m] below which a person's fingertips touch, by what the tracker calls a fingertip;
MediaPipe's do at 20 mm, and files that do not say what drew them are mostly of its kind."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The similarity between one person's palm and one robot hand's, with a scale a finger.

    Attributes:
        hand, side: which robot hand.
        fingers: the hand's fingers, in the order of `scale`.
        rotation: human palm axes in the robot's palm frame.
        offset: origin of the human palm in the robot's palm frame [m].
        scale: robot length over human length of each finger.
        tips: what the person's tracker calls a fingertip, as in `Source`; "" if not known.
        pinch: distance of the person's fingertips below which they touch [m].

    Raises:
        InputError: `rotation` is not one, a scale is not positive, or something has another type.
    """

    hand: str
    side: Side
    fingers: tuple[str, ...]
    rotation: Float[np.ndarray, "3 3"]
    offset: Float[np.ndarray, " 3"]
    scale: Float[np.ndarray, " F"]
    tips: str = ""
    pinch: float = PINCH_UNKNOWN

    def __post_init__(self) -> None:
        require_texts(hand=(self.hand,), tips=(self.tips,), fingers=self.fingers)
        if self.side not in SIDES:
            raise unknown("side", self.side, SIDES)
        for name, shape in {"rotation": (3, 3), "offset": (3,)}.items():
            values = getattr(self, name)
            require_numbers(name, values)
            if values.shape != shape or not np.isfinite(values).all():
                said = str(values.tolist())[:200]
                raise InputError(f"{name}: {said}, expected finite numbers of shape {shape}.")
        require_numbers("scale", self.scale)
        if not (isinstance(self.pinch, int | float) and self.pinch > 0):
            raise InputError(f"pinch: {self.pinch!r:.60}, expected a positive distance [m].")
        if not np.abs(self.rotation @ self.rotation.T - np.eye(3)).max() <= 1e-6:
            raise InputError(f"rotation {self.rotation.tolist()} is not orthonormal.")
        if (
            np.shape(self.scale) != (len(self.fingers),)
            or not ((self.scale > 0) & np.isfinite(self.scale)).all()
        ):
            raise InputError(
                f"scale: {np.asarray(self.scale).tolist()}, expected a positive number for each "
                f"of {', '.join(self.fingers)}."
            )

    def __str__(self) -> str:
        turn = Rotation.from_matrix(self.rotation).as_rotvec(degrees=True)
        lines = [
            f"calibration of {self.hand} {self.side}",
            f"tips      {self.tips or 'not known'}, touching at {1e3 * self.pinch:.0f} mm",
            f"rotation  {np.linalg.norm(turn):.1f}° ({', '.join(f'{t:.1f}' for t in turn)})",
            f"offset    {', '.join(f'{1e3 * o:.1f}' for o in self.offset)} mm",
            *(f"{f:8}  × {s:.3f}" for f, s in zip(self.fingers, self.scale, strict=True)),
        ]
        return "\n".join(lines)

    def place(self, keypoints: Float[np.ndarray, "T 21 3"]) -> Float[np.ndarray, "T 21 3"]:
        """Human keypoints in the robot's palm frame, in true size [m]."""
        return self.offset + keypoints @ self.rotation.T

    def tip_targets(self, keypoints: Float[np.ndarray, "T 21 3"]) -> Float[np.ndarray, "T F 3"]:
        """Where the robot's fingertips should be, in its palm frame [m]."""
        tips = keypoints[:, [CHAINS[f][3] for f in self.fingers]]
        return self.offset + self.scale[:, None] * (tips @ self.rotation.T)

    def robot_wrist(self, wrist: Float[np.ndarray, "T 7"]) -> Float[np.ndarray, "T 7"]:
        """The robot's palm frame in the world, where the human's is at `wrist` (x y z qw qx qy qz).

        The two palms coincide as `place` says, so the robot's points fall on the human's.
        """
        return compose(np.array(wrist, dtype=np.float64), self._robot_palm)

    @cached_property
    def _robot_palm(self) -> Float[np.ndarray, "1 7"]:
        """The robot's palm frame in the human's."""
        turn = Rotation.from_matrix(self.rotation.T)
        return np.array([[*turn.apply(-self.offset), *turn.as_quat(scalar_first=True)]])

    def require(self, hand: RobotHand, source: Source) -> None:
        """Make sure this is a calibration of `hand` and of a motion from `source`.

        Raises:
            InputError: it is of another hand, or of a tracker with other fingertips.
        """
        if (self.hand, self.side) != (hand.name, hand.side):
            raise InputError(
                f"The calibration is of {self.hand} {self.side}, the hand is "
                f"{hand.name} {hand.side}; expected the same."
            )
        self.require_tips(source)

    def require_tips(self, source: Source) -> None:
        """Make sure that a motion's fingertips are what they were in the calibration's.

        Raises:
            InputError: they are another tracker's.
        """
        if self.tips and source.tips and self.tips != source.tips:
            raise InputError(
                f"The calibration is for fingertips that are {self.tips!r}, those of the motion "
                f"are {source.tips!r}; expected the same: calibrate on this tracker."
            )

    def save(self, path: str | Path) -> None:
        """Write one self-describing `.npz`.

        Raises:
            OutputError: `path` cannot be written.
        """
        header, arrays = self.as_saved()
        save_npz(path, {"kind": KIND, "schema": SCHEMA, **header}, arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Calibration":
        """Read what `save` wrote.

        Raises:
            MissingFileError: there is no such file.
            FormatError: it holds something else.
        """
        header, arrays = load_npz(path, KIND, SCHEMA)
        with whole(path, KIND):
            return cls.from_saved(header, arrays)

    def as_saved(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a file holds of it: names and arrays."""
        header = {
            name: getattr(self, name) for name in ("hand", "side", "fingers", "tips", "pinch")
        }
        return header, {name: getattr(self, name) for name in ("rotation", "offset", "scale")}

    @classmethod
    def from_saved(
        cls, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> "Calibration":
        """The calibration that `as_saved` described."""
        return cls(
            header["hand"],
            header["side"],
            tuple(header["fingers"]),
            arrays["rotation"],
            arrays["offset"],
            arrays["scale"],
            header["tips"],
            header["pinch"],
        )


def require_same_side(hand: RobotHand, motion: HandTrajectory) -> None:
    """Make sure that a motion is of the hand's side.

    Raises:
        InputError: it is of the other.
    """
    if motion.side != hand.side:
        raise InputError(
            f"The motion is of a {motion.side} hand, {hand.name} is loaded as a {hand.side} one; "
            f"expected the same side: load_hand({hand.name!r}, side={motion.side!r})."
        )
