"""TrackEnv: follow a joint trajectory."""

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
from gymnasium import spaces
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim import rewards
from handsim.envs.hand_env import HandEnv, Info, Observation
from handsim.errors import InputError
from handsim.hands.catalog import load_hand
from handsim.hands.robot_hand import RobotHand
from handsim.joint_trajectory import JointTrajectory, interpolate_poses
from handsim.scene import IDENTITY_POSE, WRIST_LAG, build_scene, timestep_at


class TrackEnv(HandEnv):
    """Move a hand as a `JointTrajectory` says.

    An episode starts at rest in frame 0. Step ``k`` leads from frame ``k`` to frame ``k + 1`` and
    is judged against frame ``k + 1``, which the observation before it shows as the target; to
    command that frame's position is to track it. The episode is truncated at the last frame.

    A floating wrist is not part of the action: it follows the trajectory's wrist, interpolated at
    every physics step, its target running ahead by `WRIST_LAG`.

    Observation, all float64 [rad, m, s]: ``qpos``, ``qvel`` (nq,) of the hand; ``ctrl`` (nu,)
    the targets in force; ``tips`` (F, 3) in the palm frame; ``palm`` (7,) in the world; the next
    frame's ``target_qpos`` (nq,) and ``target_tips`` (F, 3); ``phase`` (1,) from 0 to 1.

    The reward, in [0, 1], is the mean of the terms ``joints``, ``tips`` and, for a floating wrist,
    ``palm``. Info has each as ``reward_<term>``, and ``joint_rmse`` [rad], ``tip_error`` [m, mean
    distance in the palm frame], ``frame`` and, for a floating wrist, ``palm_error`` [m] and
    ``palm_turn`` [rad].

    Attributes:
        reference: the trajectory at the control rate, columns in the hand's order.
        steps: steps of an episode.
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
        render_mode: str | None = None,
        camera: str = "front",
        width: int = 640,
        height: int = 480,
    ):
        """Build the scene.

        Args:
            hand: a name for `load_hand`, or a hand.
            trajectory: what to follow, or the file that holds it.
            side: "right" or "left"; by default the trajectory's.
            wrist: "fixed" keeps the palm frame at the world's origin; "floating" moves it along
                the trajectory's wrist.
            control_rate: steps a second [Hz]; by default the trajectory's. The trajectory is
                resampled to it unless it is regular at that rate already.
            ground: height of a ground plane [m], or None.
            self_collision: whether the hand's links collide with each other.
            render_mode: "rgb_array" or None.
            camera, width, height: what `render` shows, and its size in pixels.

        Raises:
            InputError: the trajectory is for another hand or has fewer than two frames.
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
        floating = wrist == "floating"
        scene = build_scene(
            hand,
            wrist,
            self.reference.wrist[0] if floating else IDENTITY_POSE,
            ground,
            timestep,
            self_collision,
        )
        super().__init__(scene, control_rate, substeps, render_mode, camera, width, height)
        self._floating = floating
        self.settings = {
            "hand": hand.name,
            "side": hand.side,
            "wrist": wrist,
            "control_rate": control_rate,
            "ground": ground,
            "self_collision": self_collision,
        }
        self._target_tips = hand.tips(self.reference.qpos)
        self._wrists = self._wrist_targets()
        self.observation_space = self._observation_space()

    def observe(self) -> Observation:
        """The observation of the current state."""
        scene, data = self.scene, self.data
        target = min(self.frame + 1, self.steps)
        return {
            "qpos": data.qpos[scene.qpos_ids],
            "qvel": data.qvel[scene.dof_ids],
            "ctrl": data.ctrl[scene.ctrl_ids],
            "tips": scene.tips(data),
            "palm": scene.palm(data),
            "target_qpos": self.reference.qpos[target].copy(),
            "target_tips": self._target_tips[target].copy(),
            "phase": np.array([min(self.frame / self.steps, 1.0)]),
        }

    def _observation_space(self) -> spaces.Space[Observation]:
        """Bounded where MuJoCo is: it calls a state beyond ``mjMAXVAL`` unstable."""
        hand, far = self.hand, mujoco.mjMAXVAL
        shapes = {
            "qpos": (hand.nq,),
            "qvel": (hand.nq,),
            "ctrl": (hand.nu,),
            "tips": (len(hand.fingers), 3),
            "palm": (7,),
            "target_qpos": (hand.nq,),
            "target_tips": (len(hand.fingers), 3),
        }
        boxes: dict[str, spaces.Space] = {
            name: spaces.Box(-far, far, shape, np.float64) for name, shape in shapes.items()
        }
        return spaces.Dict({**boxes, "phase": spaces.Box(0.0, 1.0, (1,), np.float64)})

    def _begin(self) -> None:
        start = self.scene.wrist_poses(self.reference.wrist[:1], self.reference.qpos[:1])[0]
        self.scene.place(self.data, self.reference.qpos[0], start)

    def _simulate(self) -> None:
        if not self._floating:
            return super()._simulate()
        start = self.frame * self.substeps
        for index in range(start, start + self.substeps):
            self.scene.lead_wrist(self.data, self._wrists[min(index, len(self._wrists) - 1)])
            mujoco.mj_step(self.scene.model, self.data)

    def _assess(self) -> tuple[float, Info]:
        frame = min(self.frame, self.steps)
        joints = self.data.qpos[self.scene.qpos_ids] - self.reference.qpos[frame]
        tips = self.scene.tips(self.data) - self._target_tips[frame]
        terms = {"joints": rewards.joint_term(joints), "tips": rewards.tip_term(tips)}
        info: Info = {
            "frame": self.frame,
            "joint_rmse": float(np.sqrt(np.mean(joints**2))),
            "tip_error": float(np.linalg.norm(tips, axis=1).mean()),
        }
        if self._floating:
            info |= self._palm_errors(frame)
            terms["palm"] = rewards.palm_term(info["palm_error"])
        info |= {f"reward_{name}": value for name, value in terms.items()}
        return rewards.total(terms), info

    def _palm_errors(self, frame: int) -> dict[str, float]:
        palm, target = self.scene.palm(self.data), self.reference.wrist[frame]
        turns = Rotation.from_quat([palm[3:], target[3:]], scalar_first=True)
        return {
            "palm_error": float(np.linalg.norm(palm[:3] - target[:3])),
            "palm_turn": float((turns[0].inv() * turns[1]).magnitude()),
        }

    def _finished(self) -> bool:
        return self.frame >= self.steps

    def _wrist_targets(self) -> Float[np.ndarray, "S 7"]:
        """Targets of the wrist body for each physics step of an episode.

        They run ahead by the lag of a floating wrist, which a recording allows.
        """
        reference, rate = self.reference, self.control_rate
        poses = self.scene.wrist_poses(reference.wrist, reference.qpos)
        starts = np.arange(self.steps * self.substeps) / (rate * self.substeps)
        ahead = np.minimum(starts + WRIST_LAG, reference.times[-1])
        return interpolate_poses(ahead, reference.times, poses)


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
    if np.abs(elapsed * control_rate - np.arange(len(elapsed))).max() > 1e-3:
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
