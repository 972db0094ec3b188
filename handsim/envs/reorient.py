"""ReorientEnv: turn an object that lies in the hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim import rewards
from handsim.envs.cup import UPTURNED, cupped
from handsim.envs.hand_env import HandEnv, Info, Observation
from handsim.envs.task_parts import lying, turn_to
from handsim.errors import InputError, unknown
from handsim.hands.catalog import load_hand
from handsim.hands.robot_hand import RobotHand
from handsim.objects import SceneObject, load_object
from handsim.poses import matrices_from_poses
from handsim.randomization import NOISE_KEY, Randomization, longest_latency
from handsim.scene import build_scene, timestep_at

TURNS = ("yaw", "any")
REACHED = 0.2
"""A goal is reached when the object is closer to it than this [rad]."""
DROPPED = 0.1
"""An object farther from where it lay at first, as the palm sees it, is dropped [m]."""
WRIST_RANGE = np.array([[-0.03, 0.03]] * 3 + [[-0.3, 0.3]] * 3)
"""Ends of the coordinates of a wrist that is part of the action [m, rad]."""

RANGE_TIME = 1.0
"""How long delta targets take through the whole range of an actuator [s]: faster ones throw the
object out of the hand."""

_LEAST_TURN, _MOST_YAW = 0.5, np.pi / 2
"""How far a goal is from the one before, at least and, about the vertical, at most [rad]."""
_FASTEST = 0.7
"""How fast the object turns for the whole of the reward's term [rad/s]."""
_FREE = 0.05
"""How far the object may be from where it lay at no cost [m]."""
_SHIFT, _TWIST, _LIFT = 0.003, 0.15, 0.002
"""How far an object is put from where it lies firmest: along x and y [m], about z [rad], up [m]."""
_SETTLING = 0.25
_ASIDE = 0.09
"""How far from the object its image floats, to the side of the little finger [m]."""
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class ReorientEnv(HandEnv):
    """Turn an object that lies in the upturned hand to one goal orientation after another.

    An episode starts with the object at rest in the cupped hand, a little off where it lies
    firmest. Once the object is within `REACHED` of the goal, the next step has a new one. The
    episode is terminated when the object is dropped, and truncated when its time is over.

    Observation, all float64 [rad, m, s, N]: ``qpos``, ``qvel`` (nq,) of the hand; ``ctrl`` the
    targets in force, of the wrist too where it is part of the action; ``tips`` (F, 3) in the palm
    frame; ``palm`` (7,) in the world; ``touch`` (F, 3), the contact forces on the fingertips in the
    palm frame; ``object`` (7,) and ``object_velocity`` (6,), see `Scene`; ``goal`` (7,), the pose
    of the image that shows the goal, which has the goal's orientation; ``goal_turn`` (3,), the
    rotation vector in the world that brings the object to it.

    The reward, in [0, 1], is the mean of the terms ``progress``, by how much the angle to the goal
    has shrunk in this step, 0.5 if not at all; and ``place``, 1 near where the object lay and 0.1
    where it counts as dropped. Info has each as ``reward_<term>``, and ``angle`` to the goal [rad],
    ``distance`` from where the object lay [m], ``success``, whether the goal is reached,
    ``successes`` so far, ``dropped`` and ``frame``.

    Attributes:
        turn: what goals there are.
        steps: steps of an episode.
    """

    range_time = RANGE_TIME

    def __init__(
        self,
        hand: str | RobotHand,
        side: str | None = None,
        wrist: str = "fixed",
        object: str | Path | SceneObject | Mapping[str, Any] = "cube",
        turn: str = "yaw",
        control: str = "delta",
        control_rate: float = 20.0,
        duration: float = 10.0,
        cameras: Sequence[str] = (),
        render_mode: str | None = None,
        camera: str = "front",
        width: int = 640,
        height: int = 480,
        randomization: Randomization | Mapping[str, Any] | None = None,
    ):
        """Build the scene and find how the object lies in the hand, which takes seconds.

        Args:
            hand: a name for `load_hand`, or a hand.
            side: "right" or "left"; by default the right one.
            wrist: "fixed", or "floating" and "actuated", which make the wrist part of the action
                within `WRIST_RANGE`; see `build_scene`.
            object: for `load_object`.
            turn: what goals there are: "yaw", turned about the vertical by up to 90° from the
                one before; "any", all orientations.
            control_rate: steps a second [Hz].
            duration: of an episode [s].
            control, cameras, render_mode, camera, width, height, randomization: see `HandEnv`.

        Raises:
            UnknownNameError: there is no such hand, object, wrist or turn.
            InputError: an argument means nothing, or the object finds no rest in the hand.
        """
        if turn not in TURNS:
            raise unknown("turn", turn, TURNS)
        if isinstance(hand, str):
            hand = load_hand(hand, side or "right")
        elif side not in (None, hand.side):
            raise InputError(f"side: {side!r}, expected {hand.side!r}, the given hand's.")
        timestep, substeps = timestep_at(control_rate)
        if not 1 / control_rate <= duration < np.inf:
            raise InputError(f"duration: {duration}, expected at least one step [s].")
        thing = load_object(object)
        scene = build_scene(
            hand,
            wrist,
            UPTURNED,
            object=thing,
            timestep=timestep,
            marked=True,
            notes=2,
            longest_latency=longest_latency(randomization),
        )
        self.turn, self.steps = turn, round(duration * control_rate)
        super().__init__(
            scene,
            control_rate,
            substeps,
            control,
            None if wrist == "fixed" else WRIST_RANGE,
            cameras,
            render_mode,
            camera,
            width,
            height,
            randomization,
        )
        self._rest = cupped(scene)
        mujoco.mj_setState(scene.model, self.data, self._rest, _STATE)
        mujoco.mj_kinematics(scene.model, self.data)
        self._home = self._object_in_palm()
        self._before, self._stood = 0.0, self._stands()
        self.settings = {
            "hand": hand.name,
            "side": hand.side,
            "wrist": wrist,
            "object": thing.as_dict(),
            "turn": turn,
            "control": control,
            "control_rate": control_rate,
            "duration": duration,
            "randomization": self.randomization.as_dict(),
        }

    @property
    def successes(self) -> int:
        """Goals reached and left behind in this episode."""
        return int(self._notes[0])

    @property
    def _notes(self) -> Float[np.ndarray, " 2"]:
        """How many goals have been left behind, and the seed of all goals: a view of the state."""
        return self.data.userdata[self.scene.notes]

    def _begin(self) -> None:
        scene, data, rng = self.scene, self.data, self.np_random
        mujoco.mj_resetData(scene.model, data)
        mujoco.mj_setState(scene.model, data, self._rest, _STATE)
        pose = scene.object_pose(data)
        pose[:2] += rng.uniform(-_SHIFT, _SHIFT, 2)
        pose[2] += _LIFT + max(0.0, self._stands() - self._stood)
        pose[3:] = _turned(pose[3:], np.array([0.0, 0.0, rng.uniform(-_TWIST, _TWIST)]))
        data.qpos[scene.object_qpos] = pose
        mujoco.mj_step(scene.model, data, round(_SETTLING / scene.model.opt.timestep))
        data.time = 0.0
        scene.hold(data)
        self._notes[:] = 0, rng.integers(2**32)
        self._set_goal(scene.object_pose(data)[3:])
        scene.update(data)
        self._before = self._angle()

    def _stands(self) -> float:
        """How high the object's middle is where it stands [m]: more where it is drawn larger."""
        return self.scene.object.rest_height if self.scene.object else 0.0

    def _set_goal(self, last: Float[np.ndarray, " 4"]) -> None:
        """Draw the goal that comes after `last` and show it beside the hand."""
        left_behind, seed = self._notes
        rng = np.random.default_rng([int(seed), int(left_behind)])
        aside = np.array([0.0, -_ASIDE if self.hand.side == "right" else _ASIDE, 0.0])
        goal = np.empty(7)
        goal[:3] = matrices_from_poses(UPTURNED)[:3, :3] @ (self._home + aside)
        goal[3:] = _turned(last, self._drawn_turn(rng))
        self.scene.show_goal(self.data, goal)

    def _drawn_turn(self, rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
        """From one goal to the next, as a rotation vector in the world."""
        if self.turn == "yaw":
            angle = rng.uniform(_LEAST_TURN, _MOST_YAW) * rng.choice([-1.0, 1.0])
            return np.array([0.0, 0.0, angle])
        while True:
            turn = Rotation.from_quat(rng.normal(size=4))
            if turn.magnitude() > _LEAST_TURN:
                return turn.as_rotvec()

    def _simulate(self, command: Float[np.ndarray, " n"]) -> None:
        self._before = self._angle()
        if self._before < REACHED:
            self._notes[0] += 1
            self._set_goal(self.data.mocap_quat[self.scene.goal_id])
            self._before = self._angle()
        super()._simulate(command)

    def _aims(self) -> Observation:
        return {"goal_turn": self._goal_turn()}

    def observe(self) -> Observation:
        """See `HandEnv`; the turn is that of the object as it is observed, its noise included."""
        observation = super().observe()
        if NOISE_KEY in self.drawn:
            turn = turn_to(observation["object"][3:], observation["goal"][3:])
            observation["goal_turn"] = turn
        return observation

    def _aim_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"goal_turn": (3,)}

    def _assess(self) -> tuple[dict[str, float], Info]:
        scene, data = self.scene, self.data
        angle, distance = lying(
            data.qpos[scene.object_qpos],
            data.mocap_quat[scene.goal_id],
            data.site_xpos[scene.palm_id],
            data.site_xmat[scene.palm_id],
            self._home,
        )
        self._dropped = distance > DROPPED
        terms = {
            "progress": rewards.progress(self._before - angle, _FASTEST / self.control_rate),
            "place": rewards.close(max(distance - _FREE, 0.0), DROPPED - _FREE),
        }
        info: dict[str, Any] = {
            "frame": self.frame,
            "angle": angle,
            "distance": distance,
            "success": angle < REACHED,
            "successes": self.successes + (angle < REACHED),
            "dropped": self._dropped,
        }
        return terms, info

    def _failed(self) -> bool:
        return self._dropped

    def _finished(self) -> bool:
        return self.frame >= self.steps

    def _goal_turn(self) -> Float[np.ndarray, " 3"]:
        """The rotation vector, in the world, that brings the object to its goal."""
        scene, data = self.scene, self.data
        return turn_to(data.qpos[scene.object_qpos][3:], data.mocap_quat[scene.goal_id])

    def _angle(self) -> float:
        vector = self._goal_turn()
        return float(np.sqrt(vector @ vector))

    def _object_in_palm(self) -> Float[np.ndarray, " 3"]:
        """The object's place in the palm frame [m]."""
        data, palm = self.data, self.scene.palm_id
        way = data.qpos[self.scene.object_qpos][:3] - data.site_xpos[palm]
        return way @ data.site_xmat[palm].reshape(3, 3)


def _turned(
    quat: Float[np.ndarray, " 4"], vector: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " 4"]:
    """An orientation, turned in the world by a rotation vector; with qw ≥ 0."""
    turned = Rotation.from_rotvec(vector) * Rotation.from_quat(quat, scalar_first=True)
    return turned.as_quat(canonical=True, scalar_first=True)
