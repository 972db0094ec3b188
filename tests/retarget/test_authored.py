import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import retarget
from handsim.errors import OutputError
from retarget.human import authored
from retarget.human.authored import ANGLES, poses, sample_motion
from retarget.human.authored_hand import BONES_MM, RADII_MM, RANGES, hand_keypoints
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import (
    BONES,
    CHAINS,
    FINGERS,
    TIPS,
    bone_lengths,
    chirality,
    chirality_score,
    in_palm_frame,
    mirror,
    palm_frame,
)

ON_DISK = Path(__file__).parents[2] / "assets" / "motions" / "sample_right.npz"
HELD = [
    *("open", "fist", "spread", "pinch index", "pinch middle", "pinch ring", "pinch pinky"),
    *("one", "two", "three", "four", "five", "open"),
]

plausible_angles = arrays(float, 20, elements=st.floats(0, 1)).map(
    lambda share: RANGES[:, 0] + share * np.ptp(RANGES, axis=1)
)


@pytest.fixture(scope="module")
def motion():
    return sample_motion()


def holds(motion):
    """(name, mask of its frames) of every held pose, in order."""
    label = motion.streams["label"]
    ends = [*label.times[1:], motion.times[-1] + 1]
    return [
        (str(name), (motion.times >= start) & (motion.times < end))
        for name, start, end in zip(label.values, label.times, ends, strict=True)
        if name
    ]


def angle(name):
    return ANGLES.index(name)


def tip_distances(points):
    """Thumb tip to the other four [m], (..., 4)."""
    tips = points[..., TIPS, :]
    return np.linalg.norm(tips[..., 1:, :] - tips[..., :1, :], axis=-1)


def straightness(points):
    """Distance from knuckle to tip over the sum of the bones: 1 for a straight finger, (..., 4)."""
    lengths = bone_lengths(points).reshape(*points.shape[:-2], 5, 4)[..., 1:, 1:].sum(-1)
    chains = np.array([CHAINS[finger] for finger in FINGERS[1:]])
    ends = points[..., chains[:, -1], :] - points[..., chains[:, 0], :]
    return np.linalg.norm(ends, axis=-1) / lengths


def flesh_gaps(points):
    """Gap between the flesh of every two fingers [mm], {(finger, finger): (T,)}."""
    share = np.linspace(0, 1, 9)[:, None]
    lines = {}
    for finger, chain in CHAINS.items():
        ends = 1e3 * points[:, list(chain)]
        line = ends[:, :-1, None] * (1 - share) + ends[:, 1:, None] * share
        lines[finger] = line.reshape(len(points), -1, 3)
    return {
        (one, two): np.linalg.norm(lines[one][:, :, None] - lines[two][:, None], axis=-1).min(
            axis=(1, 2)
        )
        - RADII_MM[one]
        - RADII_MM[two]
        for number, one in enumerate(FINGERS)
        for two in FINGERS[number + 1 :]
    }


@settings(deadline=None, max_examples=50)
@given(angles=plausible_angles)
def test_any_plausible_hand_is_in_its_palm_frame_with_the_bones_of_the_figures(angles):
    points = hand_keypoints(angles)
    rotation, origin = palm_frame(points, "right")
    np.testing.assert_allclose(rotation, np.eye(3), atol=1e-12)
    np.testing.assert_array_equal(origin, 0)
    expected = [1e-3 * length for finger in FINGERS for length in BONES_MM[finger]]
    assert len(BONES) == len(expected)
    np.testing.assert_allclose(bone_lengths(points), expected, rtol=1e-12)


@settings(deadline=None, max_examples=25)
@given(angles=plausible_angles)
def test_a_left_hand_is_the_mirror_image_in_its_own_palm_frame(angles):
    left = hand_keypoints(angles, side="left")
    np.testing.assert_array_equal(left, mirror(hand_keypoints(angles), axis=1))
    np.testing.assert_allclose(in_palm_frame(left, "left"), left, atol=1e-15)
    assert chirality_score(left) == pytest.approx(-chirality_score(hand_keypoints(angles)))


def test_a_batch_is_its_hands_one_by_one():
    angles = np.random.default_rng(3).uniform(*RANGES.T, size=(2, 4, 20))
    batch = hand_keypoints(angles)
    assert batch.shape == (2, 4, 21, 3)
    for index in np.ndindex(2, 4):
        np.testing.assert_allclose(batch[index], hand_keypoints(angles[index]), atol=1e-15)


@pytest.mark.parametrize("finger", FINGERS[1:])
def test_flexion_is_the_angle_between_bones_and_closes_towards_the_palm(finger):
    mcp, pip, dip, tip = CHAINS[finger]
    angles = np.zeros(20)
    angles[angle(f"{finger}_pip_flexion")] = 0.7
    angles[angle(f"{finger}_dip_flexion")] = 0.4
    points = hand_keypoints(angles)
    first, second, third = (
        np.diff(points[[mcp, pip, dip, tip]], axis=0)
        / 1e-3
        / np.array(BONES_MM[finger][1:])[:, None]
    )
    assert np.arccos(first @ second) == pytest.approx(0.7)
    assert np.arccos(second @ third) == pytest.approx(0.4)
    assert points[tip, 0] - points[mcp, 0] > 0.02
    angles = np.zeros(20)
    angles[angle(f"{finger}_mcp_abduction")] = 0.2
    assert hand_keypoints(angles)[tip, 1] > hand_keypoints(np.zeros(20))[tip, 1] + 0.01


def test_right_angled_knuckles_point_the_fingers_out_of_the_palm():
    angles = np.zeros(20)
    angles[[angle(f"{finger}_mcp_flexion") for finger in FINGERS[1:]]] = np.pi / 2
    points = hand_keypoints(angles)
    np.testing.assert_allclose(points[12] - points[9], [0.0977, 0, 0], atol=1e-12)


def test_flexed_fingers_converge():
    def breadth(flexion):
        angles = np.zeros(20)
        angles[[angle(f"{finger}_mcp_flexion") for finger in FINGERS[1:]]] = flexion
        points = hand_keypoints(angles)
        return points[8, 1] - points[20, 1]

    assert breadth(0.0) > breadth(0.8) > breadth(1.4)


def test_the_motion_says_what_it_is(motion):
    assert 12 < motion.duration < 16
    assert motion.rate == pytest.approx(30)
    assert motion.valid.all()
    assert motion.side == chirality(motion.keypoints) == "right"
    assert motion.source.metric
    assert [name for name, _ in holds(motion)] == HELD
    for name, frames in holds(motion):
        assert 0.4 <= np.ptp(motion.times[frames]) <= 0.61, name


def test_bones_keep_their_length_and_angles_stay_in_range(motion):
    lengths = bone_lengths(motion.keypoints)
    assert (lengths.std(axis=0) / lengths.mean(axis=0)).max() < 1e-9
    angles = motion.streams["angles"].values
    assert (angles >= RANGES[:, 0]).all()
    assert (angles <= RANGES[:, 1]).all()
    np.testing.assert_allclose(motion.palm_keypoints, hand_keypoints(angles), atol=1e-12)


def test_the_last_joint_follows_the_one_before_it(motion):
    angles = motion.streams["angles"].values
    for finger in FINGERS[1:]:
        pip, dip = (angles[:, angle(f"{finger}_{joint}_flexion")] for joint in ("pip", "dip"))
        np.testing.assert_allclose(dip, authored.DIP_PER_PIP * pip, atol=1e-12)


def test_a_hold_holds_still_in_the_palm(motion):
    for name, frames in holds(motion):
        points = motion.palm_keypoints[frames]
        np.testing.assert_allclose(points, points[:1].repeat(len(points), 0), atol=1e-12)
        np.testing.assert_allclose(points[0], hand_keypoints(poses()[name]), atol=1e-12)


def test_pinches_touch_with_the_named_finger_alone(motion):
    pinches = [(name, frames) for name, frames in holds(motion) if name.startswith("pinch")]
    assert len(pinches) == 4
    for name, frames in pinches:
        distances = tip_distances(motion.keypoints[frames])
        finger = FINGERS[1:].index(name.removeprefix("pinch "))
        assert (distances[:, finger] > 0.004).all()
        assert (distances[:, finger] < 0.010).all()
        assert (np.delete(distances, finger, axis=1) > 0.04).all()


@pytest.mark.parametrize(
    ("name", "straight"),
    [
        ("open", "1111"),
        ("spread", "1111"),
        ("fist", "0000"),
        ("one", "1000"),
        ("two", "1100"),
        ("three", "1110"),
        ("four", "1111"),
        ("five", "1111"),
    ],
)
def test_the_fingers_that_count_are_straight_and_the_others_folded(name, straight):
    found = straightness(hand_keypoints(poses()[name]))
    up = np.array([digit == "1" for digit in straight])
    assert (found[up] > 0.98).all()
    assert (found[~up] < 0.6).all()


def test_the_thumb_is_out_in_five_and_across_the_palm_in_four():
    four, five = (hand_keypoints(poses()[name])[4] for name in ("four", "five"))
    assert five[1] > 0.07
    assert four[1] < 0.0
    assert four[0] > 0.015


def test_the_thumb_lies_over_the_fist():
    points = hand_keypoints(poses()["fist"])
    assert points[4, 0] > points[[6, 7, 10, 11], 0].max()
    np.testing.assert_allclose(points[4, 1], points[11, 1], atol=0.015)
    assert tip_distances(points).min() > 0.03


def test_spread_is_broader_than_open():
    spread, flat = (hand_keypoints(poses()[name]) for name in ("spread", "open"))
    assert spread[8, 1] - spread[20, 1] > flat[8, 1] - flat[20, 1] + 0.03


def test_flesh_does_not_run_through_flesh(motion):
    gaps = flesh_gaps(motion.palm_keypoints)
    for (one, two), gap in gaps.items():
        deepest = -9.6 if one == "thumb" else -0.5
        assert gap.min() > deepest, (one, two)
    pinching = np.zeros(len(motion), dtype=bool)
    for name, frames in holds(motion):
        if name.startswith("pinch"):
            pinching |= frames
    reach = np.convolve(pinching, np.ones(17), mode="same") > 0
    for (one, two), gap in gaps.items():
        assert gap[~reach].min() > -2.0, (one, two)


def test_speeds_are_a_persons(motion):
    step = np.diff(motion.times)[:, None]
    tips = np.linalg.norm(np.diff(motion.keypoints[:, TIPS], axis=0), axis=-1) / step
    assert 0.3 < tips.max() < 2.0
    wrist = np.linalg.norm(np.diff(motion.keypoints[:, 0], axis=0), axis=-1) / step[:, 0]
    assert 0.001 < wrist.max() < 0.1
    assert np.ptp(motion.wrist[:, :3], axis=0).max() < 0.1


def test_the_left_motion_is_the_mirror_image(motion):
    left = sample_motion("left")
    assert chirality(left.keypoints) == "left"
    np.testing.assert_allclose(left.keypoints, mirror(motion.keypoints, axis=1), atol=1e-15)
    np.testing.assert_allclose(
        left.palm_keypoints, mirror(motion.palm_keypoints, axis=1), atol=1e-12
    )


def test_poses_cannot_be_changed_by_a_reader():
    with pytest.raises(ValueError, match="read-only"):
        poses()["open"][0] = 1.0


def test_writing_twice_gives_the_same_bytes(tmp_path, monkeypatch):
    first = authored.write(tmp_path / "one")
    monkeypatch.setattr(sys, "argv", ["authored", str(tmp_path / "two")])
    monkeypatch.delitem(sys.modules, "retarget.human.authored")
    runpy.run_module("retarget.human.authored", run_name="__main__")
    assert first.read_bytes() == (tmp_path / "two" / first.name).read_bytes()
    assert first.stat().st_size < 300_000


def test_the_file_in_assets_is_what_the_script_makes(motion):
    # Not its bytes: processors differ in the last digit of a sine, zlibs in how they pack it.
    kept = HandTrajectory.load(ON_DISK)
    for name in ("times", "keypoints", "wrist", "valid"):
        np.testing.assert_allclose(getattr(kept, name), getattr(motion, name), rtol=0, atol=1e-9)
    assert (kept.side, kept.source) == (motion.side, motion.source)
    assert set(kept.streams) == set(motion.streams)
    np.testing.assert_array_equal(
        kept.streams["label"].values, motion.streams["label"].values, strict=True
    )
    np.testing.assert_allclose(
        kept.streams["angles"].values, motion.streams["angles"].values, rtol=0, atol=1e-9
    )


def test_the_file_loads_through_the_front_door(motion):
    np.testing.assert_allclose(retarget.load(ON_DISK).keypoints, motion.keypoints, atol=1e-9)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        authored.write(tmp_path / "file")
