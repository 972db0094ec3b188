"""docs/environments.md: what each environment observes and how it is acted on, for one hand.

    python -m benchmarks.environments_page

writes it anew, and a picture of the environments; a test makes sure that the page is up to date.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

import handsim
import retarget
from handsim.assets import ASSETS
from handsim.envs import (
    GraspEnv,
    HandEnv,
    ReorientEnv,
    TrackEnv,
    action_table,
    joint_table,
    observation_table,
)
from handsim.envs.hand_env import CONTROLS
from handsim.poses import IDENTITY_POSE
from handsim.render import Renderer, write_png

PAGE = Path(__file__).parents[1] / "docs" / "environments.md"
PICTURE = PAGE.with_suffix(".png")
HAND, RATE = "ability", 30.0
_ABOUT = {
    "joints": "Targets of the actuators.",
    "delta": "Changes of the targets in a step of 1/30 s, which stay within their ranges.",
    "tips": "Places of the fingertips in the palm frame; the joints that bring them there, or as "
    "near as they can, are found.",
}


def track(hand: handsim.RobotHand, **kwargs: Any) -> TrackEnv:
    """Hold the hand as it rests, for a second."""
    return TrackEnv(hand, _at_rest(hand), **kwargs)


ENVIRONMENTS: Mapping[str, Callable[..., HandEnv]] = {
    handsim.envs.TRACK: track,
    handsim.envs.GRASP: partial(GraspEnv, control_rate=RATE),
    handsim.envs.REORIENT: partial(ReorientEnv, control_rate=RATE),
}


def page() -> str:
    """The page, for `HAND`."""
    hand = handsim.load_hand(HAND)
    parts = [
        "# Observations and actions",
        f"Of the hand `{HAND}`, written by `python -m benchmarks.environments_page`; "
        "`handsim.envs.describe(env)` does the same for any environment. Joint ranges are where "
        "position targets lead; a push may lead a little beyond. Noise, where there is any, is "
        "added to what is observed.",
        "## Joints",
        joint_table(track(hand)),
    ]
    for name, make in ENVIRONMENTS.items():
        parts += [f"## {name}", observation_table(make(hand))]
        for control in CONTROLS:
            table = action_table(make(hand, control=control))
            parts += [f'Actions with `control="{control}"`: {_ABOUT[control]}', table]
    return "\n\n".join(parts) + "\n"


def picture() -> UInt8[np.ndarray, "H W 3"]:
    """Each environment in the middle of an episode, side by side."""
    shadow = handsim.load_hand("shadow")
    motion = retarget.HandTrajectory.load(ASSETS / "motions" / "sample_right.npz")
    following = TrackEnv(shadow, retarget.Retargeter(shadow).retarget(motion).trajectory)
    grasping, turning = GraspEnv("allegro", "cylinder"), ReorientEnv("leap")
    for env in (following, grasping, turning):
        env.reset(seed=3)
    for env, steps in ((following, 100), (grasping, 85)):
        for action in env.actions_to(env.commands())[:steps]:
            env.step(action)
    return np.hstack([_shot(env) for env in (following, grasping, turning)])


def _shot(env: HandEnv) -> UInt8[np.ndarray, "H W 3"]:
    with Renderer(env.scene.model, 400, 300, pretty=True) as renderer:
        return renderer.render(env.data)


def _at_rest(hand: handsim.RobotHand) -> handsim.JointTrajectory:
    return handsim.JointTrajectory(
        hand=hand.name,
        side=hand.side,
        joint_names=hand.joint_names,
        times=np.arange(31) / RATE,
        qpos=np.tile(hand.neutral, (31, 1)),
        wrist=np.tile(IDENTITY_POSE, (31, 1)),
        valid=np.ones(31, dtype=bool),
    )


if __name__ == "__main__":
    PAGE.write_text(page())
    write_png(PICTURE, picture())
    print(f"wrote {PAGE} and {PICTURE}")
