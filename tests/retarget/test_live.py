"""Live: a planted stream moves a robot hand; its latency is measured; it ends cleanly."""

import sys
from pathlib import Path

import numpy as np
import pytest

import handsim
import retarget
from handsim.assets import ASSETS
from handsim.errors import FormatError, InputError, MissingExtraError, MissingFileError, WorkerError
from retarget import live
from retarget.live import Sight, follow, watch

FAKE = Path(__file__).parent / "human" / "extract" / "fake_worker.py"
RATE, COUNT = 30.0, 40


@pytest.fixture(scope="module")
def person():
    sample = retarget.HandTrajectory.load(ASSETS / "motions" / "sample_right.npz")
    return sample.select(slice(0, COUNT))


@pytest.fixture(scope="module")
def hand():
    return handsim.load_hand("ability", "right")


@pytest.fixture(scope="module")
def calibration(hand, person):
    return retarget.calibrate_open(hand, person)


def sights(person, start=100.0):
    """The person's frames, captured at `RATE`."""
    return [Sight(start + k / RATE, frame) for k, frame in enumerate(person.palm_keypoints)]


def test_the_robot_does_what_step_says_and_latency_is_what_the_clock_says(
    person, hand, calibration
):
    seen = sights(person)
    now = iter(sight.captured + 0.001 * (k + 1) for k, sight in enumerate(seen))
    session = follow(seen, hand, calibration=calibration, clock=lambda: next(now))
    engine = retarget.Retargeter(hand, calibration=calibration, smoothing=retarget.Smoothing())
    steps = [engine.step(s.keypoints, time=s.captured).trajectory.qpos[0] for s in seen]
    np.testing.assert_array_equal(session.trajectory.qpos, steps)
    np.testing.assert_allclose(session.trajectory.times, np.arange(COUNT) / RATE, atol=1e-9)
    np.testing.assert_allclose(session.latency, 0.001 * np.arange(1, COUNT + 1), atol=1e-9)
    np.testing.assert_allclose(session.keypoints, person.palm_keypoints, atol=1e-9)
    assert str(session) == (
        "40 frames, 30.0 a second, a hand in 100 %; from capture to joint positions 20.5 ms "
        "(p50), 39.6 ms (p99)"
    )


def test_without_a_calibration_the_first_seconds_are_one(person, hand, monkeypatch):
    monkeypatch.setattr(live, "CALIBRATION_SECONDS", 0.5)
    session = follow(sights(person), hand)
    bones = person.select(slice(0, 16)).palm_keypoints
    assert len(session.latency) == COUNT - 16
    np.testing.assert_allclose(
        session.calibration.scale, retarget.calibrate_open(hand, bones).scale, rtol=1e-9
    )
    monkeypatch.setattr(live, "CALIBRATION_SECONDS", 5.0)
    with pytest.raises(InputError, match="40 with one, expected more, or a calibration"):
        follow(sights(person), hand)


def test_frames_without_a_hand_hold_the_robot(person, hand, calibration):
    seen = sights(person)
    seen[20:] = [Sight(sight.captured, np.full((21, 3), np.nan)) for sight in seen[20:]]
    session = follow(seen, hand, calibration=calibration)
    np.testing.assert_array_equal(session.trajectory.valid, np.arange(COUNT) < 20)
    held = session.trajectory.qpos[20:27]
    np.testing.assert_allclose(held, np.tile(session.trajectory.qpos[19], (7, 1)), atol=1e-12)
    assert np.isnan(session.keypoints[20:]).all()


def test_it_ends_when_the_user_interrupts_or_closes_the_window(person, hand, calibration):
    def interrupted():
        yield from sights(person)[:5]
        raise KeyboardInterrupt

    assert len(follow(interrupted(), hand, calibration=calibration).latency) == 5
    shown = []

    def show(qpos):
        shown.append(qpos)
        return len(shown) < 7

    session = follow(sights(person), hand, calibration=calibration, show=show)
    np.testing.assert_array_equal(session.trajectory.qpos, shown)
    assert len(shown) == 7
    with pytest.raises(InputError, match="No frame was followed"):
        follow([], hand, calibration=calibration)


@pytest.fixture
def video(tmp_path, person):
    """The person's right hand, and a left one of which nothing must be seen."""
    frames = np.stack([person.palm_keypoints, -person.palm_keypoints], axis=1)
    np.save(tmp_path / "video.npy", frames)
    return tmp_path / "video.npy"


def test_a_workers_frames_are_those_of_the_side(video, person):
    with watch(video, "right", Path(sys.executable), FAKE) as seen:
        got = list(seen)
    np.testing.assert_allclose([s.keypoints for s in got], person.palm_keypoints, atol=1e-15)
    assert (np.diff([s.captured for s in got]) > 0).all()


def test_a_worker_that_fails_is_quoted_and_one_that_is_left_is_stopped(video, monkeypatch):
    with watch(video, "right", Path(sys.executable), FAKE) as seen:
        next(seen)
    monkeypatch.setenv("FAKE_FAULT", "refuses")
    with (
        watch(video, "right", Path(sys.executable), FAKE) as seen,
        pytest.raises(WorkerError, match="the camera was unplugged"),
    ):
        list(seen)


@pytest.mark.parametrize("hands", [None, [{"right": True}], [{"right": True, "score": 1}]])
def test_lines_that_are_no_hands_are_refused(hands):
    with pytest.raises(FormatError, match="expected hands"):
        live._sight({"captured": 0.0, "hands": hands}, "right")


@pytest.mark.usefixtures("opengl", "unchecked")
def test_headless_it_films_what_it_did(video, hand, calibration, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "WORKER", FAKE)
    monkeypatch.setattr(live, "has_display", lambda: False)
    said, film = [], tmp_path / "live.mp4"
    known = {"calibration": calibration, "record": film, "python": Path(sys.executable)}
    session = live.run(str(video), hand, **known, say=said.append)
    assert len(session.latency) == COUNT
    assert (session.latency > 0).all()
    assert film.stat().st_size > 1000
    assert said == ["getting ready"]


def test_what_cannot_begin_is_said(hand, monkeypatch):
    monkeypatch.setattr(live, "has_display", lambda: False)
    monkeypatch.setattr("handsim.window.has_display", lambda: False)
    with pytest.raises(MissingFileError, match=r"No such video: none.mp4, expected one, or a cam"):
        live.run("none.mp4", hand)
    with pytest.raises(MissingExtraError, match="no display to open a window on; give --record"):
        live.run("0", hand)
