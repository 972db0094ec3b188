"""The ways to write MANO's rotations: round trips, the mean pose, mirrors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from retarget.human import mano
from retarget.human.mano_poses import (
    columns_6d,
    matrices_from_6d,
    mirror_parameters,
    pca_from_pose,
    pose_from_pca,
    pose_from_vectors,
    rotation_vectors,
)
from tests.retarget.human import planted, synthetic_mano

MODEL = synthetic_mano.model()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_matrices_survive_every_form(seed):
    turns = Rotation.random(6, random_state=np.random.default_rng(seed)).as_matrix()
    turns = turns.reshape(2, 3, 3, 3)
    np.testing.assert_allclose(matrices_from_6d(columns_6d(turns)), turns, atol=1e-12)
    np.testing.assert_allclose(mano.rotation_matrices(rotation_vectors(turns)), turns, atol=1e-12)


def test_any_two_columns_give_the_nearest_frame_that_keeps_the_first():
    columns = np.random.default_rng(0).normal(0, 2, (50, 6))
    found = matrices_from_6d(columns)
    np.testing.assert_allclose(
        found @ np.swapaxes(found, 1, 2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(found), 1)
    first = columns[:, :3] / np.linalg.norm(columns[:, :3], axis=1, keepdims=True)
    np.testing.assert_allclose(found[:, :, 0], first, atol=1e-12)
    assert np.all((found[:, :, 1] * columns[:, 3:]).sum(axis=1) > 0)


def test_what_has_no_rotation_is_nan():
    for columns in ([0, 0, 0, 0, 1, 0], [1, 0, 0, 2, 0, 0], [np.nan, 0, 0, 0, 1, 0]):
        assert np.isnan(matrices_from_6d(np.array(columns, dtype=float))).any()
    turns = np.stack([np.eye(3), np.full((3, 3), np.nan)])
    np.testing.assert_array_equal(rotation_vectors(turns), [[0, 0, 0], [np.nan] * 3])


@pytest.mark.parametrize("flat_hand", [True, False])
def test_coefficients_come_back(flat_hand):
    coefficients = np.random.default_rng(1).normal(0, 0.5, (4, 12))
    pose = pose_from_pca(MODEL, coefficients, flat_hand)
    np.testing.assert_allclose(pca_from_pose(MODEL, pose, flat_hand, 12), coefficients, atol=1e-9)
    whole = pca_from_pose(MODEL, planted.right_parameters(5).hand_pose, flat_hand)
    again = pose_from_pca(MODEL, whole, flat_hand)
    np.testing.assert_allclose(again, planted.right_parameters(5).hand_pose, atol=1e-9)


def test_zeros_are_the_flat_hand_or_the_mean_pose():
    none = np.zeros((1, 45))
    np.testing.assert_allclose(
        pose_from_vectors(MODEL, none, True)[0], np.tile(np.eye(3), (15, 1, 1))
    )
    mean = rotation_vectors(pose_from_pca(MODEL, none[:, :6], False)[0])
    np.testing.assert_allclose(mean.ravel(), MODEL.mean, atol=1e-12)


def test_only_so_many_components_exist():
    with pytest.raises(InputError, match="46 principal components, expected 1 to 45"):
        pose_from_pca(MODEL, np.zeros((1, 46)), True)
    with pytest.raises(InputError, match="0 principal components"):
        pca_from_pose(MODEL, np.tile(np.eye(3), (1, 15, 1, 1)), True, 0)


def test_mirrored_parameters_are_those_of_the_mirrored_hand():
    right = planted.parameters("right", 5)
    left = mirror_parameters(right)
    np.testing.assert_allclose(
        mano.keypoints_from_mano(left, "left"),
        mano.keypoints_from_mano(right, "right") * [-1, 1, 1],
        atol=1e-12,
    )
    again = mirror_parameters(left)
    np.testing.assert_array_equal(again.hand_pose, right.hand_pose)


def test_mirrored_coefficients_are_the_same_in_the_other_model():
    coefficients = np.random.default_rng(2).normal(0, 0.5, (3, 8))
    right = pose_from_pca(MODEL, coefficients, False)
    left = pose_from_pca(synthetic_mano.model("left"), coefficients, False)
    np.testing.assert_allclose(left, mano.mirror_rotations(right), atol=1e-12)
