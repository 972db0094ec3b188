"""Compiled rigid motions against scipy's, and the palm frame against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from retarget.human import rigid
from retarget.human.keypoints import continuous, in_palm_frame, palm_frame, palm_pose, seen_from

seeds = st.integers(0, 10_000)


def poses(seed, count=5):
    rng = np.random.default_rng(seed)
    turn = Rotation.random(count, rng=rng).as_quat(scalar_first=True)
    return np.concatenate([rng.normal(size=(count, 3)), turn], axis=1)


def rotations(pose):
    return Rotation.from_quat(pose[:, 3:], scalar_first=True)


@given(seeds)
def test_products_are_those_of_rotations_and_shifts(seed):
    a, b = poses(seed), poses(seed + 1)
    product = rigid.compose(a, b)
    np.testing.assert_allclose(product[:, :3], a[:, :3] + rotations(a).apply(b[:, :3]), atol=1e-12)
    expected = (rotations(a) * rotations(b)).as_matrix()
    np.testing.assert_allclose(rotations(product).as_matrix(), expected, atol=1e-12)
    np.testing.assert_array_equal(rigid.compose(a[:1], b)[2], rigid.compose(a[:1], b[2:3])[0])
    np.testing.assert_array_equal(rigid.compose(a, b[:1])[2], rigid.compose(a[2:3], b[:1])[0])


@given(seeds)
def test_the_identity_changes_nothing(seed):
    one = np.array([[0.0, 0, 0, 1, 0, 0, 0]])
    some = poses(seed)
    np.testing.assert_array_equal(rigid.compose(one, some), some)
    np.testing.assert_array_equal(rigid.compose(some, one), some)


@given(seeds)
def test_points_go_into_a_frame_and_come_back(seed):
    frames = poses(seed)
    points = np.random.default_rng(seed).normal(size=(5, 21, 3))
    local = rigid.seen_from(frames, points)
    by_hand = rotations(frames)[3].inv().apply(points[3] - frames[3, :3])
    np.testing.assert_allclose(local[3], by_hand, atol=1e-12)
    np.testing.assert_allclose(rigid.placed(frames, local), points, atol=1e-12)


@given(seeds)
def test_a_turn_takes_one_rotation_to_the_other(seed):
    first, second = poses(seed)[:2, 3:].copy()
    turn = rigid.turn_between(first, second)
    assert np.linalg.norm(turn) <= np.pi + 1e-12
    again = rigid.turned(first, turn)
    assert abs(again @ second) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(rigid.turn_between(first, first), 0.0, atol=1e-12)
    half = rigid.turned(rigid.turned(first, 0.5 * turn), 0.5 * turn)
    assert abs(half @ second) == pytest.approx(1.0, abs=1e-12)


@given(seeds, st.sampled_from(["left", "right"]))
def test_the_palms_pose_is_its_frame(seed, side):
    keypoints = np.random.default_rng(seed).normal(size=(4, 21, 3))
    pose = palm_pose(keypoints, side)
    rotation, origin = palm_frame(keypoints, side)
    np.testing.assert_allclose(rotations(pose).as_matrix(), rotation, atol=1e-12)
    np.testing.assert_array_equal(pose[:, :3], origin)
    np.testing.assert_allclose(
        seen_from(pose, keypoints), in_palm_frame(keypoints, side), atol=1e-12
    )
    np.testing.assert_array_equal(palm_pose(keypoints[2], side), pose[2])


@pytest.mark.parametrize("angle", [0.0, 2.0, np.pi - 1e-9, np.pi])
@pytest.mark.parametrize("axis", np.eye(3))
def test_quaternions_of_large_turns_are_found(axis, angle):
    """Each of the four entries is the largest for one of these."""
    keypoints = np.random.default_rng(0).normal(size=(21, 3))
    still, _ = palm_frame(keypoints, "right")
    turn = Rotation.from_rotvec(angle * axis)
    pose = palm_pose(turn.apply(keypoints @ still), "right")
    assert abs(pose[3:] @ turn.as_quat(scalar_first=True)) == pytest.approx(1.0, abs=1e-12)


def test_of_two_quaternions_the_nearer_is_taken():
    angles = np.linspace(0, 4 * np.pi, 50)
    turning = Rotation.from_rotvec(angles[:, None] * [0.0, 0.6, 0.8]).as_quat(scalar_first=True)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(50, 1))
    track = np.concatenate([np.zeros((50, 3)), signs * turning], axis=1)
    track[[7, 8]] = np.nan
    smooth = continuous(track)
    seen = np.delete(smooth, [7, 8], axis=0)[:, 3:]
    assert ((seen[1:] * seen[:-1]).sum(axis=1) > 0).all()
    np.testing.assert_array_equal(np.abs(smooth), np.abs(track))
    np.testing.assert_array_equal(smooth[0], track[0])
