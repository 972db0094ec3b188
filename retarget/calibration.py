"""Calibration: how one person's palm frame and finger lengths map onto one robot hand's.

A human keypoint h of a finger f, in the human palm frame, is wanted at

    place(h) = offset + rotation h            (true size)
    target(h) = offset + scale_f rotation h   (the robot's size)

in the robot's palm frame. It belongs to one person and one hand: trackers draw the bones of the
same person differently, so another tracker is another person.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from handsim.files import load_npz, save_npz
from handsim.hands.robot_hand import RobotHand, Side
from retarget.human.keypoints import CHAINS
from retarget.objective import Objective
from retarget.reference import fingertips
from retarget.solvers.newton import newton

KIND, SCHEMA = "calibration", 1
FRAMES, ROUNDS = 64, 8
HUBER = 0.01
"""Distance [m] beyond which a fingertip pulls on the fit with constant force."""
SHARED = 0.5
"""How far each round draws the fingers' scales to their mean: where scales agree, fingertips that
touch on the person have targets that touch. On three hands and clips it costs 1 mm of tip error
and brings the gap at pinches from 25 to under 10 mm (Allegro, glove)."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The similarity between one person's palm and one robot hand's, with a scale a finger.

    Attributes:
        hand, side: which robot hand.
        fingers: the hand's fingers, in the order of `scale`.
        rotation: human palm axes in the robot's palm frame.
        offset: origin of the human palm in the robot's palm frame [m].
        scale: robot length over human length of each finger.

    Raises:
        InputError: `rotation` is not one, or a scale is not positive.
    """

    hand: str
    side: Side
    fingers: tuple[str, ...]
    rotation: Float[np.ndarray, "3 3"]
    offset: Float[np.ndarray, " 3"]
    scale: Float[np.ndarray, " F"]

    def __post_init__(self) -> None:
        if np.abs(self.rotation @ self.rotation.T - np.eye(3)).max() > 1e-6:
            raise InputError(f"rotation {self.rotation.tolist()} is not orthonormal.")
        if np.shape(self.scale) != (len(self.fingers),) or not (self.scale > 0).all():
            raise InputError(
                f"scale: {np.asarray(self.scale).tolist()}, expected a positive number for each "
                f"of {', '.join(self.fingers)}."
            )

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
        human = Rotation.from_quat(wrist[:, 3:], scalar_first=True)
        robot = human * Rotation.from_matrix(self.rotation.T)
        position = wrist[:, :3] - robot.apply(self.offset)
        return np.concatenate([position, robot.as_quat(scalar_first=True)], axis=1)

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
            "fingers": self.fingers,
        }
        arrays = {"rotation": self.rotation, "offset": self.offset, "scale": self.scale}
        save_npz(path, header, arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Calibration":
        """Read what `save` wrote.

        Raises:
            MissingFileError: there is no such file.
            FormatError: it holds something else.
        """
        header, arrays = load_npz(path, KIND, SCHEMA)
        return cls(header["hand"], header["side"], tuple(header["fingers"]), **arrays)


def calibrate(hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"]) -> Calibration:
    """Fit palm alignment and finger scales to a person's motion.

    Starts at the hand's full reach (`by_proportion`) and alternates: solve the fingertips for the
    current targets; fit the similarity that brings the human tips onto the solved ones. Targets
    out of reach draw the scale down and the palm over; targets that are reached keep it. The
    fingers' scales are drawn together (`SHARED`), so that pinches stay pinches.

    Args:
        hand: the robot.
        keypoints: valid human keypoints in the human palm frame [m].
    """
    calibration = by_proportion(hand, keypoints)
    chosen = keypoints[np.unique(np.linspace(0, len(keypoints) - 1, FRAMES).astype(int))]
    for _ in range(ROUNDS):
        reference = fingertips(hand, calibration.tip_targets(chosen))
        objective = Objective(hand, replace(reference, smoothness=1e-4))
        tips = hand.tips(objective.qpos(newton(objective).x))
        calibration = _refit(calibration, chosen, tips)
    return calibration


def _refit(
    old: Calibration, keypoints: Float[np.ndarray, "T 21 3"], tips: Float[np.ndarray, "T F 3"]
) -> Calibration:
    """The robust similarity that brings human tips onto robot tips: Kabsch, then the scales."""
    distance = np.linalg.norm(tips - old.tip_targets(keypoints), axis=-1)
    weight = HUBER / np.maximum(distance, HUBER)
    human = keypoints[:, [CHAINS[f][3] for f in old.fingers]]
    scaled = old.scale[:, None] * human
    centre_h = np.average(scaled, axis=(0, 1), weights=weight[..., None] * np.ones(3))
    centre_r = np.average(tips, axis=(0, 1), weights=weight[..., None] * np.ones(3))
    rotation = _kabsch(scaled - centre_h, tips - centre_r, weight)
    offset = centre_r - rotation @ centre_h
    turned = human @ rotation.T
    along = (weight[..., None] * turned * (tips - offset)).sum(axis=(0, 2))
    scale = along / (weight[..., None] * turned**2).sum(axis=(0, 2))
    scale = (1 - SHARED) * scale + SHARED * scale.mean()
    return replace(old, rotation=rotation, offset=offset, scale=scale)


def _kabsch(
    a: Float[np.ndarray, "T F 3"], b: Float[np.ndarray, "T F 3"], weight: Float[np.ndarray, "T F"]
) -> Float[np.ndarray, "3 3"]:
    """The rotation R that minimises Σ w ‖b − R a‖² (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(np.einsum("tf,tfi,tfj->ij", weight, b, a))
    sign = np.sign(np.linalg.det(u @ vt))
    return u @ np.diag([1.0, 1.0, sign]) @ vt


def by_proportion(hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"]) -> Calibration:
    """Palms coincide; each finger's scale is the robot's reach over the human finger's length.

    Args:
        hand: the robot.
        keypoints: valid human keypoints in the human palm frame [m].
    """
    scale = hand.reach / finger_lengths(keypoints, hand.fingers)
    return Calibration(hand.name, hand.side, hand.fingers, np.eye(3), np.zeros(3), scale)


def finger_lengths(
    keypoints: Float[np.ndarray, "T 21 3"], fingers: tuple[str, ...]
) -> Float[np.ndarray, " F"]:
    """Length of each finger from the wrist to its tip [m]: the sum of its median bones.

    Raises:
        InputError: a finger has no length.
    """
    chains = [[0, *CHAINS[f]] for f in fingers]
    bones = np.array(
        [
            np.median(np.linalg.norm(np.diff(keypoints[:, chain], axis=1), axis=-1), axis=0).sum()
            for chain in chains
        ]
    )
    if not (bones > 0).all():
        flat = fingers[int(np.argmin(bones))]
        raise InputError(f"The {flat} has length 0 in most frames; expected a finger.")
    return bones
