"""Play a joint trajectory, or actions, in an environment and record what happens."""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, SupportsFloat

import gymnasium
import mujoco
import numpy as np
from jaxtyping import Float

from handsim.demonstration import Demonstration
from handsim.envs.hand_env import HandEnv
from handsim.errors import InputError
from handsim.joint_trajectory import JointTrajectory
from handsim.rollout import OBJECT_PATH, REFERENCE_QPOS, Rollout


def replay(
    env: gymnasium.Env,
    trajectory: JointTrajectory | None = None,
    *,
    seed: int | None = 0,
    cameras: Iterable[str] = (),
    annotations: Mapping[str, np.ndarray] | None = None,
) -> Rollout:
    """Follow a trajectory: each step commands the position of the frame it ends in.

    Args:
        env: a `HandEnv`, wrapped or not.
        trajectory: what to command; by default what the episode is about: what a `TrackEnv` tracks,
            the demonstration of a `GraspEnv` or, where it has none, its scripted grasp.
        seed: for the environment's reset.
        cameras: cameras to record pictures from.
        annotations: arrays to keep with the rollout, a row for each frame.

    Raises:
        InputError: the environment is no `HandEnv` or knows no trajectory, the trajectory is for
            another hand or longer than an episode, or an annotation has another number of rows.
    """
    hand_env = _hand_env(env)
    env.reset(seed=seed)
    actions = hand_env.actions_to(hand_env.commands(trajectory))
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
    hand_env = _hand_env(env)
    if not 0 < len(actions) <= hand_env.steps:
        raise InputError(
            f"{len(actions)} actions for an episode of {hand_env.steps} steps, expected 1 to "
            f"{hand_env.steps}."
        )
    record = _Record(hand_env, tuple(cameras))
    record.frame(env.reset(seed=seed)[0])
    kept = {**(annotations or {}), **hand_env.annotations()}
    for name, array in kept.items():
        if np.ndim(array) == 0 or len(array) not in (hand_env.steps + 1, len(actions) + 1):
            raise InputError(
                f"annotations[{name!r}]: shape {np.shape(array)}, expected {len(actions) + 1} rows."
            )
    for action in actions:
        if record.step(action, *env.step(action)):
            break
    return record.rollout(env, seed, kept)


def arguments(rollout: Rollout) -> dict[str, Any]:
    """The arguments that make the environment of a rollout anew, next to its name.

    What was followed comes from the annotations. Of an episode that ended early they tell only the
    part that was played, so the new environment's episode is as short.

    Raises:
        InputError: the rollout does not say.
    """
    if "env_kwargs" not in rollout.metadata:
        raise InputError("The rollout does not say what environment it comes from.")
    known = dict(rollout.metadata["env_kwargs"])
    if REFERENCE_QPOS in rollout.annotations:
        if OBJECT_PATH in rollout.annotations:
            known["demonstration"] = Demonstration.of(rollout)
        else:
            known["trajectory"] = rollout.reference()
    return known


class _Record:
    """The lists a rollout is made of, while it happens."""

    def __init__(self, hand_env: HandEnv, cameras: tuple[str, ...]):
        self.hand_env, self.cameras = hand_env, cameras
        self.observations: list[dict[str, np.ndarray]] = []
        self.states: list[np.ndarray] = []
        self.times: list[float] = []
        self.pictures: dict[str, list[np.ndarray]] = {camera: [] for camera in cameras}
        self.steps: list[tuple[np.ndarray, float, bool, bool, dict[str, Any]]] = []

    def frame(self, observation: dict[str, np.ndarray]) -> None:
        """Keep the environment's current state, seen as `observation`."""
        self.observations.append(observation)
        self.states.append(self.hand_env.get_state())
        self.times.append(self.hand_env.frame / self.hand_env.control_rate)
        for camera in self.cameras:
            self.pictures[camera].append(self.hand_env.picture(camera))

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
        hand, count = self.hand_env.hand, len(self.times)
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
            metadata=_metadata(env, self.hand_env, seed),
            model_xml=self.hand_env.scene.xml,
        )


def _hand_env(env: gymnasium.Env) -> HandEnv:
    if not isinstance(env.unwrapped, HandEnv):
        raise InputError(f"env is a {type(env.unwrapped).__name__}, expected a HandEnv.")
    return env.unwrapped


def _metadata(env: gymnasium.Env, hand_env: HandEnv, seed: int | None) -> dict[str, Any]:
    return {
        "env_id": None if env.spec is None else env.spec.id,
        "env_kwargs": hand_env.settings,
        "control_rate": hand_env.control_rate,
        "timestep": hand_env.scene.model.opt.timestep,
        "seed": seed,
        "randomization": hand_env.drawn,
        "fingers": list(hand_env.hand.fingers),
        "actuator_names": list(hand_env.hand.actuator_names),
        "versions": {"handsim": _own_version(), "mujoco": mujoco.__version__},
    }


def _own_version() -> str:
    try:
        return version("handsim")
    except PackageNotFoundError:
        return "not installed"
