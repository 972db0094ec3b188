"""HandEnv: what every environment with a hand in it shares."""

from abc import abstractmethod
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from jaxtyping import Float, UInt8

from handsim.errors import InputError, unknown
from handsim.render import Renderer, Segment
from handsim.scene import Scene
from handsim.stage import CAMERAS

Observation = dict[str, Any]
Info = dict[str, Any]

RENDER_MODES = ("rgb_array",)

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_BAD_STATE = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)


class HandEnv(gymnasium.Env[Observation, np.ndarray]):
    """A hand in a scene, driven by position targets at a control rate.

    An action in [−1, 1]ⁿᵘ is an affine image of the actuators' targets: −1 and 1 are the ends of
    their ranges. A subclass says how an episode begins, moves, is observed and rewarded.

    Attributes:
        scene: the hand in its world.
        data: the state; read it, and write it through `set_state` only.
        control_rate: steps a second [Hz].
        substeps: physics steps in one step.
        frame: steps since the start of the motion.
    """

    # Gymnasium reads the class's before an environment is made.
    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012

    def __init__(
        self,
        scene: Scene,
        control_rate: float,
        substeps: int,
        render_mode: str | None,
        camera: str,
        width: int,
        height: int,
    ):
        """Set up spaces and state.

        Raises:
            UnknownNameError: there is no such render mode or camera.
        """
        if render_mode not in (None, *RENDER_MODES):
            raise unknown("render mode", render_mode, RENDER_MODES)
        if camera not in CAMERAS:
            raise unknown("camera", camera, CAMERAS)
        self.scene, self.hand = scene, scene.hand
        self.data = mujoco.MjData(scene.model)
        self.control_rate, self.substeps, self.frame = control_rate, substeps, 0
        self.metadata = {"render_modes": list(RENDER_MODES), "render_fps": control_rate}
        self.render_mode, self.camera, self.width, self.height = render_mode, camera, width, height
        self._ctrl_middle, self._ctrl_half = _ctrl_bounds(scene)
        self._renderer: Renderer | None = None
        self.action_space = spaces.Box(-1.0, 1.0, (self.hand.nu,), np.float64)

    def ctrl_from_action(self, action: Float[np.ndarray, "*T nu"]) -> Float[np.ndarray, "*T nu"]:
        """Actuator targets of actions."""
        return self._ctrl_middle + self._ctrl_half * action

    def action_from_ctrl(self, ctrl: Float[np.ndarray, "*T nu"]) -> Float[np.ndarray, "*T nu"]:
        """Actions of actuator targets: the inverse of `ctrl_from_action`."""
        return (ctrl - self._ctrl_middle) / self._ctrl_half

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode. `options` is not used."""
        super().reset(seed=seed)
        self._begin()
        self.frame = 0
        return self.observe(), self._assess()[1]

    def step(self, action: Float[np.ndarray, " nu"]) -> tuple[Observation, float, bool, bool, Info]:
        """Hold the targets of `action`, clipped to [−1, 1], for one control step.

        An episode is terminated when MuJoCo finds its state unstable (not finite, or beyond 1e10),
        which it then replaces by the initial one.

        Raises:
            InputError: `action` has the wrong shape or is not finite.
        """
        bounded = np.clip(self._checked(action), -1.0, 1.0)
        self.data.ctrl[self.scene.ctrl_ids] = self.ctrl_from_action(bounded)
        self._simulate()
        # mj_step leaves positions of bodies and sites as they were before its integration.
        mujoco.mj_kinematics(self.scene.model, self.data)
        self.frame += 1
        reward, info = self._assess()
        return self.observe(), reward, self._unstable(), self._finished(), info

    def get_state(self) -> Float[np.ndarray, " S"]:
        """All of MuJoCo's state that the next step depends on (``mjSTATE_INTEGRATION``)."""
        state = np.empty(mujoco.mj_stateSize(self.scene.model, _STATE))
        mujoco.mj_getState(self.scene.model, self.data, state, _STATE)
        return state

    def set_state(self, state: Float[np.ndarray, " S"]) -> Observation:
        """Continue from what `get_state` returned, to the last bit; returns the observation.

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

    def render(self) -> UInt8[np.ndarray, "height width 3"] | None:
        """The view of the environment's camera, or None without a render mode."""
        return None if self.render_mode is None else self.picture()

    def picture(
        self, camera: str | mujoco.MjvCamera | None = None, segments: list[Segment] | None = None
    ) -> UInt8[np.ndarray, "height width 3"]:
        """A frame from any camera, whatever the render mode, with `segments` drawn into it."""
        if self._renderer is None:
            self._renderer = Renderer(self.scene.model, self.width, self.height)
        return self._renderer.render(self.data, camera or self.camera, segments or ())

    def close(self) -> None:
        """Free the renderer, if there is one."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    @abstractmethod
    def observe(self) -> Observation:
        """The observation of the current state, in arrays of its own."""

    @abstractmethod
    def _begin(self) -> None:
        """Bring the state to the beginning of an episode."""

    @abstractmethod
    def _assess(self) -> tuple[float, Info]:
        """The reward of the current state, and what it is made of."""

    @abstractmethod
    def _finished(self) -> bool:
        """Whether the episode is over because its time is."""

    def _simulate(self) -> None:
        """Simulate one control step."""
        mujoco.mj_step(self.scene.model, self.data, self.substeps)

    def _unstable(self) -> bool:
        return any(self.data.warning[int(kind)].number for kind in _BAD_STATE)

    def _checked(self, action: Float[np.ndarray, "..."]) -> Float[np.ndarray, " nu"]:
        action = np.asarray(action, dtype=np.float64)
        if action.shape != (self.hand.nu,):
            raise InputError(f"action has shape {action.shape}, expected ({self.hand.nu},).")
        if not np.isfinite(action).all():
            i = int(np.flatnonzero(~np.isfinite(action))[0])
            raise InputError(f"action[{i}] is {action[i]}, expected a number in [-1, 1].")
        return action


def _ctrl_bounds(scene: Scene) -> tuple[Float[np.ndarray, " nu"], Float[np.ndarray, " nu"]]:
    """Middle and half width of each actuator's targets.

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
    return (low + high) / 2, (high - low) / 2
