"""What an environment's observations and actions hold, number by number, as Markdown tables."""

from collections.abc import Iterable, Sequence

import mujoco
import numpy as np
from gymnasium import spaces

from handsim.control import DeltaTargets
from handsim.envs.hand_env import IMAGE, HandEnv
from handsim.tip_targets import TipTargets
from handsim.wrist import COORDINATES

_POSE = "x y z, qw qx qy qz"
_ITS, _ANY = "its range", "any"
MEANINGS = {
    "qpos": ("position of each joint", "the joint's", _ITS),
    "qvel": ("velocity of each joint", "the joint's / s", _ANY),
    "ctrl": ("target in force of each actuator, after a commanded wrist's", "the target's", _ITS),
    "tips": ("each fingertip in the palm frame: x y z", "m", _ANY),
    "palm": (f"the palm frame in the world: {_POSE}, qw ≥ 0", "m, 1", _ANY),
    "touch": ("contact force on each finger's last link, in the palm frame: x y z", "N", _ANY),
    "object": (f"the object in the world: {_POSE}", "m, 1", _ANY),
    "object_velocity": (
        "velocity of the object in the world, and its turning in its own frame",
        "m/s, rad/s",
        _ANY,
    ),
    "target_qpos": ("position of each joint in the next frame", "the joint's", _ITS),
    "target_tips": ("each fingertip in the next frame, in the palm frame: x y z", "m", _ANY),
    "target_palm": (f"the palm frame in the world in the next frame: {_POSE}", "m, 1", _ANY),
    "goal": (f"where the object is to be, in the world: {_POSE}", "m, 1", _ANY),
    "goal_turn": ("turn from the object to its goal, a rotation vector", "rad", "up to π"),
    "phase": ("share of the episode that has passed", "1", "0 to 1"),
}
"""Of each observation: what it is, its unit and its range."""
_PICTURE = ("picture of a camera: rows, columns, red green blue", "1", "0 to 255")


def describe(env: HandEnv) -> str:
    """Tables of the observations, the joints and the actions of an environment.

    Args:
        env: an environment, `unwrapped`.
    """
    return "\n\n".join([observation_table(env), joint_table(env), action_table(env)])


def observation_table(env: HandEnv) -> str:
    """A row for each observation: its name, shape, meaning, unit and range."""
    assert isinstance(env.observation_space, spaces.Dict)
    rows = []
    for name, space in env.observation_space.items():
        said = _PICTURE if name.startswith(IMAGE) else MEANINGS[name]
        rows.append((f"`{name}`", " × ".join(map(str, space.shape or ())), *said))
    return _table(("observation", "shape", "meaning", "unit", "range"), rows)


def joint_table(env: HandEnv) -> str:
    """A row for each joint, in the order of ``qpos``: its unit, range and what it follows."""
    hand = env.hand
    rows = []
    for i, (name, ends) in enumerate(zip(hand.joint_names, hand.limits, strict=True)):
        follows = hand.joint_names[hand.couplings[i][0]] if i in hand.couplings else ""
        rows.append((str(i), name, _unit(hand.model, i), *_numbers(ends), follows))
    return _table(("index", "joint", "unit", "least", "most", "follows"), rows)


def action_table(env: HandEnv) -> str:
    """A row for each number of an action: what it moves and what −1 and 1 stand for."""
    ends, names, units = _ends(env), *_names(env)
    rows = [
        (str(i), name, unit, *_numbers(pair))
        for i, (name, unit, pair) in enumerate(zip(names, units, ends, strict=True))
    ]
    return _table(("index", "action", "unit", "−1 is", "1 is"), rows)


def _names(env: HandEnv) -> tuple[list[str], list[str]]:
    """What each number of an action moves, and the unit."""
    wrist = [f"wrist {name}" for name in COORDINATES] if env.commands_wrist else []
    units = ["m"] * 3 + ["rad"] * 3 if wrist else []
    if isinstance(env.control, TipTargets):
        tips = [f"{finger} tip {axis}" for finger in env.hand.fingers for axis in "xyz"]
        return wrist + tips, units + ["m"] * len(tips)
    moved = list(env.hand.actuator_names)
    prefix = "change of " if isinstance(env.control, DeltaTargets) else ""
    return [prefix + name for name in wrist + moved], units + _target_units(env.hand.model)


def _ends(env: HandEnv) -> np.ndarray:
    """What −1 and 1 stand for (a, 2)."""
    control = env.control
    if isinstance(control, DeltaTargets):
        return np.stack([-control.reach, control.reach], axis=1)
    if not isinstance(control, TipTargets):
        return np.stack([control.low, control.high], axis=1)
    wrist = 6 if env.commands_wrist else 0
    tips = np.stack([control.middle - control.half, control.middle + control.half], axis=-1)
    moved = np.stack([control.low[:wrist], control.high[:wrist]], axis=1)
    return np.concatenate([moved, tips.reshape(-1, 2)])


def _target_units(model: mujoco.MjModel) -> list[str]:
    """Of each actuator's target: that of the joint it drives; tendons here join hinges."""
    to_joint = int(mujoco.mjtTrn.mjTRN_JOINT)
    return [
        _unit(model, int(model.actuator_trnid[i, 0]))
        if model.actuator_trntype[i] == to_joint
        else "rad"
        for i in range(model.nu)
    ]


def _unit(model: mujoco.MjModel, joint: int) -> str:
    return "m" if model.jnt_type[joint] == int(mujoco.mjtJoint.mjJNT_SLIDE) else "rad"


def _numbers(ends: np.ndarray) -> list[str]:
    return [f"{end:.3f}".replace("-", "−") for end in ends]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
