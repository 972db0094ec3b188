"""HandEnv: what every environment with a hand in it shares."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from jaxtyping import Float, UInt8

from handsim import rewards
from handsim.control import (
    FASTEST_WRIST,
    FASTEST_WRIST_TURN,
    MAX_WRIST_SPEED,
    MAX_WRIST_TURN,
    RANGE_TIME,
    Control,
    DeltaTargets,
    JointTargets,
)
from handsim.envs.sights import Sights
from handsim.envs.step_parts import bounded
from handsim.errors import InputError, unknown
from handsim.joint_trajectory import JointTrajectory, conformed
from handsim.poses import interpolate_poses
from handsim.randomization import NOISE_KEY, Randomization, noisy
from handsim.render import Renderer, Segment
from handsim.scene import Scene
from handsim.stage import CAMERAS
from handsim.tip_targets import TipTargets
from handsim.variation import Variation
from handsim.wrist import WRIST_LAG
from handsim.wrist_parts import way_to

Observation = dict[str, Any]
Info = dict[str, Any]

RENDER_MODES = ("rgb_array",)
CONTROLS = ("joints", "delta", "tips")
IMAGE = "image_"
"""What the name of an observed picture starts with; the camera's name follows."""

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_BAD_STATE = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)
_FAR = mujoco.mjMAXVAL
"""MuJoCo calls a state beyond this unstable."""


class HandEnv(gymnasium.Env[Observation, np.ndarray]):
    """A hand in a scene, driven by position targets at a control rate.

    An action in [−1, 1]ᵃ says, in the way of the environment's control mode, what the targets of
    the hand's actuators are to be and, where the wrist is part of the action, its coordinates. The
    targets of the hand are set at once; those of the wrist move evenly over the control step, as
    far as `FASTEST_WRIST` lets them.

    A subclass says how an episode begins, what it shows, how it is judged and when it is over. All
    that the next step depends on is MuJoCo's state and, where episodes differ by domain
    randomization, what this one has `drawn`.

    Attributes:
        scene: the hand in its world, with the object as it is in this episode.
        data: the state; read it, and write it through `set_state` only.
        control: how actions are read.
        control_rate: steps a second [Hz].
        substeps: physics steps in one step.
        frame: steps since the start of the episode.
        steps: of an episode.
        cameras: cameras whose pictures are part of the observation.
        seen: the numbers of what was last observed, see `step_parts.see`.
        randomization: what differs from episode to episode.
        drawn: this episode's values of it, by name.
        range_time: how long delta targets take through the whole range of an actuator [s].
        settings: the arguments that make an environment like this one, as JSON can hold them.
    """

    range_time = RANGE_TIME

    # Gymnasium reads the class's before an environment is made.
    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012
    steps: int

    def __init__(
        self,
        scene: Scene,
        control_rate: float,
        substeps: int,
        control: str = "joints",
        wrist_range: Float[np.ndarray, "6 2"] | None = None,
        cameras: Sequence[str] = (),
        render_mode: str | None = None,
        camera: str = "front",
        width: int = 640,
        height: int = 480,
        randomization: Randomization | Mapping[str, Any] | None = None,
    ):
        """Set up spaces and state.

        Args:
            scene: the hand in its world.
            control_rate: steps a second [Hz].
            substeps: physics steps in one step.
            control: one of `CONTROLS`. "joints": an action is the targets, its ends the ends of
                their ranges. "delta": an action moves the targets. "tips": an action places the
                fingertips in the palm frame.
            wrist_range: ends of the wrist's coordinates where they are part of the action.
            cameras: which of the scene's cameras to observe.
            render_mode: "rgb_array" or None.
            camera: what `render` shows.
            width, height: size of all pictures in pixels.
            randomization: what differs from episode to episode, see `Randomization`; a latency
                wants a scene built with that `longest_latency`.

        Raises:
            UnknownNameError: there is no such control, render mode or camera.
            InputError: the scene has not what is to differ.
        """
        if render_mode not in (None, *RENDER_MODES):
            raise unknown("render mode", render_mode, RENDER_MODES)
        for name in (camera, *cameras):
            if name not in CAMERAS:
                raise unknown("camera", name, CAMERAS)
        self.scene, self.hand = scene, scene.hand
        self.data = mujoco.MjData(scene.model)
        self.control_rate, self.substeps, self.frame = control_rate, substeps, 0
        self.metadata = {"render_modes": list(RENDER_MODES), "render_fps": control_rate}
        self.render_mode, self.camera, self.width, self.height = render_mode, camera, width, height
        self.cameras = tuple(cameras)
        self.settings: dict[str, Any] = {}
        self.randomization = Randomization.of(randomization)
        self.randomization.require_fit(scene)
        self._variation = Variation(scene)
        self.drawn: dict[str, float] = {}
        self.commands_wrist = wrist_range is not None
        self.control = self._control(control, wrist_range)
        fastest = np.repeat([FASTEST_WRIST, FASTEST_WRIST_TURN], 3)
        self._wrist_reach = fastest / control_rate
        self._renderer: Renderer | None = None
        # The hand's actuators follow each other.
        self._ctrl = self.data.ctrl[scene.ctrl_ids[0] : scene.ctrl_ids[-1] + 1]
        self._bad = [self.data.warning[kind] for kind in _BAD_STATE]
        self._wrist_told = scene.wrist_command(self.data)
        self._touched, self._forces = self.data.sensordata[scene.touch_ids], scene.forces(self.data)
        self._sights = Sights(scene, self.data, self.commands_wrist)
        self._palm = 2 * self.hand.nq + 3 * len(self.hand.fingers)
        self.action_space = spaces.Box(-1.0, 1.0, (self.control.size,), np.float64)
        self.observation_space = spaces.Dict(self._spaces())

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode.

        Args:
            seed: of all that is drawn at random, from now on.
            options: under "randomization", the values of an earlier episode's
                ``info["randomization"]``, which are then not drawn anew.

        Returns:
            Observation and info, the latter with the values drawn under "randomization".
        """
        super().reset(seed=seed)
        self.frame = 0
        self._vary((options or {}).get("randomization"))
        self._begin()
        observation = self.observe()
        info = self._judge()[1]
        if self.drawn:
            info["randomization"] = dict(self.drawn)
        return observation, info

    def step(self, action: Float[np.ndarray, " a"]) -> tuple[Observation, float, bool, bool, Info]:
        """Hold the targets of `action`, clipped to [−1, 1], for one control step.

        An episode is terminated when the task has failed, or when MuJoCo finds its state unstable
        (not finite, or beyond 1e10), which it then replaces by the initial one.

        Raises:
            InputError: `action` has the wrong shape or is not finite.
        """
        self._simulate(self.control.command(self._bounded(action), self.command()))
        # What `Scene.update` does, at half the cost.
        mujoco.mj_kinematics(self.scene.model, self.data)
        np.negative(self._touched, out=self._forces)
        self.frame += 1
        observation = self.observe()
        reward, info = self._judge()
        terminated = self._unstable() or self._failed()
        return observation, reward, terminated, self._finished(), info

    def command(self) -> Float[np.ndarray, " n"]:
        """The targets in force: the wrist's coordinates, where commanded, and the hand's ctrl."""
        if not self.commands_wrist:
            return self._ctrl.copy()
        return np.concatenate([self._wrist_told, self._ctrl])

    def actions_to(self, commands: Float[np.ndarray, "N n"]) -> Float[np.ndarray, "N a"]:
        """Actions that bring about `commands`, one after the other, from the one in force.

        Where a command is out of an action's reach, the action goes as far as it can.
        """
        current, actions = self.command(), np.empty((len(commands), self.control.size))
        for action, command in zip(actions, commands, strict=True):
            action[:] = np.clip(self.control.action(command, current), -1.0, 1.0)
            current = self.control.command(action, current)
        return actions

    def commands(self, trajectory: JointTrajectory | None = None) -> Float[np.ndarray, "N n"]:
        """Targets, one a step, that make the hand follow a trajectory from the start of an episode.

        Each leads to the frame that its step ends in; the wrist's run ahead by `WRIST_LAG`.

        Args:
            trajectory: what to follow; by default what the episode is about, where it says.

        Raises:
            InputError: the trajectory is for another hand; or none is given and none is known.
        """
        if trajectory is None:
            raise InputError(f"A {type(self).__name__} follows no trajectory, expected one.")
        trajectory = conformed(trajectory, self.hand, self.control_rate)
        ctrl = self.hand.ctrl_from_qpos(trajectory.qpos[1:])
        if not self.commands_wrist:
            return ctrl
        poses = self.scene.wrist_poses(trajectory.wrist, trajectory.qpos)
        ahead = np.minimum(trajectory.times[1:] + WRIST_LAG, trajectory.times[-1])
        path = np.concatenate([poses[:1], interpolate_poses(ahead, trajectory.times, poses)])
        return np.concatenate([self.scene.wrist.coordinates(path)[1:], ctrl], axis=1)

    def annotations(self) -> dict[str, np.ndarray]:
        """What the episode is about, a row for each of its frames, for a rollout to keep."""
        return {}

    def get_state(self) -> Float[np.ndarray, " S"]:
        """All of MuJoCo's state that the next step depends on (``mjSTATE_INTEGRATION``)."""
        state = np.empty(mujoco.mj_stateSize(self.scene.model, _STATE))
        mujoco.mj_getState(self.scene.model, self.data, state, _STATE)
        return state

    def set_state(self, state: Float[np.ndarray, " S"]) -> Observation:
        """Continue from what `get_state` returned, to the last bit; returns the observation.

        What domain randomization has drawn stays: to continue another episode's state, `reset` to
        its values first.

        Raises:
            InputError: `state` has the wrong shape.
        """
        size = mujoco.mj_stateSize(self.scene.model, _STATE)
        if np.shape(state) != (size,):
            raise InputError(f"state has shape {np.shape(state)}, expected ({size},).")
        for warning in self.data.warning:
            warning.number = 0
        mujoco.mj_setState(self.scene.model, self.data, state, _STATE)
        mujoco.mj_kinematics(self.scene.model, self.data)
        self.frame = round(self.data.time * self.control_rate)
        return self.observe()

    def observe(self) -> Observation:
        """The observation of the current state, in arrays of its own."""
        self.seen = self._sights.look()
        observation: Observation = self._sights.named(self.seen)
        observation.update(self._aims())
        for camera in self.cameras:
            observation[IMAGE + camera] = self.picture(camera)
        if NOISE_KEY in self.drawn:
            noise, key = self.randomization.noise, self.drawn[NOISE_KEY]
            return noisy(observation, noise, key, self.frame)
        return observation

    def render(self) -> UInt8[np.ndarray, "height width 3"] | None:
        """The view of the environment's camera, or None without a render mode."""
        return None if self.render_mode is None else self.picture()

    def picture(
        self, camera: str | mujoco.MjvCamera | None = None, segments: list[Segment] | None = None
    ) -> UInt8[np.ndarray, "height width 3"]:
        """A frame from any camera, whatever the render mode, with `segments` drawn into it."""
        if self._renderer is None:
            self._renderer = Renderer(self.scene.model, self.width, self.height)
        # A step or a state that is set moves the hand, and not the cameras that travel with it.
        mujoco.mj_camlight(self.scene.model, self.data)
        return self._renderer.render(self.data, camera or self.camera, segments or ())

    def close(self) -> None:
        """Free the renderer, if there is one."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    @abstractmethod
    def _begin(self) -> None:
        """Bring the state to the beginning of an episode."""

    @abstractmethod
    def _aims(self) -> Observation:
        """What the observation shows of the task, beside hand, object and its goal."""

    @abstractmethod
    def _aim_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of `_aims`."""

    @abstractmethod
    def _assess(self) -> tuple[dict[str, float], Info]:
        """The terms of the reward, each in [0, 1], and what else is known of the current state."""

    @abstractmethod
    def _finished(self) -> bool:
        """Whether the episode is over because its time is."""

    def _failed(self) -> bool:
        """Whether nothing more can come of the episode."""
        return False

    def _vary(self, values: Mapping[str, float] | None) -> None:
        """Bring the world to an episode's values, drawn anew if there are none."""
        if values is None:
            values = self.randomization.draw(self.np_random)
        if dict(values) == self.drawn:
            return
        if "size" in values and self._renderer is not None:
            # It holds the meshes as they were.
            self.close()
        self.scene = self._variation.varied(values)
        self.drawn = dict(values)

    def _simulate(self, command: Float[np.ndarray, " n"]) -> None:
        """Simulate one control step under a command."""
        self._ctrl[:] = command[-self.hand.nu :]
        if not self.commands_wrist:
            return mujoco.mj_step(self.scene.model, self.data, self.substeps)
        way = way_to(self._wrist_told, command[:6], self._wrist_reach, self.substeps)
        self.scene.move_wrist(self.data, way)

    def _judge(self) -> tuple[float, Info]:
        """The reward, and info with each of its terms as ``reward_<term>``."""
        terms, info = self._assess()
        for name, value in terms.items():
            info["reward_" + name] = value
        return rewards.total(terms), info

    def _control(self, mode: str, wrist_range: Float[np.ndarray, "6 2"] | None) -> Control:
        if mode not in CONTROLS:
            raise unknown("control", mode, CONTROLS)
        low, high = _ctrl_ends(self.scene)
        speed = (high - low) / self.range_time
        if wrist_range is not None:
            low = np.concatenate([wrist_range[:, 0], low])
            high = np.concatenate([wrist_range[:, 1], high])
            speed = np.concatenate([[MAX_WRIST_SPEED] * 3, [MAX_WRIST_TURN] * 3, speed])
        if mode == "delta":
            return DeltaTargets(low, high, speed / self.control_rate)
        if mode == "tips":
            return TipTargets(low, high, self.hand)
        return JointTargets(low, high)

    def _spaces(self) -> dict[str, spaces.Space[Any]]:
        hand, fingers = self.hand, len(self.hand.fingers)
        shapes: dict[str, tuple[int, ...]] = {
            "qpos": (hand.nq,),
            "qvel": (hand.nq,),
            "ctrl": (len(self.control.low),),
            "tips": (fingers, 3),
            "palm": (7,),
            "touch": (fingers, 3),
        }
        if self.scene.object is not None:
            shapes |= {"object": (7,), "object_velocity": (6,), "goal": (7,)}
        shapes |= self._aim_shapes()
        boxes: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(-_FAR, _FAR, shape, np.float64) for name, shape in shapes.items()
        }
        picture = (self.height, self.width, 3)
        for camera in self.cameras:
            boxes[IMAGE + camera] = spaces.Box(0, 255, picture, np.uint8)
        return boxes

    def _unstable(self) -> bool:
        qpos, qvel, qacc = self._bad
        return bool(qpos.number or qvel.number or qacc.number)

    def _bounded(self, action: Float[np.ndarray, "..."]) -> Float[np.ndarray, " a"]:
        action = np.asarray(action, dtype=np.float64)
        if action.shape != (self.control.size,):
            raise InputError(f"action has shape {action.shape}, expected ({self.control.size},).")
        clipped, odd = bounded(action)
        if odd >= 0:
            raise InputError(f"action[{odd}] is {action[odd]}, expected a number in [-1, 1].")
        return clipped


def _ctrl_ends(scene: Scene) -> tuple[Float[np.ndarray, " nu"], Float[np.ndarray, " nu"]]:
    """Ends of each actuator's targets.

    Where the model gives an actuator no control range, it is what the joint limits come to.
    """
    ends = scene.hand.ctrl_from_qpos(scene.hand.limits.T.copy())
    low, high = ends.min(axis=0), ends.max(axis=0)
    limited = scene.model.actuator_ctrllimited[scene.ctrl_ids].astype(bool)
    ranges = scene.model.actuator_ctrlrange[scene.ctrl_ids]
    low, high = np.where(limited, ranges[:, 0], low), np.where(limited, ranges[:, 1], high)
    if not np.all(low < high):
        i = int(np.argmin(high - low))
        raise InputError(
            f"Actuator {scene.hand.actuator_names[i]!r} has the range [{low[i]:g}, {high[i]:g}], "
            "expected one that is not empty."
        )
    return low, high
