"""Repeats, gaps and even rates: laws that hold for any motion, and what was planted."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from retarget import filters
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import mirror
from tests.retarget.human import planted

COUNT = 60
RATE = 30.0
UNEVEN = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.06, COUNT))


def moving(times, velocity=(0.3, -0.1, 0.2), spin=(0.5, -1.0, 2.0)):
    """A hand that keeps its pose, travels at `velocity` [m/s] and turns at `spin` [rad/s]."""
    hand = planted.keypoints()[7] - planted.keypoints()[7, 0]
    turns = Rotation.from_rotvec(times[:, None] * np.array(spin))
    points = np.stack([turn.apply(hand) for turn in turns])
    return HandTrajectory.from_keypoints(
        times, points + times[:, None, None] * np.array(velocity), "right"
    )


def without(motion, *frames):
    valid = motion.valid.copy()
    valid[list(frames)] = False
    nan = np.where(valid[:, None, None], motion.keypoints, np.nan)
    return replace(motion, valid=valid, keypoints=nan)


def repeated(motion, *frames):
    """The motion whose `frames` say what the frame before says."""
    keypoints = motion.keypoints.copy()
    for frame in sorted(frames):
        keypoints[frame] = keypoints[frame - 1]
    return HandTrajectory.from_keypoints(motion.times, keypoints, motion.side)


def mirrored(motion):
    side = "left" if motion.side == "right" else "right"
    points = mirror(motion.keypoints)
    return HandTrajectory.from_keypoints(motion.times, points, side, valid=motion.valid)


def same(first, second, atol=1e-12):
    np.testing.assert_array_equal(first.valid, second.valid)
    np.testing.assert_allclose(first.times, second.times, atol=atol)
    seen = first.valid
    np.testing.assert_allclose(first.keypoints[seen], second.keypoints[seen], atol=atol)
    np.testing.assert_allclose(first.palm_keypoints, second.palm_keypoints, atol=atol)


ROUGH = repeated(without(planted.motion(count=COUNT), 0, 11, 12, *range(30, 45), 59), 20, 21, 50)
STEPS = {
    "drop_duplicates": filters.drop_duplicates,
    "fill_gaps": filters.fill_gaps,
    "hold_gaps": filters.hold_gaps,
    "resample": lambda motion: filters.resample(motion, 47.0),
    "constant_bones": filters.constant_bones,
    "reject_outliers": filters.reject_outliers,
}
SMOOTHERS = {"smooth": filters.smooth, "one_euro": filters.one_euro, "clean": filters.clean}


@pytest.mark.parametrize("name", STEPS)
def test_doing_it_twice_does_nothing_more(name):
    once = STEPS[name](ROUGH)
    same(STEPS[name](once), once)


@pytest.mark.parametrize("name", [*STEPS, *SMOOTHERS])
def test_the_mirror_image_is_cleaned_as_the_person_is(name):
    step = {**STEPS, **SMOOTHERS}[name]
    same(step(mirrored(ROUGH)), mirrored(step(ROUGH)), atol=1e-9)


def test_planted_repeats_are_dropped_and_nothing_else():
    frames = [3, 4, 17, 40]
    motion = repeated(planted.motion(count=COUNT), *frames)
    left = filters.drop_duplicates(motion)
    np.testing.assert_array_equal(left.times, np.delete(motion.times, frames))
    np.testing.assert_array_equal(left.keypoints, np.delete(motion.keypoints, frames, axis=0))
    assert len(filters.drop_duplicates(planted.motion(count=COUNT))) == COUNT


def test_a_hand_that_rests_is_kept_every_so_often():
    motion = repeated(planted.motion(count=COUNT), *range(1, 40))
    times = filters.drop_duplicates(motion).times
    np.testing.assert_allclose(times[:5] * RATE, [0, 8, 16, 24, 32])
    assert np.diff(times).max() <= filters.LONGEST_GAP + 1 / RATE


def test_frames_without_a_hand_are_no_repeats():
    motion = without(planted.motion(count=COUNT), 5, 6, 7)
    same(filters.drop_duplicates(motion), motion)


def test_gaps_are_held_where_they_are_short():
    mano = planted.parameters(count=COUNT)
    motion = without(planted.motion(count=COUNT, mano=mano), 0, 11, 12, *range(30, 45), 59)
    held = filters.hold_gaps(motion)
    np.testing.assert_array_equal(np.flatnonzero(~held.valid), [0, *range(30, 45)])
    for frame, last in ((11, 10), (12, 10), (59, 58)):
        np.testing.assert_array_equal(held.keypoints[frame], motion.keypoints[last])
        np.testing.assert_array_equal(held.wrist[frame], motion.wrist[last])
        np.testing.assert_array_equal(held.mano.hand_pose[frame], mano.hand_pose[last])
    everything = filters.hold_gaps(motion, np.inf)
    np.testing.assert_array_equal(np.flatnonzero(~everything.valid), [0])
    np.testing.assert_array_equal(everything.keypoints[44], motion.keypoints[29])


def test_parts_between_long_gaps_are_the_motion():
    motion = without(planted.motion(count=COUNT), 0, 11, 12, *range(30, 45))
    parts = filters.split_gaps(motion)
    assert [len(part) for part in parts] == [29, 15]
    np.testing.assert_array_equal(parts[0].times, motion.times[1:30])
    np.testing.assert_array_equal(np.flatnonzero(~parts[0].valid), [10, 11])
    assert all(part.valid[0] and part.valid[-1] for part in parts)
    frames = np.concatenate([part.keypoints[part.valid] for part in parts])
    np.testing.assert_array_equal(frames, motion.keypoints[motion.valid])
    assert [len(part) for part in filters.split_gaps(motion, 1.0)] == [59]


@pytest.mark.parametrize("rate", [12.5, 30.0, 97.0])
def test_what_moves_evenly_still_does_at_another_rate(rate):
    motion = moving(UNEVEN)
    even = filters.resample(motion, rate)
    np.testing.assert_allclose(np.diff(even.times), 1 / rate)
    assert even.times[0] == motion.times[0]
    assert 0 <= motion.times[-1] - even.times[-1] < 1 / rate
    truth = moving(even.times)
    np.testing.assert_allclose(even.keypoints, truth.keypoints, atol=1e-12)
    np.testing.assert_allclose(even.wrist, truth.wrist, atol=1e-12)


def test_at_its_own_rate_a_motion_stays_as_it_is():
    motion = without(planted.motion(count=COUNT), 11, 12)
    same(filters.resample(motion, RATE), motion)
    single = motion.select([7])
    same(filters.resample(single, RATE), single)


def test_an_even_rate_invents_nothing_across_gaps():
    motion = without(planted.motion(count=COUNT), *range(20, 23)).select(
        [*range(40), *range(50, COUNT)]
    )
    even = filters.resample(motion, 90.0)
    unseen = even.times[~even.valid] * RATE
    inside = ((unseen > 19) & (unseen < 23)) | ((unseen > 39) & (unseen < 50))
    assert inside.all()
    assert len(unseen) == 3 * 4 - 1 + 3 * 11 - 1
    assert np.isfinite(even.keypoints[even.valid]).all()


@pytest.mark.parametrize("rate", [0.0, -30.0, np.inf, np.nan])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(InputError, match=r"Hz, expected a positive number"):
        filters.resample(planted.motion(), rate)
