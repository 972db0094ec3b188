"""TrackEnv: follow a joint trajectory, or the fingertips of a person."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim import rewards
from handsim.envs.hand_env import HandEnv, Info, Observation
from handsim.envs.step_parts import tracking
from handsim.errors import InputError
from handsim.hands.catalog import load_hand
from handsim.hands.robot_hand import RobotHand
from handsim.joint_trajectory import JointTrajectory, conformed, is_regular
from handsim.poses import IDENTITY_POSE, interpolate_poses
from handsim.randomization import Randomization, longest_latency
from handsim.rollout import REFERENCE_QPOS, REFERENCE_TIPS, REFERENCE_WRIST
from handsim.scene import build_scene, timestep_at
from handsim.wrist import WRIST_LAG


class TrackEnv(HandEnv):
    """Move a hand as a `JointTrajectory` says, or its fingertips as they are wanted.

    An episode starts at rest in frame 0. Step ``k`` leads from frame ``k`` to frame ``k + 1`` and
    is judged against frame ``k + 1``, which the observation before it shows as the target; to
    command that frame's position is to track it. The episode is truncated at the last frame.

    With `tips` of their own, fingertips are wanted there and joints are free: ``target_qpos`` is
    not observed, ``joints`` no term and ``joint_rmse`` not reported. The trajectory says how the
    episode begins, and moves the wrist.

    A wrist that moves is not part of the action: it follows the trajectory's wrist, interpolated at
    every physics step, its target running ahead by `WRIST_LAG`.

    Observation, all float64 [rad, m, s, N]: ``qpos``, ``qvel`` (nq,) of the hand; ``ctrl`` (nu,)
    the targets in force; ``tips`` (F, 3) in the palm frame; ``palm`` (7,) in the world; ``touch``
    (F, 3), the contact forces on the fingertips in the palm frame; the next frame's
    ``target_qpos`` (nq,) and ``target_tips`` (F, 3); ``phase`` (1,) from 0 to 1.

    The reward, in [0, 1], is the mean of the terms ``joints``, ``tips`` and, for a wrist that
    moves, ``palm``. Info has each as ``reward_<term>``, and ``joint_rmse`` [rad], ``tip_error``
    [m, mean distance in the palm frame], ``frame`` and, for a wrist that moves, ``palm_error`` [m]
    and ``palm_turn`` [rad].

    Attributes:
        reference: the trajectory at the control rate, columns in the hand's order.
        target_tips: the fingertips wanted at its frames (T, F, 3), in the palm frame [m].
        free: whether only the fingertips count.
        settings: the arguments, next to the trajectory, that make an environment like this one.
    """

    def __init__(
        self,
        hand: str | RobotHand,
        trajectory: JointTrajectory | str | Path,
        side: str | None = None,
        wrist: str = "fixed",
        control_rate: float | None = None,
        ground: float | None = None,
        self_collision: bool = True,
        control: str = "joints",
        cameras: Sequence[str] = (),
        render_mode: str | None = None,
        camera: str = "front",
        width: int = 640,
        height: int = 480,
        randomization: Randomization | Mapping[str, Any] | None = None,
        tips: Float[np.ndarray, "T F 3"] | None = None,
    ):
        """Build the scene.

        Args:
            hand: a name for `load_hand`, or a hand.
            trajectory: what to follow, or the file that holds it.
            side: "right" or "left"; by default the trajectory's.
            wrist: "fixed" keeps the palm frame at the world's origin; "floating" and "actuated"
                move it along the trajectory's wrist, see `build_scene`.
            control_rate: steps a second [Hz]; by default the trajectory's. The trajectory is
                resampled to it unless it is regular at that rate already.
            ground: height of a ground plane [m], or None.
            self_collision: whether the hand's links collide with each other.
            control, cameras, render_mode, camera, width, height, randomization: see `HandEnv`.
            tips: where the fingertips are to be at the trajectory's frames, in the palm frame [m],
                in the order of the hand's fingers; by default where the trajectory has them.

        Raises:
            InputError: the trajectory is for another hand or has fewer than two frames, or `tips`
                are not finite or of other frames or fingers.
        """
        if not isinstance(trajectory, JointTrajectory):
            trajectory = JointTrajectory.load(trajectory)
        if isinstance(hand, str):
            hand = load_hand(hand, side or trajectory.side)
        elif side not in (None, hand.side):
            raise InputError(f"side: {side!r}, expected {hand.side!r}, the given hand's.")
        control_rate = float(control_rate or np.round(trajectory.rate, 6))
        self.reference = conformed(trajectory, hand, control_rate)
        self.steps = len(self.reference) - 1
        timestep, substeps = timestep_at(control_rate)
        moving = wrist != "fixed"
        scene = build_scene(
            hand,
            wrist,
            self.reference.wrist[0] if moving else IDENTITY_POSE,
            ground,
            timestep=timestep,
            self_collision=self_collision,
            longest_latency=longest_latency(randomization),
        )
        self._moving = moving
        self.free = tips is not None
        if tips is None:
            self.target_tips = hand.tips(self.reference.qpos)
        else:
            _require_tips(tips, (len(trajectory), len(hand.fingers), 3))
            self.target_tips = _at_frames(tips, trajectory, self.reference)
        self._start = scene.wrist_poses(self.reference.wrist[:1], self.reference.qpos[:1])[0]
        super().__init__(
            scene,
            control_rate,
            substeps,
            control,
            None,
            cameras,
            render_mode,
            camera,
            width,
            height,
            randomization,
        )
        self._wrists = self._wrist_targets()
        self.settings = {
            "hand": hand.name,
            "side": hand.side,
            "wrist": wrist,
            "control": control,
            "control_rate": control_rate,
            "ground": ground,
            "self_collision": self_collision,
            "randomization": self.randomization.as_dict(),
        }

    def commands(self, trajectory: JointTrajectory | None = None) -> Float[np.ndarray, "N nu"]:
        """Targets that track a trajectory, by default the environment's."""
        return super().commands(trajectory or self.reference)

    def annotations(self) -> dict[str, np.ndarray]:
        """What is tracked."""
        kept = {REFERENCE_QPOS: self.reference.qpos, REFERENCE_WRIST: self.reference.wrist}
        return kept | ({REFERENCE_TIPS: self.target_tips} if self.free else {})

    def _aims(self) -> Observation:
        target = min(self.frame + 1, self.steps)
        aims = {} if self.free else {"target_qpos": self.reference.qpos[target].copy()}
        aims["target_tips"] = self.target_tips[target].copy()
        aims["phase"] = np.array([min(self.frame / self.steps, 1.0)])
        return aims

    def _aim_shapes(self) -> dict[str, tuple[int, ...]]:
        joints: dict[str, tuple[int, ...]] = {} if self.free else {"target_qpos": (self.hand.nq,)}
        return joints | {"target_tips": (len(self.hand.fingers), 3), "phase": (1,)}

    def _begin(self) -> None:
        self.scene.place(self.data, self.reference.qpos[0], self._start)

    def _simulate(self, command: Float[np.ndarray, " nu"]) -> None:
        if not self._moving:
            return super()._simulate(command)
        self.data.ctrl[self.scene.ctrl_ids] = command
        start = self.frame * self.substeps
        for index in range(start, start + self.substeps):
            target = self._wrists[min(index, len(self._wrists) - 1)]
            self.scene.wrist.follow(self.data, target)
            mujoco.mj_step(self.scene.model, self.data)

    def _assess(self) -> tuple[dict[str, float], Info]:
        frame = min(self.frame, self.steps)
        joint_rmse, tip_error, joints, tips = tracking(
            self.seen,
            self.reference.qpos[frame],
            self.target_tips[frame],
            rewards.MARGINS["joints"],
            rewards.MARGINS["tips"],
        )
        info: Info = {"frame": self.frame, "tip_error": tip_error}
        terms = {"tips": tips}
        if not self.free:
            info["joint_rmse"] = joint_rmse
            terms["joints"] = joints
        if self._moving:
            info |= self._palm_errors(frame)
            terms |= rewards.closeness({"palm": np.array([info["palm_error"]])})
        return terms, info

    def _palm_errors(self, frame: int) -> dict[str, float]:
        palm, target = self.scene.palm(self.data), self.reference.wrist[frame]
        turns = Rotation.from_quat([palm[3:], target[3:]], scalar_first=True)
        return {
            "palm_error": float(np.linalg.norm(palm[:3] - target[:3])),
            "palm_turn": float((turns[0].inv() * turns[1]).magnitude()),
        }

    def _finished(self) -> bool:
        return self.frame >= self.steps

    def _wrist_targets(self) -> Float[np.ndarray, "S k"]:
        """Targets of the wrist for each physics step of an episode.

        They run ahead by the lag of a wrist that moves, which a recording allows.
        """
        reference, rate = self.reference, self.control_rate
        poses = self.scene.wrist_poses(reference.wrist, reference.qpos)
        starts = np.arange(self.steps * self.substeps) / (rate * self.substeps)
        ahead = np.minimum(starts + WRIST_LAG, reference.times[-1])
        return self.scene.wrist.targets(interpolate_poses(ahead, reference.times, poses))


def _require_tips(tips: Float[np.ndarray, "..."], shape: tuple[int, ...]) -> None:
    if np.shape(tips) != shape:
        raise InputError(f"tips: shape {np.shape(tips)}, expected {shape}.")
    if not np.isfinite(tips).all():
        frame = int(np.flatnonzero(~np.isfinite(tips).all(axis=(1, 2)))[0])
        raise InputError(f"tips: those of frame {frame} are not finite, expected numbers [m].")


def _at_frames(
    tips: Float[np.ndarray, "T F 3"], trajectory: JointTrajectory, reference: JointTrajectory
) -> Float[np.ndarray, "S F 3"]:
    """What belongs to a trajectory's frames, interpolated at those of its `conformed` version."""
    elapsed = trajectory.times - trajectory.times[0]
    if is_regular(elapsed, float(reference.rate)):
        return tips.copy()
    columns = [np.interp(reference.times, elapsed, c) for c in tips.reshape(len(tips), -1).T]
    return np.stack(columns, axis=1).reshape(-1, *tips.shape[1:])
