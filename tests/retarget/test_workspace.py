"""Workspace: what leaves poses alone, and what moves, turns and stretches them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from retarget import Workspace


def transform(seed):
    rng = np.random.default_rng(seed)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.random(rng=rng).as_matrix(), rng.normal(size=3)
    return T


def poses(seed, count=4):
    rng = np.random.default_rng(seed)
    turn = Rotation.random(count, rng=rng).as_quat(scalar_first=True)
    return np.concatenate([rng.normal(size=(count, 3)), turn], axis=1)


def matrices(wrist):
    T = np.tile(np.eye(4), (len(wrist), 1, 1))
    T[:, :3, :3] = Rotation.from_quat(wrist[:, 3:], scalar_first=True).as_matrix()
    T[:, :3, 3] = wrist[:, :3]
    return T


def test_the_identity_is_exact():
    wrist = poses(0)
    np.testing.assert_array_equal(Workspace(np.eye(4)).place(wrist), wrist)


@given(st.integers(0, 1000), st.floats(0.1, 10.0))
def test_it_is_the_transform_of_the_scaled_pose(seed, scale):
    T, wrist = transform(seed), poses(seed + 1)
    scaled = matrices(wrist)
    scaled[:, :3, 3] *= scale
    np.testing.assert_allclose(matrices(Workspace(T, scale).place(wrist)), T @ scaled, atol=1e-10)


@given(st.integers(0, 1000))
def test_two_after_each_other_are_their_product(seed):
    A, B, wrist = transform(seed), transform(seed + 1), poses(seed + 2)
    one_by_one = Workspace(A).place(Workspace(B).place(wrist))
    np.testing.assert_allclose(
        matrices(one_by_one), matrices(Workspace(A @ B).place(wrist)), atol=1e-12
    )


def test_what_is_not_rigid_is_refused():
    mirrored = np.diag([1.0, -1.0, 1.0, 1.0])
    for T in (2 * np.eye(4), mirrored, np.full((4, 4), np.nan)):
        with pytest.raises(InputError, match="is not a rigid transform"):
            Workspace(T)
    with pytest.raises(InputError, match="scale: 0.0, expected a positive number"):
        Workspace(np.eye(4), 0.0)
