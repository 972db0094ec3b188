"""MANO's mesh: the skeleton's chain, mirror symmetry, and smplx's own numbers where it is there."""

import importlib
import sys

import numpy as np
import pytest

from handsim.errors import MissingExtraError
from retarget.human import mano, mano_mesh
from retarget.human.hand_trajectory import ManoParameters
from retarget.human.keypoints import COUNT, SIDES, TIPS, mirror
from retarget.human.mano_fit import fit_pose
from retarget.human.mano_poses import mirror_parameters, rotation_vectors
from tests.retarget.human import planted, synthetic_mano

JOINTS = [i for i in range(COUNT) if i not in TIPS]


def parameters(side="right", count=6, seed=0):
    pose = planted.parameters(side, count, seed)
    betas = np.random.default_rng(seed).normal(0, 1.5, (count, 10))
    return ManoParameters(betas, pose.global_orient, pose.hand_pose, pose.transl)


def still(betas):
    eye = np.tile(np.eye(3), (len(betas), 16, 1, 1))
    return ManoParameters(betas, eye[:, 0], eye[:, 1:], np.zeros((len(betas), 3)))


@pytest.mark.parametrize("side", SIDES)
def test_the_planted_skeleton_is_the_mean_shape(side):
    found = mano_mesh.rest_keypoints(synthetic_mano.model(side), np.zeros(10))
    expected = mano.rest_skeleton(side) + mano.rest_wrist(side)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_identity_is_the_flat_hand_of_the_shape():
    model = synthetic_mano.model()
    betas = np.random.default_rng(1).normal(0, 1, (2, 10))
    flat = still(betas)
    shapes = model.v_template + np.einsum("vcb,tb->tvc", model.shapedirs, betas)
    np.testing.assert_allclose(mano_mesh.vertices(model, flat), shapes, atol=1e-12)
    rest = np.stack([mano_mesh.rest_keypoints(model, b) for b in betas])
    np.testing.assert_allclose(mano_mesh.keypoints(model, flat), rest, atol=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_joints_are_those_of_the_rest_skeleton(side):
    model, posed = synthetic_mano.model(side), parameters(side)
    found = mano_mesh.keypoints(model, posed)
    for frame in range(len(posed)):
        rest = mano_mesh.rest_keypoints(model, posed.betas[frame])
        one = ManoParameters(
            *(getattr(posed, name)[frame : frame + 1] for name in posed.__dataclass_fields__)
        )
        turns = np.concatenate([one.global_orient[:, None], one.hand_pose], axis=1)
        chain = mano.forward(turns, one.transl + rest[0], rest)
        np.testing.assert_allclose(found[frame, JOINTS], chain[0, JOINTS], atol=1e-12)
        assert 1e3 * np.abs(found[frame, TIPS] - chain[0, TIPS]).max() < 25, "skin, not bone"
        np.testing.assert_allclose(mano_mesh.vertices(model, one)[0, 744], found[frame, 4])


def test_the_left_mesh_is_the_mirrored_right():
    right = parameters("right")
    found = mano_mesh.vertices(synthetic_mano.model("left"), mirror_parameters(right))
    expected = mirror(mano_mesh.vertices(synthetic_mano.model("right"), right))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_long_motions_are_their_frames():
    model, long = synthetic_mano.model(), parameters(count=300)
    last = ManoParameters(*(getattr(long, name)[-2:] for name in long.__dataclass_fields__))
    found = mano_mesh.vertices(model, long)[-2:]
    np.testing.assert_allclose(found, mano_mesh.vertices(model, last), atol=1e-12)


def test_frames_without_parameters_are_nan_alone():
    posed = parameters()
    arrays = {name: getattr(posed, name).copy() for name in posed.__dataclass_fields__}
    for array in arrays.values():
        array[2] = np.nan
    found = mano_mesh.keypoints(synthetic_mano.model(), ManoParameters(**arrays))
    assert np.isnan(found[2]).all()
    assert np.isfinite(np.delete(found, 2, axis=0)).all()


def test_keypoints_of_a_shape_are_fitted_by_bones_alone():
    posed = parameters(count=40)
    posed = ManoParameters(
        np.tile(posed.betas[:1], (40, 1)), posed.global_orient, posed.hand_pose, posed.transl
    )
    points = mano_mesh.keypoints(synthetic_mano.model(), posed)
    found, rest = fit_pose(points, "right")
    error = np.linalg.norm(mano.keypoints_from_mano(found, "right", rest) - points, axis=2)
    assert error[:, JOINTS].max() < 1e-9


@pytest.mark.parametrize("side", SIDES)
def test_smplx_agrees(tmp_path, side):
    smplx, torch = pytest.importorskip("smplx"), pytest.importorskip("torch")
    path = tmp_path / f"MANO_{side.upper()}.pkl"
    synthetic_mano.save_plain(path, synthetic_mano.content(side))
    theirs = smplx.MANO(
        str(path), is_rhand=side == "right", use_pca=False, flat_hand_mean=True, batch_size=6
    )
    posed = parameters(side)
    with torch.no_grad():
        out = theirs(
            betas=torch.tensor(posed.betas).float(),
            global_orient=torch.tensor(rotation_vectors(posed.global_orient)).float(),
            hand_pose=torch.tensor(rotation_vectors(posed.hand_pose).reshape(-1, 45)).float(),
            transl=torch.tensor(posed.transl).float(),
        )
    model = synthetic_mano.model(side)
    np.testing.assert_allclose(mano_mesh.vertices(model, posed), out.vertices, atol=1e-6)
    np.testing.assert_allclose(mano_mesh.joints(model, posed), out.joints[:, :16], atol=1e-6)


def test_gradients_ask_for_torch_where_it_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "retarget.human.mano_torch", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'handsim\[torch\]'"):
        importlib.import_module("retarget.human.mano_torch")
