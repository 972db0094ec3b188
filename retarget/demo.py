"""The demo: the authored sample motion on robot hands, solved, replayed, scored and filmed."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.progress import track

from handsim.assets import ASSETS
from handsim.errors import MissingExtraError
from handsim.files import replacing
from handsim.hands.catalog import load_hand
from handsim.hands.robot_hand import RobotHand
from handsim.render import write_png, write_video
from retarget.film import Film
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.sources import load
from retarget.playback import play
from retarget.retargeter import Retargeter
from retarget.scoring import score

SAMPLE = ASSETS / "motions" / "sample_right.npz"
LABEL = "label"
"""The sample motion's stream that names the pose held from each of its times on."""


@dataclass(frozen=True)
class Demo:
    """What a demo made.

    Attributes:
        scores: hand → metric → value, also in `scores.json`.
        files: the files written.
        unfilmed: why there are no pictures; empty when there are.
    """

    scores: dict[str, dict[str, float]]
    files: list[Path]
    unfilmed: str


def demo(
    folder: str | Path,
    hands: Sequence[str] = ("shadow", "allegro", "ability"),
    progress: bool = False,
) -> Demo:
    """Retarget the sample motion to `hands`, replay it in physics, score it and film it.

    Writes into `folder`: `<hand>.npz` (the joint trajectory), `scores.json`, and, where something
    can render, `demo.mp4` and `contact_sheet.png`.

    Args:
        folder: made when missing.
        hands: names in the catalogue.
        progress: whether to show a bar while filming.

    Raises:
        UnknownNameError: there is no such hand.
        OutputError: `folder` cannot be written.
    """
    folder = Path(folder)
    motion = load(SAMPLE)
    robots = [load_hand(name, motion.side) for name in hands]
    files, scores, shown = [], {}, {}
    for robot in robots:
        solution = Retargeter(robot).retarget(motion)
        rollout = play(solution)
        scores[robot.name] = score(motion, solution, rollout, robot)
        shown[robot.name] = (robot, solution.trajectory.qpos)
        solution.trajectory.save(folder / f"{robot.name}.npz")
        files.append(folder / f"{robot.name}.npz")
    write_scores(folder / "scores.json", scores)
    files.append(folder / "scores.json")
    try:
        files += _film(folder, motion, shown, progress)
    except MissingExtraError as error:
        return Demo(scores, files, str(error))
    return Demo(scores, files, "")


def write_scores(path: Path, scores: Mapping[str, object]) -> None:
    """Write scores as JSON; what is not defined (NaN) becomes null.

    Raises:
        OutputError: `path` cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_without_nan(scores), indent=2) + "\n")


def _without_nan(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _film(
    folder: Path,
    motion: HandTrajectory,
    shown: dict[str, tuple[RobotHand, np.ndarray]],
    progress: bool,
) -> list[Path]:
    captions = labels(motion)
    video, sheet = folder / "demo.mp4", folder / "contact_sheet.png"
    with Film(motion.palm_keypoints, motion.side, shown) as film:
        frames = track(
            film.frames(captions),
            "filming",
            total=len(motion),
            transient=True,
            disable=not progress,
        )
        write_video(video, frames, motion.rate)
        write_png(sheet, film.contact_sheet(_middles(captions)))
    return [video, sheet]


def labels(motion: HandTrajectory) -> list[str]:
    """What the motion's label stream says of each frame; empty strings without one."""
    if LABEL not in motion.streams:
        return [""] * len(motion)
    stream = motion.streams[LABEL]
    rows = np.searchsorted(stream.times, motion.times + 1e-9, side="right") - 1
    return [str(stream.values[row]) if row >= 0 else "" for row in rows]


def _middles(captions: list[str]) -> dict[int, str]:
    """The middle frame of the first stretch of each name."""
    frames: dict[int, str] = {}
    start = 0
    for name, run in groupby(captions):
        count = len(list(run))
        if name and name not in frames.values():
            frames[start + count // 2] = name
        start += count
    return frames
