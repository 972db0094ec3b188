"""What makes one variant of a motion differ from the motion as it is, drawn from one seed."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from retarget.generation.recipe import Recipe
from retarget.human.hand_trajectory import HandTrajectory, Stream


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


def warped(motion: HandTrajectory, variation: Variation) -> HandTrajectory:
    """The motion at the variant's speed: the same frames at other times, from the same first on."""
    if not any(variation.pace[:2]) or len(motion) < 2:
        return motion
    times = warp(motion.times, variation)
    streams = {
        name: Stream(_later(stream.times, motion.times, times), stream.values, stream.meaning)
        for name, stream in motion.streams.items()
    }
    return replace(motion, times=times, streams=streams)


def warp(times: Float[np.ndarray, " T"], variation: Variation) -> Float[np.ndarray, " T"]:
    """When the variant is where the motion is at `times`: the trapezoidal rule over 1 / speed [s].

    The first time stays.
    """
    steady, swinging, phase = variation.pace
    share = (times - times[0]) / (times[-1] - times[0])
    slowness = 1 / (1 + steady + swinging * np.sin(2 * np.pi * (share + phase)))
    passed = np.diff(times) * (slowness[1:] + slowness[:-1]) / 2
    return times[0] + np.concatenate([[0.0], np.cumsum(passed)])


def _later(
    stamps: Float[np.ndarray, " N"], times: Float[np.ndarray, " T"], later: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " N"]:
    """A stream's times on the warped clock; outside the motion they go on at the person's speed."""
    inside = np.interp(stamps, times, later)
    after = later[-1] + (stamps - times[-1])
    return np.where(stamps < times[0], stamps, np.where(stamps > times[-1], after, inside))


def placed(poses: Float[np.ndarray, "T 7"], variation: Variation) -> Float[np.ndarray, "T 7"]:
    """Poses x y z qw qx qy qz in the world, turned about the vertical and moved."""
    if not (variation.turn or any(variation.shift)):
        return poses
    turn = Rotation.from_euler("z", variation.turn)
    rotations = turn * Rotation.from_quat(poses[:, 3:], scalar_first=True)
    places = turn.apply(poses[:, :3]) + variation.shift
    return np.concatenate([places, rotations.as_quat(scalar_first=True)], axis=1)
