"""What makes one variant of a motion differ from the motion as it is, drawn from one seed."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.joint_trajectory import JointTrajectory
from retarget.generation.recipe import Recipe
from retarget.human.hand_trajectory import HandTrajectory, Stream
from retarget.solution import Solution


@dataclass(frozen=True)
class Variation:
    """One variant; the default is the motion as it is.

    Attributes:
        mirrored: the motion is seen in a mirror, hence of the other side.
        pace: its speed is 1 + pace[0] + pace[1] sin(2π (t/T + pace[2])) times the person's, t of T.
        shift: of the wrist's path [m].
        turn: of the wrist's path about the vertical through the world's origin, before `shift`
            [rad].
    """

    mirrored: bool = False
    pace: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: float = 0.0


def draw(recipe: Recipe, variant: int, seed: int) -> Variation:
    """The variation of the episode with this seed; number 0 is the motion as it is.

    Every number is drawn whatever the recipe asks for, so that asking for one more kind of
    variation leaves the others as they were.
    """
    if variant == 0:
        return Variation()
    rng = np.random.default_rng(seed)
    heads, phase = rng.random(2)
    split, sign, whole = rng.uniform(-1, 1, 3)
    (x, y, z), turn = recipe.shift * rng.uniform(-1, 1, 3), rng.uniform(-1, 1)
    steady = recipe.time_warp * abs(split) * whole
    swinging = recipe.time_warp * (1 - abs(split)) * sign
    return Variation(
        mirrored=bool(recipe.mirror and heads < 0.5),
        pace=(float(steady), float(swinging), float(phase)),
        shift=(float(x), float(y), float(z)),
        turn=float(recipe.turn * turn),
    )


def warped(
    motion: HandTrajectory, solution: Solution, variation: Variation
) -> tuple[HandTrajectory, Solution]:
    """Both at the variant's speed: the same frames at other times, from the same first time on."""
    if not any(variation.pace[:2]) or len(motion) < 2:
        return motion, solution
    first, times = motion.times[0], motion.times
    warp = _warp(times, variation)
    streams = {
        name: Stream(_later(stream.times, times, warp), stream.values, stream.meaning)
        for name, stream in motion.streams.items()
    }
    trajectory = replace(solution.trajectory, times=first + warp)
    slow = replace(motion, times=first + warp, streams=streams)
    return slow, replace(solution, trajectory=trajectory)


def _warp(times: Float[np.ndarray, " T"], variation: Variation) -> Float[np.ndarray, " T"]:
    """Times of the frames since the first, by the trapezoidal rule over 1 / speed [s]."""
    steady, swinging, phase = variation.pace
    share = (times - times[0]) / (times[-1] - times[0])
    slowness = 1 / (1 + steady + swinging * np.sin(2 * np.pi * (share + phase)))
    passed = np.diff(times) * (slowness[1:] + slowness[:-1]) / 2
    return np.concatenate([[0.0], np.cumsum(passed)])


def _later(
    stamps: Float[np.ndarray, " N"], times: Float[np.ndarray, " T"], warp: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " N"]:
    """A stream's times on the warped clock; outside the motion they go on at the person's speed."""
    inside = np.interp(stamps, times, times[0] + warp)
    after = times[0] + warp[-1] + (stamps - times[-1])
    return np.where(stamps < times[0], stamps, np.where(stamps > times[-1], after, inside))


def placed(trajectory: JointTrajectory, variation: Variation) -> JointTrajectory:
    """The trajectory with its wrist's path turned about the vertical and moved."""
    if not (variation.turn or any(variation.shift)):
        return trajectory
    turn = Rotation.from_euler("z", variation.turn)
    rotations = turn * Rotation.from_quat(trajectory.wrist[:, 3:], scalar_first=True)
    wrist = np.concatenate(
        [
            turn.apply(trajectory.wrist[:, :3]) + variation.shift,
            rotations.as_quat(scalar_first=True),
        ],
        axis=1,
    )
    return replace(trajectory, wrist=wrist)
