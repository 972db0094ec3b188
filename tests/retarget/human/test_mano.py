"""MANO at its joints: published figures, mirror symmetry, planted skeletons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsim.errors import InputError
from retarget.human import mano
from retarget.human.hand_trajectory import ManoParameters
from retarget.human.keypoints import COUNT, SIDES, TIPS, bone_lengths, mirror
from retarget.human.sources import load
from tests.retarget.human import planted

JOINTS = [i for i in range(COUNT) if i not in TIPS]


def still(count=1):
    eye = np.broadcast_to(np.eye(3), (count, 3, 3))
    pose = np.broadcast_to(np.eye(3), (count, 15, 3, 3))
    return ManoParameters(np.zeros((count, 10)), eye, pose, np.zeros((count, 3)))


@pytest.mark.parametrize("side", SIDES)
def test_identity_is_the_rest_pose_at_the_rest_wrist(side):
    found = mano.keypoints_from_mano(still(), side)[0]
    np.testing.assert_allclose(found, mano.rest_skeleton(side) + mano.rest_wrist(side), atol=1e-15)


def test_the_template_has_the_published_axes():
    rest = mano.rest_skeleton("right")
    assert np.all(rest[1:, 0] < 0), "fingers −x"
    assert rest[4, 2] > rest[8, 2] > rest[12, 2] > rest[20, 2], "thumb +z"
    bent = planted.right_parameters(1)
    flexed = mano.forward(
        np.concatenate([np.eye(3)[None, None], bent.hand_pose], axis=1), np.zeros((1, 3)), rest
    )[0]
    assert np.all(flexed[[8, 12, 16, 20], 1] < rest[[8, 12, 16, 20], 1] - 0.02), "palm −y"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_left_model_is_the_mirrored_right(seed):
    right = planted.parameters("right", count=3, seed=seed)
    left = planted.parameters("left", count=3, seed=seed)
    np.testing.assert_allclose(
        mano.keypoints_from_mano(left, "left"),
        mirror(mano.keypoints_from_mano(right, "right")),
        atol=1e-12,
    )


def test_bones_keep_their_lengths():
    lengths = bone_lengths(planted.keypoints(count=20))
    rest = bone_lengths(mano.rest_skeleton("right"))
    np.testing.assert_allclose(lengths, np.broadcast_to(rest, lengths.shape), atol=1e-12)


def test_a_joint_moves_what_hangs_on_it_and_nothing_else():
    turns = np.broadcast_to(np.eye(3), (1, 16, 3, 3)).copy()
    ring_middle = 11
    turns[0, ring_middle] = mano.rotation_matrices(np.array([0.0, 0.0, 0.7]))
    rest = mano.rest_skeleton("right")
    moved = mano.forward(turns, np.zeros((1, 3)), rest)[0]
    assert set(np.flatnonzero(np.abs(moved - rest).max(axis=1) > 1e-9)) == {15, 16}


def test_the_wrist_turns_about_itself():
    parameters = planted.right_parameters(8)
    found = mano.keypoints_from_mano(parameters, "right")[:, 0]
    np.testing.assert_allclose(found, parameters.transl + mano.rest_wrist("right"), atol=1e-15)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_mirrored_rotations_change_the_sign_of_y_and_z(vector):
    vector = np.array(vector)
    np.testing.assert_allclose(
        mano.mirror_rotations(mano.rotation_matrices(vector)),
        mano.rotation_matrices(vector * [1, -1, -1]),
        atol=1e-12,
    )


def test_nan_rotations_stay_nan():
    vectors = np.array([[0.1, 0.2, 0.3], [np.nan, 0, 0]])
    matrices = mano.rotation_matrices(vectors)
    assert np.isfinite(matrices[0]).all()
    assert np.isnan(matrices[1]).all()


@pytest.mark.parametrize("side", SIDES)
def test_a_planted_skeleton_is_recovered(side):
    rng = np.random.default_rng(3)
    rest = mano.rest_skeleton(side) * rng.uniform(0.8, 1.2, (COUNT, 1))
    parameters = planted.parameters(side)
    seen = mano.keypoints_from_mano(parameters, side, rest)
    seen[4] = np.nan
    np.testing.assert_allclose(mano.fit_rest_skeleton(parameters, seen), rest, atol=1e-12)


def test_fitting_needs_frames():
    parameters = planted.parameters(count=4)
    with pytest.raises(InputError, match=r"shape \(3, 21, 3\), expected \(4, 21, 3\)"):
        mano.fit_rest_skeleton(parameters, np.zeros((3, 21, 3)))
    with pytest.raises(InputError, match="No frame"):
        mano.fit_rest_skeleton(parameters, np.full((4, 21, 3), np.nan))


@pytest.mark.parametrize(
    ("file", "mean_mm", "max_mm"),
    [
        ("hamer_raw/whiteboard-erase-000135_hamer_out.npz", 0.31, 0.5),
        ("wilor_stills/outputs.pkl", 0.22, 1.14),
        ("wilor_stills/pinch_grasps_test.pkl", 0.34, 0.67),
        ("dexmv_mustard", 1.79, 3.7),
    ],
)
def test_published_keypoints_follow_from_published_parameters(shared, file, mean_mm, max_mm):
    recorded = load(shared / "motions" / file)
    turns = np.concatenate([recorded.mano.global_orient[:, None], recorded.mano.hand_pose], axis=1)
    rest = mano.rest_skeleton(recorded.side)
    found = mano.forward(turns, recorded.keypoints[:, 0], rest)
    error = 1e3 * np.linalg.norm(found - recorded.keypoints, axis=2)[:, JOINTS]
    assert error.mean() == pytest.approx(mean_mm, abs=0.01)
    assert error.max() <= max_mm + 0.01
    wrist = recorded.mano.transl + mano.rest_wrist(recorded.side) - recorded.keypoints[:, 0]
    assert 1e3 * np.abs(wrist).max() < 0.8


def test_a_fitted_skeleton_explains_a_shape_that_is_not_the_mean(shared):
    recorded = load(shared / "motions" / "dexmv_mustard")
    turns = np.concatenate([recorded.mano.global_orient[:, None], recorded.mano.hand_pose], axis=1)
    rest = mano.fit_rest_skeleton(recorded.mano, recorded.keypoints)
    error = np.linalg.norm(
        mano.forward(turns, recorded.keypoints[:, 0], rest) - recorded.keypoints, axis=2
    )
    assert 1e3 * error.mean() == pytest.approx(0.52, abs=0.01)
