"""Filters: what they must leave alone, what they must take out, and that rates do not matter."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

from handsim.assets import ASSETS
from handsim.errors import InputError
from retarget import filters
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import BONES, TIPS, bone_lengths
from retarget.human.one_euro import OneEuro, Smoothing
from retarget.human.rigid import placed, turn_between
from retarget.human.sources import load

SAMPLE = HandTrajectory.load(ASSETS / "motions" / "sample_right.npz")
HAND = SAMPLE.keypoints[100] - SAMPLE.keypoints[100, 0]


def still(count=60, rate=30.0):
    return HandTrajectory.from_keypoints(
        np.arange(count) / rate, np.tile(HAND, (count, 1, 1)), "right"
    )


def moving(rate=30.0, seconds=2.0, velocity=(0.3, -0.1, 0.2), spin=(0.0, 0.0, 0.0)):
    """A hand that keeps its pose, travels at `velocity` [m/s] and turns at `spin` [rad/s]."""
    times = np.arange(round(rate * seconds)) / rate
    turn = Rotation.from_rotvec(times[:, None] * np.array(spin))
    keypoints = np.stack([r.apply(HAND) for r in turn]) + times[:, None, None] * np.array(velocity)
    return HandTrajectory.from_keypoints(times, keypoints, "right")


def noisy(motion, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, motion.keypoints.shape)
    return HandTrajectory.from_keypoints(motion.times, motion.keypoints + noise, motion.side)


every_smoother = pytest.mark.parametrize("smoother", [filters.smooth, filters.one_euro])


@every_smoother
def test_a_still_hand_stays_as_it_is(smoother):
    after = smoother(still())
    np.testing.assert_allclose(after.keypoints, still().keypoints, atol=1e-12)
    np.testing.assert_allclose(after.wrist, still().wrist, atol=1e-12)


def test_a_line_stays_a_line_at_uneven_times():
    times = np.sort(np.random.default_rng(0).uniform(0, 2, 80))
    line = moving(rate=40.0)
    keypoints = line.keypoints[:1] + times[:, None, None] * np.array([0.3, -0.1, 0.2])
    line = HandTrajectory.from_keypoints(times, keypoints, "right")
    np.testing.assert_allclose(filters.smooth(line).keypoints, keypoints, atol=1e-9)


def test_a_constant_turn_stays_one():
    turning = moving(spin=(1.0, 2.0, -1.0))
    after = filters.smooth(turning)
    off = [
        turn_between(a, b) for a, b in zip(after.wrist[:, 3:], turning.wrist[:, 3:], strict=True)
    ]
    assert np.linalg.norm(off, axis=1).max() < 2e-3
    np.testing.assert_allclose(after.palm_keypoints, turning.palm_keypoints, atol=1e-9)


def test_at_even_times_smoothing_is_savitzky_and_golays():
    rough = noisy(still(), 0.002)
    inside = slice(5, -5)
    expected = savgol_filter(rough.palm_keypoints, 7, 2, axis=0)[inside]
    np.testing.assert_allclose(filters.smooth(rough).palm_keypoints[inside], expected, atol=1e-9)


@every_smoother
def test_noise_becomes_less(smoother):
    rough = noisy(still(200), 0.002)
    before = rough.palm_keypoints[:, TIPS].std(axis=0).mean()
    assert smoother(rough).palm_keypoints[50:, TIPS].std(axis=0).mean() < 0.7 * before


def test_smoothing_does_not_lag_and_one_euro_does():
    motion = moving(velocity=(0.2, 0.0, 0.0))
    behind = motion.wrist[-1, 0] - filters.one_euro(motion).wrist[-1, 0]
    assert 0.001 < behind < 0.03
    assert abs(motion.wrist[-1, 0] - filters.smooth(motion).wrist[-1, 0]) < 1e-9


def test_smoothing_does_not_look_across_a_long_gap():
    motion = SAMPLE.select(slice(0, 120))
    valid = np.ones(120, dtype=bool)
    valid[50:70] = False
    parted = replace(motion, valid=valid)
    after, alone = filters.smooth(parted), filters.smooth(motion.select(slice(70, 120)))
    np.testing.assert_allclose(after.keypoints[70:], alone.keypoints, atol=1e-12)


def test_an_impulse_is_rejected_and_filled_in():
    motion = moving(spin=(0.0, 0.5, 0.0))
    keypoints = motion.keypoints.copy()
    keypoints[20, 8] += [0.2, 0.0, 0.0]
    keypoints[40] += [0.0, 0.3, 0.0]
    keypoints[41] = keypoints[41, ::-1]
    dirty = HandTrajectory.from_keypoints(motion.times, keypoints, "right")
    clean = filters.reject_outliers(dirty)
    assert set(np.flatnonzero(~clean.valid)) == {20, 40, 41}
    filled = filters.fill_gaps(clean)
    assert filled.valid.all()
    np.testing.assert_allclose(filled.keypoints, motion.keypoints, atol=1e-12)


def test_a_persons_own_motion_is_no_outlier():
    assert filters.reject_outliers(SAMPLE).valid.all()


def test_swapped_fingers_and_missing_ones_are_not_plausible():
    points = SAMPLE.palm_keypoints.copy()
    points[10, [5, 6, 7, 8]], points[10, [17, 18, 19, 20]] = points[10, 17:21], points[10, 5:9]
    points[11, 12] = np.nan
    points[12, 4] += [0.0, 0.3, 0.0]
    assert set(np.flatnonzero(~filters.plausible(points))) == {10, 11, 12}
    with pytest.raises(InputError, match="None of the 3 frames shows a whole hand"):
        filters.plausible(np.full((3, 21, 3), np.nan))


def test_gaps_are_filled_along_lines_and_great_arcs():
    motion = moving(spin=(0.0, 1.0, 0.0))
    valid = np.ones(len(motion), dtype=bool)
    valid[[0, 20, 21, 22]] = valid[30:45] = False
    filled = filters.fill_gaps(replace(motion, valid=valid))
    assert filled.valid[20:23].all()
    assert not filled.valid[[0, *range(30, 45)]].any()
    np.testing.assert_allclose(filled.wrist[21], motion.wrist[21], atol=1e-12)
    np.testing.assert_allclose(filled.keypoints[21], motion.keypoints[21], atol=1e-12)
    np.testing.assert_array_equal(filled.keypoints[25], motion.keypoints[25])
    assert filters.fill_gaps(replace(motion, valid=valid), longest=1.0).valid[30:45].all()


def stretched(motion, seed=0):
    """The motion seen by a tracker whose bones change by 8 % from frame to frame."""
    shares = np.random.default_rng(seed).normal(1, 0.08, (len(motion), len(BONES)))
    points = motion.palm_keypoints
    bones = points[:, 1:] - points[:, [parent for parent, _ in BONES]]
    for bone, (parent, child) in enumerate(BONES):
        points[:, child] = points[:, parent] + shares[:, bone, None] * bones[:, bone]
    keypoints = placed(motion.wrist.copy(), points)
    return HandTrajectory.from_keypoints(motion.times, keypoints, motion.side)


def test_bones_that_change_are_made_firm_and_fingers_bend_as_before():
    loose = stretched(SAMPLE.select(slice(0, 200)))
    firm = filters.constant_bones(loose)
    lengths = bone_lengths(firm.keypoints)
    wanted = np.median(bone_lengths(loose.keypoints), axis=0)
    np.testing.assert_allclose(lengths, np.tile(wanted, (len(firm), 1)))
    np.testing.assert_allclose(lengths[0], bone_lengths(SAMPLE.keypoints[0]), rtol=0.03)
    np.testing.assert_allclose(firm.wrist, loose.wrist, atol=1e-12)
    again = HandTrajectory.from_keypoints(firm.times, firm.keypoints, firm.side)
    np.testing.assert_allclose(again.wrist, firm.wrist, atol=1e-9)
    np.testing.assert_allclose(fingers(firm.keypoints), fingers(loose.keypoints), atol=1e-9)


def fingers(keypoints):
    """The directions of all bones."""
    bones = np.stack([keypoints[:, child] - keypoints[:, parent] for parent, child in BONES], 1)
    return bones / np.linalg.norm(bones, axis=-1, keepdims=True)


def test_bones_that_are_firm_stay_as_they_are():
    after = filters.constant_bones(moving(spin=(0.0, 1.0, 0.0)))
    np.testing.assert_allclose(after.keypoints, moving(spin=(0.0, 1.0, 0.0)).keypoints, atol=1e-12)


def dirty(truth, seed=0):
    """A motion with all that a webcam does: noise, glitches, dropouts, uneven times, repeats."""
    rng = np.random.default_rng(seed)
    chosen = np.flatnonzero((rng.uniform(size=len(truth)) < 0.8) | (truth.times == 0))
    seen = stretched(noisy(truth.select(chosen), 0.002, seed), seed)
    keypoints = seen.keypoints.copy()
    for frame in (30, 61, 90):
        keypoints[frame, rng.integers(1, 21, 3)] += rng.normal(0, 0.15, (3, 3))
    keypoints[[50, 51, 110]] = np.nan
    held = np.flatnonzero(rng.uniform(size=len(chosen)) < 0.3)
    for frame in held[held > 0]:
        keypoints[frame] = keypoints[frame - 1]
    return HandTrajectory.from_keypoints(seen.times, keypoints, truth.side)


def jitter(motion):
    """Mean second difference of the tips in the palm frame [m]."""
    tips = motion.palm_keypoints[:, TIPS]
    return np.nanmean(np.linalg.norm(np.diff(tips, 2, axis=0), axis=-1))


def test_a_dirty_motion_is_cleaned():
    truth = SAMPLE.select(slice(0, 200))
    rough = dirty(truth)
    clean = filters.clean(rough, rate=30.0)
    assert clean.valid.all()
    assert np.isfinite(clean.keypoints).all()
    np.testing.assert_allclose(np.diff(clean.times), 1 / 30)
    assert np.ptp(bone_lengths(clean.keypoints), axis=0).max() < 1e-12
    wanted, before = filters.resample(truth, 30.0), filters.resample(rough, 30.0)
    wanted, before = (motion.select(slice(0, len(clean))) for motion in (wanted, before))
    off, was_off = (
        np.nanmean(np.linalg.norm(motion.palm_keypoints - wanted.palm_keypoints, axis=-1))
        for motion in (clean, before)
    )
    assert off < 0.5 * was_off
    assert jitter(clean) < 0.35 * jitter(before)


def test_the_counting_hand_of_mediapipe_is_cleaned(shared):
    """265 frames at uneven times, of which 55 % repeat; bones vary by 13 %."""
    rough = load(shared / "motions" / "mediapipe_handposeutils" / "sequence_counting.json")
    assert len(filters.drop_duplicates(rough)) == 119
    clean = filters.clean(rough, rate=30.0, hampel=10.0)
    assert clean.valid.all()
    assert np.isfinite(clean.keypoints).all()
    np.testing.assert_allclose(np.diff(clean.times), 1 / 30)
    assert clean.duration == pytest.approx(rough.duration, abs=0.2)
    assert np.ptp(bone_lengths(clean.keypoints), axis=0).max() < 1e-12
    assert jitter(clean) < 0.65 * jitter(filters.resample(rough, 30.0))
    away = filters.resample(rough, 30.0).select(slice(0, len(clean)))
    off = np.linalg.norm(clean.palm_keypoints - away.palm_keypoints, axis=-1)
    assert np.median(off[:, TIPS]) < 0.01
    assert filters.clean(rough).valid.mean() == pytest.approx(0.67, abs=0.02)


def test_one_frame_is_clean_as_it_is():
    single = SAMPLE.select([100])
    np.testing.assert_allclose(filters.clean(single).keypoints, single.keypoints, atol=1e-12)


@pytest.mark.parametrize("rate", [30.0, 60.0, 120.0])
def test_the_time_constant_is_the_same_at_any_rate(rate):
    """A first-order low-pass at f Hz has gone 1 − exp(−2π f t) of a step after t seconds."""
    count, cutoff = round(2 * rate), 0.5
    keypoints = np.tile(HAND, (count, 1, 1))
    keypoints[count // 2 :, 8] += [0.0, 0.0, 0.002]
    motion = HandTrajectory.from_keypoints(np.arange(count) / rate, keypoints, "right")
    after = filters.one_euro(motion, Smoothing(OneEuro(cutoff, 0.0))).palm_keypoints[:, 8]
    gone = np.linalg.norm(after - after[0], axis=1) / np.linalg.norm(
        motion.palm_keypoints[-1, 8] - motion.palm_keypoints[0, 8]
    )
    since = motion.times - motion.times[count // 2 - 1]
    expected = np.where(since > 0, 1 - np.exp(-2 * np.pi * cutoff * since), 0.0)
    np.testing.assert_allclose(gone, expected, atol=0.03)


def test_what_no_filter_can_be_is_refused():
    with pytest.raises(InputError, match=r"cutoff: 0.0, expected a positive number \[Hz\]"):
        OneEuro(cutoff=0.0)
    with pytest.raises(InputError, match="beta: -1.0, expected 0 or more"):
        OneEuro(beta=-1.0)
    with pytest.raises(InputError, match="window 0.0 s"):
        filters.smooth(still(), window=0.0)
