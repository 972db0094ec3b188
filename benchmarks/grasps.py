"""Which hands hold what: scripted grasps in `handsim/Grasp-v0`, every hand.

    python -m benchmarks.grasps [--hands …] [--objects box cylinder] [--side right] [-o FILE]

Each object is lifted by 12 cm off the table by the grasp that `plan_grasp` finds, open loop, held
for five seconds and shaken for two (2 Hz, 3 cm each way, along two axes at once). Slip is how far
the object moves in the palm frame from where it was when the hold, or the shake, began; how deep
hand and object are in each other is taken over the whole episode, at the default time step.
"""

import platform
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
import tyro
from jaxtyping import Float
from rich.progress import track

import handsim
from handsim.demonstration import Demonstration
from handsim.envs import GraspEnv
from handsim.files import replacing
from handsim.grasp_script import LIFTED, scripted, shake_end, shaken
from handsim.grasps import plan_grasp
from handsim.hands.robot_hand import Side
from handsim.poses import matrices_from_poses
from handsim.rollout import Rollout

RATE = 60.0
"""Frames a second at which the object is looked at [Hz]."""
HOLD = 5.0
"""How long objects are held [s]."""
MOST_SLIP, MOST_DEPTH = 1e-3, 1e-3
"""What a grasp that holds may slip during the hold, and how deep it may press [m]."""


@dataclass(frozen=True)
class Trial:
    """How one hand does with one object.

    Attributes:
        hand, object: names.
        success: whether the object was where it was to be at the end, and touched.
        hold_slip, shake_slip: in the palm frame [m]; NaN when it was dropped before.
        turn: in the palm frame from the hold's beginning to the end [rad].
        depth: the deepest penetration [m].
        force: of the thumb during the hold [N].
    """

    hand: str
    object: str
    success: bool
    hold_slip: float
    shake_slip: float
    turn: float
    depth: float
    force: float

    @property
    def holds(self) -> bool:
        """Whether it holds firmly: through hold and shake, without slip or depth."""
        firm = self.hold_slip <= MOST_SLIP and self.depth <= MOST_DEPTH
        return self.success and firm


def demonstration(hand: handsim.RobotHand, item: handsim.SceneObject) -> Demonstration:
    """The scripted grasp, hold and shake."""
    times = np.arange(round(shake_end(HOLD) * RATE) + 1) / RATE
    start = np.array([0.0, 0.0, item.rest_height, 1.0, 0.0, 0.0, 0.0])
    path = shaken(start, times, HOLD)
    return Demonstration(scripted(hand, plan_grasp(hand, item), times, path), item, path)


def trial(hand: handsim.RobotHand, item: handsim.SceneObject) -> Trial:
    """One hand's lift, hold and shake of one object."""
    rollout = handsim.replay(GraspEnv(hand, demonstration=demonstration(hand, item)))
    held, shaken_from = round(LIFTED * RATE), round((LIFTED + HOLD) * RATE)
    touch = np.linalg.norm(rollout.observations["touch"][held:shaken_from, 0], axis=1)
    return Trial(
        hand=hand.name,
        object=item.name,
        success=bool(rollout.info["success"][-1]),
        hold_slip=slip(rollout, held, shaken_from),
        shake_slip=slip(rollout, shaken_from, len(rollout)),
        turn=turn(rollout, held, len(rollout)),
        depth=float(rollout.info["penetration"].max()),
        force=float(touch.mean()) if len(touch) else np.nan,
    )


def slip(rollout: Rollout, first: int, last: int) -> float:
    """How far the object goes in the palm frame from where it is in frame `first` [m]."""
    places = in_palm(rollout)[first : last + 1, :3, 3]
    return float(np.linalg.norm(places - places[:1], axis=1).max()) if len(places) > 1 else np.nan


def turn(rollout: Rollout, first: int, last: int) -> float:
    """How far the object turns in the palm frame from frame `first` on [rad]."""
    turns = in_palm(rollout)[first : last + 1, :3, :3]
    if len(turns) < 2:
        return np.nan
    traces = np.einsum("tij,ij->t", turns, turns[0])
    return float(np.arccos(np.clip((traces - 1) / 2, -1.0, 1.0)).max())


def in_palm(rollout: Rollout) -> Float[np.ndarray, "T 4 4"]:
    """The object's frame in the palm frame."""
    palm = matrices_from_poses(rollout.observations["palm"])
    return np.linalg.inv(palm) @ matrices_from_poses(rollout.observations["object"])


def table(trials: list[Trial]) -> str:
    """The trials as a Markdown table."""
    head = ["hand", "object", "holds", "slip in 5 s [mm]", "slip in the shake [mm]", "turn [°]"]
    lines = [[*head, "penetration [mm]", "thumb [N]"], ["---"] * 8]
    for t in trials:
        lengths = [f"{1e3 * x:.2f}" for x in (t.hold_slip, t.shake_slip)]
        rest = [f"{np.degrees(t.turn):.1f}", f"{1e3 * t.depth:.2f}", f"{t.force:.1f}"]
        lines.append([t.hand, t.object, "yes" if t.holds else "no", *lengths, *rest])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def run(
    hands: tuple[str, ...] = handsim.hand_names(),
    objects: tuple[str, ...] = ("box", "cylinder"),
    side: Side = "right",
    output: Path | None = None,
) -> None:
    """Try every hand on every object and print the table.

    Args:
        hands: of the catalogue.
        objects: for `handsim.load_object`.
        side: which hands.
        output: also write the table into this file.
    """
    items = [handsim.load_object(name) for name in objects]
    trials = []
    for name in track(hands, "grasping", transient=True):
        hand = handsim.load_hand(name, side)
        trials += [trial(hand, item) for item in items]
    found = table(trials)
    print(f"{platform.machine()}, {platform.system()}, MuJoCo {mujoco.__version__}\n")
    print(found)
    for item in items:
        holding = sum(t.holds for t in trials if t.object == item.name)
        print(f"\n{item.name}, {1e3 * item.mass:.0f} g: {holding} of {len(hands)} hands hold it.")
    if output is not None:
        with replacing(output) as path:
            path.write_text(found + "\n")


if __name__ == "__main__":
    tyro.cli(run)
