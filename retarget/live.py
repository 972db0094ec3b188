"""Live: the hand that a camera sees, on a robot hand, frame by frame, and how long that takes.

A worker (`retarget.human.extract.workers.mediapipe`) watches the camera in a process of its own,
always at the newest frame, and writes a line a frame; `follow` turns each into joint positions.
Latency is the time from when the frame was there to when the joint positions are, by
`time.monotonic`, which is one clock for both processes.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from handsim.assets import ASSETS
from handsim.errors import FormatError, InputError, MissingFileError
from handsim.hands.robot_hand import RobotHand, Side
from handsim.joint_trajectory import JointTrajectory
from handsim.opengl import context_class
from handsim.render import write_video
from handsim.window import has_display, moving_window, viewer_module
from retarget.calibration import Calibration
from retarget.film import Film
from retarget.fitting import calibrate_open
from retarget.human.extract import venvs
from retarget.human.extract.worker_process import LOG, require_success, script, started
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import COUNT, in_palm_frame, mirror
from retarget.human.one_euro import Smoothing
from retarget.human.recording import Source, as_numbers
from retarget.references import DEFAULT
from retarget.retargeter import Retargeter

CALIBRATION_SECONDS = 2.0
"""How long a hand is looked at [s] before it is followed, where no calibration is given."""
FILM_FPS = 30.0
TIPS = "MediaPipe fingertip landmark"
BACKEND = "mediapipe"
WORKER = script(BACKEND)
_SAMPLE = ASSETS / "motions" / "sample_right.npz"


class Sight(NamedTuple):
    """What was seen in one frame.

    Attributes:
        captured: when the frame was there, by `time.monotonic` [s].
        keypoints: of the hand, in any frame [m]; NaN where there is none.
    """

    captured: float
    keypoints: Float[np.ndarray, "21 3"]


@dataclass(frozen=True, eq=False)
class Session:
    """What became of following a hand.

    Attributes:
        trajectory: what the robot did; its times are the frames', from 0 on.
        keypoints: of the person, in the palm frame [m]; NaN where not seen.
        latency: from a frame's capture to its joint positions [s].
        calibration: the one used.
    """

    trajectory: JointTrajectory
    keypoints: Float[np.ndarray, "T 21 3"]
    latency: Float[np.ndarray, " T"]
    calibration: Calibration

    @property
    def rate(self) -> float:
        """Frames a second; 0 of a single one."""
        passed = float(self.trajectory.times[-1])
        return (len(self.latency) - 1) / passed if passed > 0 else 0.0

    def __str__(self) -> str:
        p50, p99 = 1e3 * np.percentile(self.latency, [50, 99])
        seen = 100 * self.trajectory.valid.mean()
        return (
            f"{len(self.latency)} frames, {self.rate:.1f} a second, a hand in {seen:.0f} %; from "
            f"capture to joint positions {p50:.1f} ms (p50), {p99:.1f} ms (p99)"
        )


def run(
    source: str,
    hand: RobotHand,
    method: str = DEFAULT,
    calibration: Calibration | None = None,
    record: Path | None = None,
    python: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Session:
    """Follow the hand before a camera, or in a video, in a window, a recording or both.

    Args:
        source: a camera's number, or a video, which is played at its own pace.
        hand: the robot, of the side of the person's hand.
        method: what to match.
        calibration: see `follow`.
        record: the video to write at the end.
        python: the interpreter that runs the worker; None for that of `venvs.find_or_make`.
        say: told what is going on, line by line.

    Raises:
        MissingFileError: there is no such video.
        MissingExtraError: there is neither a display nor `record`, or nothing can render it.
        WorkerError: the worker failed: there is no such camera, say.
        InputError: see `follow`.
    """
    camera = int(source) if source.isdecimal() else Path(source).resolve()
    if isinstance(camera, Path) and not camera.is_file():
        raise MissingFileError(f"No such video: {source}, expected one, or a camera's number.")
    if record:
        context_class()
    if not record or has_display():
        viewer_module("give --record")
    interpreter = python or venvs.find_or_make(BACKEND, say)
    say("getting ready")
    _warm_up(hand, method)
    if calibration is None:
        say(f"hold your {hand.side} hand open for {CALIBRATION_SECONDS:g} s")
    with ExitStack() as stack:
        show = stack.enter_context(moving_window(hand)) if has_display() else None
        sights = stack.enter_context(watch(camera, hand.side, interpreter, WORKER))
        session = follow(sights, hand, method, calibration, show)
    if record:
        film(record, session, hand)
    return session


@contextmanager
def watch(source: int | Path, side: Side, python: Path, worker: Path) -> Iterator[Iterator[Sight]]:
    """What a worker sees, frame after frame, until the video ends.

    Args:
        source: a camera's index, or a video, which is played at its own pace.
        side: which hand; of several the one that is most surely of that side.
        python: the interpreter that runs the worker.
        worker: its script.

    Raises:
        MissingExtraError: the interpreter cannot be run.
        WorkerError: the worker failed.
        FormatError: the worker writes something else.
    """
    where = source if isinstance(source, int) else str(source)
    request = json.dumps({"source": where, "options": {}})
    with TemporaryDirectory() as folder:
        log = Path(folder) / LOG
        with started(python, worker, ["--stream", request], log) as (process, lines):

            def sights() -> Iterator[Sight]:
                said = ""
                for line in lines:
                    if "captured" in line:
                        yield _sight(line, side)
                    said = str(line.get("error", said))
                require_success(process, worker, said, log)

            yield sights()


def _sight(line: dict[str, Any], side: Side) -> Sight:
    try:
        own = [hand for hand in line["hands"] if hand["right"] == (side == "right")]
        best = max(own, key=lambda hand: float(hand["score"]), default=None)
        points = np.full((COUNT, 3), np.nan) if best is None else best["keypoints"]
        return Sight(float(line["captured"]), as_numbers(points, "keypoints", (COUNT, 3)))
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"A worker wrote {str(line)[:80]}…, expected hands: {error!r}."
        ) from error


def follow(
    sights: Iterable[Sight],
    hand: RobotHand,
    method: str = DEFAULT,
    calibration: Calibration | None = None,
    show: Callable[[Float[np.ndarray, " nq"]], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Session:
    """Follow a hand until the frames end, the window is closed or the user interrupts.

    Args:
        sights: what is seen, as it comes.
        hand: the robot.
        method: what to match.
        calibration: of this person and hand; None takes the bones of the hand seen in the first
            `CALIBRATION_SECONDS`.
        show: shows the robot at a qpos; says whether to go on.
        clock: what the latency is measured with [s]; that of `Sight.captured`.

    Raises:
        InputError: no frame was followed: too few for a calibration, say; or the hand is of the
            other side.
    """
    frames = iter(sights)
    steps: list[tuple[Sight, JointTrajectory, float]] = []
    try:
        known = calibration or _calibrate(frames, hand)
        engine = Retargeter(hand, method, known, smoothing=Smoothing())
        for sight in frames:
            robot = engine.step(sight.keypoints, time=sight.captured).trajectory
            steps.append((sight, robot, clock() - sight.captured))
            if show and not show(robot.qpos[0]):
                break
    except KeyboardInterrupt:
        pass
    if not steps:
        raise InputError(f"No frame was followed, expected a {hand.side} hand in view for longer.")
    return _session(hand, steps, known)


def _calibrate(frames: Iterator[Sight], hand: RobotHand) -> Calibration:
    seen: list[Sight] = []
    for sight in frames:
        if np.isfinite(sight.keypoints).all():
            seen.append(sight)
        if seen and sight.captured - seen[0].captured >= CALIBRATION_SECONDS:
            times = [one.captured for one in seen]
            points = np.array([one.keypoints for one in seen])
            source = Source(tracker="MediaPipe", frame="wrist", metric=False, tips=TIPS)
            motion = HandTrajectory.from_keypoints(times, points, hand.side, source=source)
            return calibrate_open(hand, motion)
    raise InputError(
        f"The frames ended before {CALIBRATION_SECONDS:g} s with a hand for a calibration: "
        f"{len(seen)} with one, expected more, or a calibration."
    )


def _session(
    hand: RobotHand, steps: list[tuple[Sight, JointTrajectory, float]], calibration: Calibration
) -> Session:
    sights, robots, latency = zip(*steps, strict=True)
    times = np.array([sight.captured for sight in sights])
    columns = [
        np.concatenate([getattr(robot, name) for robot in robots])
        for name in ("qpos", "wrist", "valid")
    ]
    trajectory = JointTrajectory(hand.name, hand.side, hand.joint_names, times - times[0], *columns)
    points = np.array([sight.keypoints for sight in sights])
    return Session(trajectory, in_palm_frame(points, hand.side), np.array(latency), calibration)


def film(path: Path, session: Session, hand: RobotHand) -> None:
    """Write a video of the person beside the robot, at `FILM_FPS` in real time.

    Raises:
        MissingExtraError: nothing can render here.
        OutputError: `path` cannot be written.
    """
    times = session.trajectory.times
    grid = np.arange(0.0, times[-1] + 1e-9, 1 / FILM_FPS)
    rows = np.searchsorted(times, grid + 1e-9, side="right") - 1
    shown = {hand.name: (hand, session.trajectory.qpos[rows])}
    with Film(session.keypoints[rows], hand.side, shown) as pictures:
        write_video(path, pictures.frames([""] * len(rows)), FILM_FPS)


def _warm_up(hand: RobotHand, method: str = DEFAULT) -> None:
    """Have everything compiled that `follow` needs, which takes seconds the first time."""
    point = HandTrajectory.load(_SAMPLE).palm_keypoints[0]
    seen = point if hand.side == "right" else mirror(point, axis=1)
    times = CALIBRATION_SECONDS * np.array([0.0, 1.0, 1.02, 1.04, 1.06])
    follow([Sight(float(at), seen) for at in times], hand, method)
