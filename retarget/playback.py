"""A solution played back in physics, with the person it came from beside it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
from jaxtyping import Float
from rich.progress import track

import handsim.envs as envs
from handsim.errors import InputError
from handsim.hands.catalog import load_hand
from handsim.randomization import Randomization
from handsim.render import write_video
from handsim.replay import replay
from handsim.rollout import Rollout
from handsim.wrist import Kind
from retarget.calibration import Calibration
from retarget.film import Film
from retarget.human.hand_trajectory import HandTrajectory
from retarget.retargeter import Solution

KEYPOINTS = "human_keypoints"
"""The annotation that carries the person's keypoints (T, 21, 3) in the palm frame [m]."""
STREAMS = "streams"
"""The key of a rollout's metadata that says what the annotations made of streams are."""
STILL_SECONDS, STILL_RATE = 1.0, 30.0
"""How long a motion of a single frame is held in physics [s], and its rate [Hz]."""


def play(
    solution: Solution,
    motion: HandTrajectory | None = None,
    wrist: Kind = "fixed",
    rate: float | None = None,
    seed: int = 0,
    randomization: Randomization | None = None,
    cameras: Iterable[str] = (),
    size: tuple[int, int] = (640, 480),
) -> Rollout:
    """The rollout of a solution in `handsim/Track-v0`; a single frame is held for a second.

    Args:
        solution: what to replay.
        motion: the person, kept with the rollout, see `with_person`.
        wrist: "fixed", or "floating" to follow the person's wrist.
        rate: steps a second [Hz]; None for the solution's frames.
        seed: for the environment's reset.
        randomization: what differs from seed to seed.
        cameras: whose pictures are recorded.
        size: of the pictures, width and height [px].
    """
    trajectory = solution.trajectory
    if len(trajectory) == 1:
        span = np.arange(int(STILL_SECONDS * STILL_RATE) + 1) / STILL_RATE
        trajectory = trajectory.at(trajectory.times[0] + span)
    env = gymnasium.make(
        envs.TRACK,
        disable_env_checker=True,
        hand=trajectory.hand,
        side=trajectory.side,
        trajectory=trajectory,
        wrist=wrist,
        control_rate=rate,
        randomization=randomization,
        width=size[0],
        height=size[1],
    )
    try:
        rollout = replay(env, seed=seed, cameras=cameras)
    finally:
        env.close()
    return rollout if motion is None else with_person(rollout, motion)


def with_person(rollout: Rollout, motion: HandTrajectory) -> Rollout:
    """The rollout with the person beside it, the motion's first time being the rollout's.

    The person's keypoints become the annotation `KEYPOINTS`, and streams of numbers (tactile,
    objects, …) annotations of their own names: at each time of the rollout the last row known. What
    a stream's columns are is kept in the rollout's metadata, under `STREAMS`.
    """
    times = motion.times[0] + rollout.times
    numeric = {name: s for name, s in motion.streams.items() if s.values.dtype.kind in "biuf"}
    held = {name: stream.at(times) for name, stream in numeric.items() if len(stream)}
    return replace(
        rollout,
        annotations={**held, **rollout.annotations, KEYPOINTS: keypoints_at(motion, times)},
        metadata={**rollout.metadata, STREAMS: {name: numeric[name].meaning for name in held}},
    )


def tip_targets(motion: HandTrajectory, calibration: Calibration) -> Float[np.ndarray, "T F 3"]:
    """Where a robot's fingertips should be at a motion's frames, in its palm frame [m].

    It is what ``handsim/Track-v0`` takes as `tips`, next to a solution's trajectory. Frames in
    which no hand is seen are interpolated.

    Args:
        motion: the person.
        calibration: of this person and the robot, as a `Solution` has it.

    Raises:
        InputError: the calibration is of the other side or of another tracker's fingertips.
    """
    calibration.require_tips(motion.source)
    if motion.side != calibration.side:
        raise InputError(
            f"The motion is of a {motion.side} hand, the calibration of a {calibration.side} one; "
            "expected the same side."
        )
    return calibration.tip_targets(keypoints_at(motion, motion.times))


def keypoints_at(
    motion: HandTrajectory, times: Float[np.ndarray, " S"]
) -> Float[np.ndarray, "S 21 3"]:
    """The person's keypoints in the palm frame [m], interpolated between the frames seen."""
    seen = motion.valid
    flat = motion.palm_keypoints[seen].reshape(int(seen.sum()), -1)
    columns = [np.interp(times, motion.times[seen], column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(len(times), 21, 3)


def film(path: str | Path, rollout: Rollout, progress: bool = False) -> None:
    """Write a video of the person beside what the robot did.

    Args:
        path: an .mp4 file.
        rollout: with the annotation `KEYPOINTS`.
        progress: whether to show a bar.

    Raises:
        InputError: the rollout knows no person.
        MissingExtraError: nothing can render here.
        OutputError: `path` cannot be written.
    """
    if KEYPOINTS not in rollout.annotations:
        raise InputError("The rollout has no human keypoints; expected one played with its motion.")
    hand = load_hand(rollout.hand, rollout.side)
    times = rollout.times
    with Film(rollout.annotations[KEYPOINTS], rollout.side, {hand.name: (hand, rollout.qpos)}) as f:
        frames = track(
            f.frames([""] * len(times)), "filming", len(times), transient=True, disable=not progress
        )
        write_video(path, frames, 1.0 / float(np.diff(times).mean()))
