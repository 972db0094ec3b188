"""Keypoints to MANO's pose: planted poses and people, symmetry, trackers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import retarget
from handsim.errors import InputError, UnknownNameError
from retarget.human import mano
from retarget.human.hand_trajectory import ManoParameters
from retarget.human.keypoints import CHAINS, SIDES, mirror
from retarget.human.mano_fit import fit_pose
from tests.retarget.human import planted

FINGERS = {"index": 0, "middle": 3, "pinky": 6, "ring": 9}


def frame_of(finger, template):
    """Axes along a finger of the flat right hand and across it, its flexion axis."""
    bones = np.diff(template[list(CHAINS[finger])], axis=0)
    along = (bones / np.linalg.norm(bones, axis=1)[:, None]).sum(axis=0)
    across = np.array([0.0, 0.0, 1.0]) - along * along[2] / (along @ along)
    return along / np.linalg.norm(along), across / np.linalg.norm(across)


def anatomical_pose(count=30, seed=0, turn=0.0):
    """Knuckles that flex, abduct and turn about their bone; further joints that flex only."""
    rng = np.random.default_rng(seed)
    template = mano.rest_skeleton("right")
    pose = np.tile(np.eye(3), (count, 15, 1, 1))
    for finger, slot in FINGERS.items():
        along, across = frame_of(finger, template)
        bone = template[CHAINS[finger][1]] - template[CHAINS[finger][0]]
        bone = bone / np.linalg.norm(bone)
        flat = np.arctan2(bone @ np.cross(across, along), bone @ along)
        flexion, abduction, pip, dip = np.deg2rad(
            rng.uniform([0, -15, 30, 5], [80, 15, 100, 60], (count, 4))
        ).T
        abduct = about(-np.cross(across, along), abduction)
        settle = Rotation.from_rotvec(across * flat)
        knuckle = about(across, flexion) * settle * abduct * settle.inv() * about(bone, turn)
        pose[:, slot] = knuckle.as_matrix()
        pose[:, slot + 1] = about(across, pip).as_matrix()
        pose[:, slot + 2] = about(across, dip).as_matrix()
    orient = Rotation.random(count, random_state=rng).as_matrix()
    return ManoParameters(np.zeros((count, 10)), orient, pose, rng.normal(0, 0.3, (count, 3)))


def about(axis, angles):
    return Rotation.from_rotvec(np.multiply.outer(angles, axis))


def angles_between(found, expected):
    turns = np.swapaxes(found, -1, -2) @ expected
    return Rotation.from_matrix(turns.reshape(-1, 3, 3)).magnitude().reshape(turns.shape[:-2])


def person(seed):
    """A rest skeleton with a palm and bones of its own."""
    rng = np.random.default_rng(seed)
    rest = mano.rest_skeleton("right")
    for chain in CHAINS.values():
        bones = np.diff(rest[list(chain)], axis=0) * rng.uniform(0.8, 1.3, (3, 1))
        rest[chain[0]] += rng.normal(0, 4e-3, 3)
        rest[list(chain[1:])] = rest[chain[0]] + np.cumsum(bones, axis=0)
    return rest


def test_an_anatomical_pose_is_recovered():
    planned = anatomical_pose()
    found, rest = fit_pose(mano.keypoints_from_mano(planned, "right"), "right")
    np.testing.assert_allclose(found.hand_pose, planned.hand_pose, atol=1e-6)
    np.testing.assert_allclose(found.global_orient, planned.global_orient, atol=1e-6)
    np.testing.assert_allclose(found.transl, planned.transl, atol=1e-9)
    np.testing.assert_allclose(rest, mano.rest_skeleton("right"), atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), side=st.sampled_from(SIDES))
def test_keypoints_of_any_person_and_pose_are_reached(seed, side):
    rest = person(seed) if side == "right" else mirror(person(seed))
    points = mano.keypoints_from_mano(planted.parameters(side, 12, seed), side, rest)
    found, own = fit_pose(points, side)
    np.testing.assert_allclose(mano.keypoints_from_mano(found, side, own), points, atol=1e-9)


def test_bent_fingers_show_how_their_knuckle_is_turned():
    planned = anatomical_pose(turn=np.deg2rad(12))
    points = mano.keypoints_from_mano(planned, "right")
    found, _ = fit_pose(points, "right")
    knuckles = list(FINGERS.values())
    off = np.rad2deg(angles_between(found.hand_pose, planned.hand_pose)[:, knuckles])
    assert 0.5 < off.mean() < 5, "shrunk towards none, but found"


def test_nothing_jumps_while_a_finger_straightens():
    rng = np.random.default_rng(5)
    bend = np.linspace(0.6, -0.15, 300)
    pose = np.zeros((300, 15, 3))
    pose[:, :12, 2] = bend[:, None]
    pose = mano.rotation_matrices(pose)
    still = planted.right_parameters(300)
    points = mano.keypoints_from_mano(
        ManoParameters(still.betas, still.global_orient, pose, still.transl), "right"
    )
    found, _ = fit_pose(points + rng.normal(0, 3e-4, points.shape), "right")
    steps = np.rad2deg(angles_between(found.hand_pose[:-1], found.hand_pose[1:]))
    assert steps.max() < 20, "noise of 0.3 mm on bones of 20 mm is 5 degrees at most, a flip 90"


def test_a_small_change_of_the_points_is_a_small_change_of_the_pose():
    rng = np.random.default_rng(8)
    points = planted.keypoints(count=200) + rng.normal(0, 6e-3, (200, 21, 3))
    nudged = points + rng.normal(0, 1e-6, points.shape)
    change = angles_between(
        fit_pose(points, "right")[0].hand_pose, fit_pose(nudged, "right")[0].hand_pose
    )
    assert np.rad2deg(change.max()) < 1, "a micrometre, where a turn that flips makes 90 degrees"


def test_a_left_hand_is_the_mirror_image():
    points = planted.keypoints(count=10)
    right, rest = fit_pose(points, "right")
    left, left_rest = fit_pose(mirror(points), "left")
    np.testing.assert_array_equal(left.hand_pose, mano.mirror_rotations(right.hand_pose))
    np.testing.assert_array_equal(left.global_orient, mano.mirror_rotations(right.global_orient))
    np.testing.assert_array_equal(left.transl, mirror(right.transl))
    np.testing.assert_array_equal(left_rest, mirror(rest))


def test_a_moved_hand_has_the_same_pose():
    points = planted.keypoints(count=10) + np.random.default_rng(1).normal(0, 3e-3, (10, 21, 3))
    turn = planted.random_rotation(3)
    here, _ = fit_pose(points, "right")
    there, _ = fit_pose(points @ turn.T + [0.3, -0.2, 1.0], "right")
    np.testing.assert_allclose(there.hand_pose, here.hand_pose, atol=1e-9)
    np.testing.assert_allclose(there.global_orient, turn @ here.global_orient, atol=1e-9)


def test_frames_that_are_not_whole_are_nan_and_change_nothing():
    points = planted.keypoints(count=10)
    gappy = np.insert(points, 4, np.nan, axis=0)
    gappy[4, 3:] = 0.0
    whole, rest = fit_pose(points, "right")
    found, same = fit_pose(gappy, "right")
    np.testing.assert_array_equal(same, rest)
    for name in ("betas", "global_orient", "hand_pose", "transl"):
        assert np.isnan(getattr(found, name)[4]).all()
        np.testing.assert_array_equal(np.delete(getattr(found, name), 4, 0), getattr(whole, name))


def test_what_cannot_be_fitted_says_so():
    with pytest.raises(InputError, match="None of the 2 frames"):
        fit_pose(np.full((2, 21, 3), np.nan), "right")


def test_sides_are_left_and_right(unchecked):
    with pytest.raises(UnknownNameError, match="Available: left, right"):
        fit_pose(planted.keypoints(count=2), "both")


@pytest.mark.parametrize("shrunk", [slice(0, 21), slice(5, 9), slice(7, 9)])
def test_points_on_top_of_each_other_give_rotations(shrunk):
    points = planted.keypoints(count=3)
    points[:, shrunk] = points[:, shrunk][:, :1]
    found, rest = fit_pose(points, "right")
    assert np.isfinite(rest).all()
    assert np.isfinite(found.hand_pose).all(), "ManoParameters holds rotations only"


def test_a_motion_gets_its_parameters(unchecked):
    points = planted.keypoints(count=12)
    valid = np.arange(12) != 5
    motion = retarget.HandTrajectory.from_keypoints(np.arange(12) / 30, points, "right", valid)
    fitted = retarget.fit_mano(motion)
    assert np.isnan(fitted.mano.hand_pose[5]).all()
    rest = mano.fit_rest_skeleton(fitted.mano, motion.keypoints)
    found = mano.keypoints_from_mano(fitted.mano, "right", rest)
    np.testing.assert_allclose(found[valid], points[valid], atol=1e-9)


@pytest.mark.parametrize(
    ("file", "mean_mm"),
    [
        ("hamer_raw/whiteboard-erase-000135_hamer_out.npz", 0.01),
        ("wilor_stills/outputs.pkl", 0.25),
        ("wilor_stills/pinch_grasps_test.pkl", 0.2),
        ("dexmv_mustard", 0.4),
        ("manus/manus_right_subject-000_run-010.npz", 0.25),
        ("dexretarget/human_joint_right.pkl", 3.3),
    ],
)
def test_recordings_are_fitted(shared, file, mean_mm):
    recorded = retarget.load(shared / "motions" / file)
    found, rest = fit_pose(recorded.keypoints[:700], recorded.side)
    error = mano.keypoints_from_mano(found, recorded.side, rest) - recorded.keypoints[:700]
    assert 1e3 * np.linalg.norm(error, axis=2).mean() < mean_mm
    if recorded.mano is None:
        steps = np.rad2deg(angles_between(found.hand_pose[:-1], found.hand_pose[1:]))
        assert np.median(steps) < 2
        assert np.percentile(steps, 99) < 25


def test_rotations_resemble_those_of_the_tracker_but_for_turns_about_bones(shared):
    recorded = retarget.load(shared / "motions" / "dexmv_mustard")
    found, _ = fit_pose(recorded.keypoints, "right")
    assert np.rad2deg(angles_between(found.global_orient, recorded.mano.global_orient)).max() < 1
    assert np.rad2deg(angles_between(found.hand_pose, recorded.mano.hand_pose)).mean() < 11
