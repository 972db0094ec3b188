"""Play a joint trajectory, or actions, in an environment and record what happens."""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, SupportsFloat

import gymnasium
import mujoco
import numpy as np
from jaxtyping import Float

from handsim.envs.track import TrackEnv, conformed
from handsim.errors import InputError
from handsim.joint_trajectory import JointTrajectory
from handsim.rollout import REFERENCE_QPOS, REFERENCE_WRIST, Rollout


def replay(
    env: gymnasium.Env,
    trajectory: JointTrajectory | None = None,
    *,
    seed: int | None = 0,
    cameras: Iterable[str] = (),
    annotations: Mapping[str, np.ndarray] | None = None,
) -> Rollout:
    """Track a trajectory: each step commands the position of the frame it ends in.

    Args:
        env: a `TrackEnv`, wrapped or not.
        trajectory: what to command; by default what the environment tracks.
        seed: for the environment's reset.
        cameras: cameras to record pictures from.
        annotations: arrays to keep with the rollout, a row for each frame.

    Raises:
        InputError: the environment is no `TrackEnv`, the trajectory is for another hand or longer
            than an episode, or an annotation has another number of rows.
    """
    track = _track_env(env)
    if trajectory is None:
        commanded = track.reference
    else:
        commanded = conformed(trajectory, track.hand, track.control_rate)
    env.reset(seed=seed)
    actions = track.actions_to(track.hand.ctrl_from_qpos(commanded.qpos[1:]))
    return perform(env, actions, seed=seed, cameras=cameras, annotations=annotations)


def perform(
    env: gymnasium.Env,
    actions: Float[np.ndarray, "N nu"],
    *,
    seed: int | None = 0,
    cameras: Iterable[str] = (),
    annotations: Mapping[str, np.ndarray] | None = None,
) -> Rollout:
    """Take `actions` one after the other, from a reset to their end or the episode's.

    The same actions and seed give the same rollout, to the last bit. Arguments and errors are
    those of `replay`.
    """
    track = _track_env(env)
    if not 0 < len(actions) <= track.steps:
        raise InputError(
            f"{len(actions)} actions for an episode of {track.steps} steps, expected 1 to "
            f"{track.steps}."
        )
    kept = {
        **(annotations or {}),
        REFERENCE_QPOS: track.reference.qpos,
        REFERENCE_WRIST: track.reference.wrist,
    }
    for name, array in kept.items():
        if np.ndim(array) == 0 or len(array) not in (track.steps + 1, len(actions) + 1):
            raise InputError(
                f"annotations[{name!r}]: shape {np.shape(array)}, expected {len(actions) + 1} rows."
            )
    record = _Record(track, tuple(cameras))
    record.frame(env.reset(seed=seed)[0])
    for action in actions:
        if record.step(action, *env.step(action)):
            break
    return record.rollout(env, seed, kept)


class _Record:
    """The lists a rollout is made of, while it happens."""

    def __init__(self, track: TrackEnv, cameras: tuple[str, ...]):
        self.track, self.cameras = track, cameras
        self.observations: list[dict[str, np.ndarray]] = []
        self.states: list[np.ndarray] = []
        self.times: list[float] = []
        self.pictures: dict[str, list[np.ndarray]] = {camera: [] for camera in cameras}
        self.steps: list[tuple[np.ndarray, float, bool, bool, dict[str, Any]]] = []

    def frame(self, observation: dict[str, np.ndarray]) -> None:
        """Keep the environment's current state, seen as `observation`."""
        self.observations.append(observation)
        self.states.append(self.track.get_state())
        self.times.append(self.track.frame / self.track.control_rate)
        for camera in self.cameras:
            self.pictures[camera].append(self.track.picture(camera))

    def step(
        self,
        action: np.ndarray,
        observation: dict[str, np.ndarray],
        reward: SupportsFloat,
        terminated: bool,
        truncated: bool,
        info: dict[str, Any],
    ) -> bool:
        """Keep a step; returns whether it ended the episode."""
        self.steps.append((np.array(action), float(reward), terminated, truncated, info))
        self.frame(observation)
        return terminated or truncated

    def rollout(
        self, env: gymnasium.Env, seed: int | None, annotations: Mapping[str, np.ndarray]
    ) -> Rollout:
        """What was kept, as a Rollout."""
        actions, rewards, terminated, truncated, info = zip(*self.steps, strict=True)
        hand, count = self.track.hand, len(self.times)
        return Rollout(
            hand=hand.name,
            side=hand.side,
            joint_names=hand.joint_names,
            times=np.array(self.times),
            observations={
                key: np.stack([o[key] for o in self.observations]) for key in self.observations[0]
            },
            actions=np.stack(actions),
            rewards=np.array(rewards),
            states=np.stack(self.states),
            terminated=np.array(terminated),
            truncated=np.array(truncated),
            info={key: np.array([i[key] for i in info]) for key in info[0]},
            annotations={name: np.array(array[:count]) for name, array in annotations.items()},
            frames={camera: np.stack(pictures) for camera, pictures in self.pictures.items()},
            metadata=_metadata(env, self.track, seed),
            model_xml=self.track.scene.xml,
        )


def _track_env(env: gymnasium.Env) -> TrackEnv:
    if not isinstance(env.unwrapped, TrackEnv):
        raise InputError(f"env is a {type(env.unwrapped).__name__}, expected a TrackEnv.")
    return env.unwrapped


def _metadata(env: gymnasium.Env, track: TrackEnv, seed: int | None) -> dict[str, Any]:
    return {
        "env_id": None if env.spec is None else env.spec.id,
        "env_kwargs": track.settings,
        "control_rate": track.control_rate,
        "timestep": track.scene.model.opt.timestep,
        "seed": seed,
        "randomization": track.drawn,
        "fingers": list(track.hand.fingers),
        "actuator_names": list(track.hand.actuator_names),
        "versions": {"handsim": _own_version(), "mujoco": mujoco.__version__},
    }


def _own_version() -> str:
    try:
        return version("handsim")
    except PackageNotFoundError:
        return "not installed"
