"""MANO in PyTorch: the numbers of NumPy's, gradients of finite differences."""

import numpy as np
import pytest

from retarget.human import mano, mano_mesh, mano_poses
from retarget.human.hand_trajectory import ManoParameters
from tests.retarget.human import planted, synthetic_mano

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def layers():
    from retarget.human import mano_torch

    return mano_torch


@pytest.fixture(scope="module")
def posed():
    pose = planted.right_parameters(3)
    betas = np.random.default_rng(0).normal(0, 1, (3, 10))
    return ManoParameters(betas, pose.global_orient, pose.hand_pose, pose.transl)


def tensors(posed):
    return [torch.tensor(getattr(posed, name)) for name in posed.__dataclass_fields__]


def test_numbers_agree(layers, posed):
    model = synthetic_mano.model()
    vertices, points = layers.MeshLayer(model, dtype=torch.float64)(*tensors(posed))
    np.testing.assert_allclose(vertices, mano_mesh.vertices(model, posed), atol=1e-12)
    np.testing.assert_allclose(points, mano_mesh.keypoints(model, posed), atol=1e-12)


def test_gradients_are_those_of_finite_differences(layers, posed):
    layer = layers.MeshLayer(synthetic_mano.model(), dtype=torch.float64)
    values = [t[:1].clone().requires_grad_() for t in tensors(posed)]
    assert torch.autograd.gradcheck(lambda *v: layer(*v), values, fast_mode=True)


def test_rotations_agree_and_have_gradients_at_rest(layers):
    vectors = np.random.default_rng(0).normal(0, 1, (5, 3))
    found = layers.rotation_matrices(torch.tensor(vectors))
    np.testing.assert_allclose(found, mano.rotation_matrices(vectors), atol=1e-12)
    zero = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layers.rotation_matrices, (zero,))
    columns = np.random.default_rng(1).normal(0, 1, (5, 6))
    found = layers.matrices_from_6d(torch.tensor(columns))
    np.testing.assert_allclose(found, mano_poses.matrices_from_6d(columns), atol=1e-12)
