"""D-Grasp, VITRA and HO-3D files, written as these datasets write them."""

import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError
from retarget.human.keypoints import FROM_MANO, FROM_THUMB_LAST
from retarget.human.mano import mirror_rotations
from retarget.human.sources import load
from tests.retarget.human import planted
from tests.retarget.human.sources.joblib_writer import dumps

COUNT = 6
RING_BEFORE_PINKY = [0, 1, 2, 3, 4, 5, 6, 10, 11, 12, 7, 8, 9, 13, 14, 15]


def rotations(side="right"):
    truth = planted.parameters(side, COUNT)
    return np.concatenate([truth.global_orient[:, None], truth.hand_pose], axis=1)


def grasps():
    keypoints = planted.keypoints("right", COUNT)
    turns = rotations()[:, RING_BEFORE_PINKY].reshape(-1, 3, 3)
    angles = Rotation.from_matrix(turns).as_euler("XYZ").reshape(COUNT, 48)
    return {
        "final_qpos": np.concatenate([keypoints[:, 0], angles], axis=1),
        "final_ee": keypoints[:, np.argsort(FROM_THUMB_LAST)].reshape(COUNT, 63),
        "final_obj_pos": np.tile([0.1, 0.2, 0.3, 0.6, 0.8, 0, 0], (COUNT, 1)),
        "final_contacts": np.eye(COUNT, 16),
        "obj_w_stacked": np.ones(COUNT),
    }


def test_dgrasp(tmp_path):
    path = tmp_path / "labels.pkl"
    path.write_bytes(dumps({5: grasps(), np.int64(14): grasps()}))
    motion = load(path)
    truth, planted_keypoints = planted.parameters("right", COUNT), planted.keypoints("right", COUNT)
    names = ["006_mustard_bottle"] * COUNT + ["025_mug"] * COUNT
    assert list(motion.streams["object"].values) == names
    np.testing.assert_allclose(motion.times, np.arange(2 * COUNT))
    mugs = motion.select(motion.streams["object"].values == "025_mug")
    np.testing.assert_allclose(mugs.keypoints, planted_keypoints, atol=1e-12)
    for name in ("global_orient", "hand_pose", "transl"):
        np.testing.assert_allclose(getattr(mugs.mano, name), getattr(truth, name), atol=1e-12)
    mug = motion.streams["object_025_mug"]
    np.testing.assert_array_equal(mug.times, mugs.times)
    np.testing.assert_allclose(mug.values[0], [0.1, 0.2, 0.3, 0.6, 0.8, 0, 0])
    assert motion.source.times_assumed
    with pytest.raises(InputError, match="as all of D-Grasp, expected left"):
        load(path, side="left")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"final_qpos": np.zeros((COUNT, 50))}, r"final_qpos: shape \(6, 50\), expected \(T, 51\)"),
        ({"final_ee": np.zeros((2, 63))}, r"final_ee: shape \(2, 63\), expected \(6, 63\)"),
        ({"final_obj_pos": np.zeros((COUNT, 7))}, "a quaternion of length 0, expected 1"),
    ],
)
def test_dgrasp_labels_that_are_wrong(tmp_path, spoil, message):
    path = tmp_path / "labels.pkl"
    path.write_bytes(dumps({5: {**grasps(), **spoil}}))
    with pytest.raises(InputError, match=message):
        load(path)


def annotation(*sides):
    """What VITRA says of the planted hands, seen from a camera that turns and moves."""
    camera = np.tile(np.eye(4), (COUNT, 1, 1))
    camera[:, :3, :3] = Rotation.from_rotvec(np.outer(np.arange(COUNT), [0, 0.1, 0])).as_matrix()
    camera[:, :3, 3] = [0, 0, 2]
    content = {
        "extrinsics": camera,
        "intrinsics": np.array([[650.0, 0, 320], [0, 651, 240], [0, 0, 1]]),
        "video_decode_frame": np.array([10, 11, 12, 14, 15, 16]),
        "text": {"right": [("Lift it.", (2, np.int64(6))), ("Reach.", (0, 2))], "left": []},
    }
    for side in ("left", "right"):
        truth = planted.parameters(side, COUNT)
        pose = truth.hand_pose
        content[side] = {
            "beta": np.arange(10.0),
            "global_orient_worldspace": truth.global_orient,
            "hand_pose": mirror_rotations(pose) if side == "left" else pose,
            "transl_worldspace": planted.keypoints(side, COUNT)[:, 0],
            "joints_worldspace": planted.keypoints(side, COUNT).astype(np.float32),
            "kept_frames": np.full(COUNT, int(side in sides)),
        }
    return content


def write(path, content):
    np.save(path, np.array(content, dtype=object))
    return path


@pytest.mark.parametrize("side", ["left", "right"])
def test_vitra(tmp_path, side):
    content = annotation(side)
    content[side]["kept_frames"][2] = 0
    motion = load(write(tmp_path / "episode.npy", content), fps=10)
    truth = planted.parameters(side, COUNT)
    seen = motion.valid
    np.testing.assert_array_equal(np.flatnonzero(~seen), [2])
    np.testing.assert_allclose(motion.times, [0, 0.1, 0.2, 0.4, 0.5, 0.6])
    expected = planted.keypoints(side, COUNT)
    np.testing.assert_allclose(motion.keypoints[seen], expected[seen], atol=1e-6)
    for name in ("global_orient", "hand_pose", "transl"):
        found = getattr(motion.mano, name)
        np.testing.assert_allclose(found[seen], getattr(truth, name)[seen], atol=1e-12)
        assert np.isnan(found[2]).all()
    assert (motion.side, motion.source.metric, motion.source.frame) == (side, False, "world")
    assert motion.source.camera.center == (320.0, 240.0)


def test_the_camera_of_vitra_sees_what_the_extrinsics_say(tmp_path):
    content = annotation("right")
    motion = load(write(tmp_path / "episode.npy", content))
    camera = motion.streams["camera"].values
    turn = Rotation.from_quat(camera[:, 3:], scalar_first=True).as_matrix()
    seen = np.einsum("tji,tkj->tki", turn, motion.keypoints - camera[:, None, :3])
    extrinsics = content["extrinsics"]
    expected = motion.keypoints @ np.swapaxes(extrinsics[:, :3, :3], 1, 2) + [0, 0, 2]
    np.testing.assert_allclose(seen, expected, atol=1e-9)
    text = motion.streams["text"]
    assert list(text.values) == ["Reach.", "Lift it."]
    np.testing.assert_allclose(text.times, motion.times[[0, 2]])


def test_vitra_with_both_hands_or_none(tmp_path):
    both = write(tmp_path / "both.npy", annotation("left", "right"))
    with pytest.raises(InputError, match="both hands"):
        load(both)
    left, right = load(both, side="left"), load(both, side="right")
    np.testing.assert_array_equal(left.times, right.times)
    with pytest.raises(InputError, match="holds no hand"):
        load(write(tmp_path / "none.npy", annotation()))
    lacking = annotation("right")
    del lacking["right"]["beta"]
    with pytest.raises(FormatError, match="right holds no dict of joints_worldspace, .*beta"):
        load(write(tmp_path / "lacking.npy", lacking))


OPTICAL = np.diag([1.0, -1.0, -1.0])
MUG = {"objName": "025_mug", "objTrans": np.array([0.1, -0.2, -0.5]), "objRot": np.zeros((3, 1))}


def write_ho3d(folder, absent=(), wrist_only=False):
    (folder / "meta").mkdir(parents=True)
    truth, keypoints = planted.parameters("right", COUNT), planted.keypoints("right", COUNT)
    for frame in range(COUNT):
        turns = rotations()[frame].copy()
        turns[0] = OPTICAL @ turns[0]
        joints = keypoints[frame][np.argsort(FROM_MANO)] @ OPTICAL
        content = {
            "handJoints3D": joints[0] if wrist_only else joints.astype(np.float32),
            "handPose": Rotation.from_matrix(turns).as_rotvec().ravel(),
            "handTrans": truth.transl[frame],
            "handBeta": truth.betas[frame],
            "camMat": np.array([[614.0, 0, 320], [0, 615, 240], [0, 0, 1]]),
            "objLabel": 14,
            **MUG,
        }
        if frame in absent:
            content = dict.fromkeys(content)
        (folder / "meta" / f"{frame:04d}.pkl").write_bytes(pickle.dumps(content, 2))
    return folder


def test_ho3d(tmp_path):
    motion = load(write_ho3d(tmp_path / "MC1", absent=[0, 3]))
    seen = motion.valid
    np.testing.assert_array_equal(np.flatnonzero(~seen), [0, 3])
    truth, expected = planted.parameters("right", COUNT), planted.keypoints("right", COUNT)
    np.testing.assert_allclose(motion.keypoints[seen], expected[seen], atol=1e-6)
    for name in ("global_orient", "hand_pose", "transl"):
        found = getattr(motion.mano, name)[seen]
        np.testing.assert_allclose(found, getattr(truth, name)[seen], atol=1e-6)
    assert (motion.source.frame, motion.source.format) == ("camera", "ho3d")
    assert motion.source.camera.focal == (614.0, 615.0)
    mug = motion.streams["object_025_mug"]
    np.testing.assert_allclose(mug.times, motion.times[seen])
    np.testing.assert_allclose(mug.values[0], [0.1, 0.2, 0.5, 0, 1, 0, 0], atol=1e-12)
    with pytest.raises(InputError, match="as all of HO-3D, expected left"):
        load(tmp_path / "MC1", side="left")


def test_the_evaluation_set_of_ho3d_has_no_hands(tmp_path):
    with pytest.raises(InputError, match="none of the 6 frames shows a hand"):
        load(write_ho3d(tmp_path / "SM1", wrist_only=True))
