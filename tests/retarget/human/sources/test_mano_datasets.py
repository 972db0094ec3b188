"""DexYCB, ARCTIC, GRAB and HOT3D's MANO records, with a made-up MANO file to read them by."""

import json
import pickle

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError, MissingFileError
from retarget.human.keypoints import TIPS
from retarget.human.mano import TIP_VERTICES, rotation_matrices
from retarget.human.mano_mesh import keypoints
from retarget.human.sources import dexycb, load, load_hands
from tests.retarget.human import planted, synthetic_mano
from tests.retarget.human.sources import test_hot3d as hot3d

COUNT = 6
SIDES = ("left", "right")


@pytest.fixture(scope="module")
def mano_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mano")
    for side in SIDES:
        content = pickle.dumps(mano_content(side))
        (folder / f"MANO_{side.upper()}.pkl").write_bytes(content)
    return folder


def mano_content(side):
    """Made up, its tips where DexYCB's toolkit looks for them too."""
    content = synthetic_mano.content(side)
    for name in ("v_template", "shapedirs", "posedirs", "weights"):
        content[name][list(dexycb.TIP_VERTICES[side])] = content[name][list(TIP_VERTICES)]
    return content


@pytest.fixture
def mano_files(mano_folder, monkeypatch):
    monkeypatch.setenv("HANDSIM_MANO", str(mano_folder))


@pytest.fixture
def no_mano_files(monkeypatch):
    monkeypatch.delenv("HANDSIM_MANO", raising=False)


def vectors(side):
    """The planted hand's rotation vectors: the wrist's (T, 3) and the fingers' (T, 45)."""
    truth = planted.parameters(side, COUNT)
    orient = Rotation.from_matrix(truth.global_orient).as_rotvec()
    pose = Rotation.from_matrix(truth.hand_pose.reshape(-1, 3, 3)).as_rotvec()
    return orient, pose.reshape(COUNT, 45)


def assert_planted(motion, side, seen=slice(None)):
    truth = planted.parameters(side, COUNT)
    expected = planted.keypoints(side, COUNT)
    joints = np.setdiff1d(np.arange(21), TIPS)
    found = motion.keypoints[seen]
    np.testing.assert_allclose(found[:, joints], expected[seen][:, joints], atol=1e-6)
    assert np.abs(found - expected[seen]).max() < 0.03
    for name in ("global_orient", "hand_pose", "transl"):
        found = getattr(motion.mano, name)[seen]
        np.testing.assert_allclose(found, getattr(truth, name)[seen], atol=1e-6)


def write_arctic(folder, sides=SIDES, beside=True):
    content = {}
    for side in sides:
        orient, pose = vectors(side)
        truth = planted.parameters(side, COUNT)
        content[side] = {
            "rot": orient,
            "pose": pose - synthetic_mano.model(side).mean,
            "trans": truth.transl,
            "shape": np.zeros(10),
            "fitting_err": [0.1] * COUNT,
        }
    path = folder / "box_grab_01.mano.npy"
    np.save(path, np.array(content, dtype=object))
    if beside:
        rows = np.tile([0.3, 0, 0, np.pi / 2, 100, 200, 300], (COUNT, 1))
        np.save(folder / "box_grab_01.object.npy", rows)
        camera = {
            "R_k_cam_np": np.tile(np.diag([1.0, -1.0, -1.0]), (COUNT, 1, 1)),
            "T_k_cam_np": np.tile([[0.0], [0.0], [1.5]], (COUNT, 1, 1)),
            "intrinsics": np.array([[900.0, 0, 700], [0, 901, 500], [0, 0, 1]]),
        }
        np.save(folder / "box_grab_01.egocam.dist.npy", np.array(camera, dtype=object))
    return path


@pytest.mark.usefixtures("mano_files")
@pytest.mark.parametrize("side", SIDES)
def test_arctic(tmp_path, side):
    path = write_arctic(tmp_path)
    with pytest.raises(InputError, match="both hands"):
        load(path)
    motion = load(path, side=side)
    assert_planted(motion, side)
    assert (motion.source.format, motion.rate) == ("arctic", pytest.approx(30))
    half = np.sqrt(0.5)
    box = motion.streams["object_box"].values[0]
    np.testing.assert_allclose(box, [0.1, 0.2, 0.3, half, 0, 0, half], atol=1e-12)
    np.testing.assert_array_equal(motion.streams["object_box_articulation"].values, [0.3] * COUNT)
    camera = motion.streams["camera"].values[0]
    np.testing.assert_allclose(np.abs(camera), [0, 0, 1.5, 0, 1, 0, 0], atol=1e-12)
    assert motion.source.camera.focal == (900.0, 901.0)


@pytest.mark.usefixtures("mano_files")
def test_arctic_without_the_files_beside_it(tmp_path):
    pair = load_hands(write_arctic(tmp_path, beside=False), fps=60)
    assert [(m.side, m.rate, dict(m.streams)) for m in pair.values()] == [
        (side, pytest.approx(60), {}) for side in SIDES
    ]


@pytest.mark.usefixtures("no_mano_files")
def test_arctic_needs_the_mean_pose(tmp_path):
    with pytest.raises(MissingFileError, match="Register at https://mano"):
        load(write_arctic(tmp_path), side="right")


def write_grab(path, sides=SIDES, **change):
    content = {"n_comps": 24, "framerate": 120.0, "obj_name": "mug", "gender": "male", **change}
    names = {"left": "lhand", "right": "rhand"}
    for side in sides:
        orient, pose = vectors(side)
        truth = planted.parameters(side, COUNT)
        params = {"global_orient": orient, "transl": truth.transl, "fullpose": pose}
        if "hand_pose" in change:
            components = synthetic_mano.model(side).components
            params["hand_pose"] = np.linalg.solve(components.T, pose.T).T
            del params["fullpose"]
        content[names[side]] = {"params": params, "vtemp": "tools/subject_meshes/s1_rhand.ply"}
    turn = np.tile([0, 0, np.pi / 2], (COUNT, 1))
    content["object"] = {
        "params": {"global_orient": turn, "transl": np.ones((COUNT, 3))},
        "object_mesh": "tools/object_meshes/contact_meshes/mug.ply",
    }
    arrays = {name: np.array(value, dtype=object) for name, value in content.items() if value}
    np.savez(path, **{k: v for k, v in arrays.items() if k != "hand_pose"})
    return path


@pytest.mark.usefixtures("no_mano_files")
@pytest.mark.parametrize("side", SIDES)
def test_grab(tmp_path, side):
    path = write_grab(tmp_path / "mug_lift.npz")
    with pytest.raises(InputError, match="both hands"):
        load(path)
    motion = load(path, side=side)
    assert_planted(motion, side)
    assert (motion.rate, motion.source.times_assumed) == (pytest.approx(120), False)
    mug = motion.streams["object_mug"]
    half = np.sqrt(0.5)
    np.testing.assert_allclose(mug.values[0], [1, 1, 1, half, 0, 0, -half], atol=1e-12)
    assert "contact_meshes/mug.ply" in mug.meaning


def test_components_of_grab_need_the_basis(tmp_path, mano_folder, monkeypatch):
    path = write_grab(tmp_path / "mug.npz", ["right"], hand_pose=True, framerate=None)
    monkeypatch.delenv("HANDSIM_MANO", raising=False)
    with pytest.raises(MissingFileError, match="Register at https://mano"):
        load(path)
    monkeypatch.setenv("HANDSIM_MANO", str(mano_folder))
    motion = load(path)
    assert_planted(motion, "right")
    assert motion.source.times_assumed


def write_dexycb(root, side="right", absent=()):
    """A sequence in the dataset's tree, and one of its cameras."""
    sequence = root / "20200709-subject" / "20200709_1"
    camera = sequence / "836212060125"
    camera.mkdir(parents=True)
    meta = {
        "serials": ["836212060125"],
        "num_frames": COUNT,
        "extrinsics": "20200702_1",
        "mano_calib": ["20200514_s1"],
        "mano_sides": [side],
        "ycb_ids": [14, 99],
    }
    (sequence / "meta.yml").write_text(yaml.safe_dump(meta))
    calibration = {
        "mano_20200514_s1/mano.yml": {"betas": [0.0] * 10},
        "extrinsics_20200702_1/extrinsics.yml": {
            "master": "836212060125",
            "extrinsics": {"836212060125": [1, 0, 0, 0.1, 0, -1, 0, 0.2, 0, 0, -1, 0.3]},
        },
        "intrinsics/836212060125_640x480.yml": {
            "color": {"fx": 614.0, "fy": 615.0, "ppx": 320.0, "ppy": 240.0}
        },
    }
    for name, content in calibration.items():
        (root / "calibration" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "calibration" / name).write_text(yaml.safe_dump(content))
    truth, model = planted.parameters(side, COUNT), synthetic_mano.model(side)
    orient, pose = vectors(side)
    coefficients = np.linalg.solve(model.components.T, (pose - model.mean).T).T
    hands = np.concatenate([orient, coefficients, truth.transl], axis=1)
    joints = planted.keypoints(side, COUNT).copy()
    hands[list(absent)], joints[list(absent)] = 0.0, -1.0
    mug = np.array([0, 0, 1.0, 0, 0.1, 0.2, 0.3])
    objects = np.tile([mug, [0, 0, 0, 1, 0, 0, 0]], (COUNT, 1, 1))
    np.savez(sequence / "pose.npz", pose_m=hands[:, None], pose_y=objects)
    matrices = np.zeros((2, 3, 4))
    matrices[0] = np.array([[-1, 0, 0, 0.1], [0, -1, 0, 0.2], [0, 0, 1, 0.3]])
    for frame in range(COUNT):
        np.savez(
            camera / f"labels_{frame:06d}.npz",
            pose_m=hands[None, frame].astype(np.float32),
            pose_y=matrices,
            joint_3d=joints[None, frame].astype(np.float32),
            seg=np.zeros((4, 4), np.uint8),
        )
    return sequence, camera


@pytest.mark.parametrize("side", SIDES)
def test_a_camera_of_dexycb(tmp_path, side, mano_folder, monkeypatch):
    monkeypatch.delenv("HANDSIM_MANO", raising=False)
    _, camera = write_dexycb(tmp_path, side, absent=[2])
    motion = load(camera)
    seen = motion.valid
    np.testing.assert_array_equal(np.flatnonzero(~seen), [2])
    expected = planted.keypoints(side, COUNT)
    np.testing.assert_allclose(motion.keypoints[seen], expected[seen], atol=1e-6)
    assert (motion.side, motion.mano, motion.source.frame) == (side, None, "camera")
    assert motion.source.camera.focal == (614.0, 615.0)
    pose = motion.streams["camera"].values[0]
    np.testing.assert_allclose(np.abs(pose), [0.1, 0.2, 0.3, 0, 1, 0, 0], atol=1e-12)
    mug = motion.streams["object_025_mug"].values
    np.testing.assert_allclose(np.abs(mug[0]), [0.1, 0.2, 0.3, 0, 0, 0, 1], atol=1e-12)
    assert np.isnan(motion.streams["object_ycb_99"].values).all()
    monkeypatch.setenv("HANDSIM_MANO", str(mano_folder))
    assert_planted(load(camera), side, seen)


@pytest.mark.usefixtures("mano_files")
@pytest.mark.parametrize("side", SIDES)
def test_a_sequence_of_dexycb(tmp_path, side):
    sequence, _ = write_dexycb(tmp_path, side, absent=[2])
    motion = load(sequence)
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [2])
    assert_planted(motion, side, motion.valid)
    assert motion.source.frame == "world"
    mug = motion.streams["object_025_mug"].values[0]
    np.testing.assert_allclose(mug, [0.1, 0.2, 0.3, 0, 0, 0, 1], atol=1e-12)
    assert np.isnan(motion.streams["object_ycb_99"].values).all()
    other = "left" if side == "right" else "right"
    with pytest.raises(InputError, match=f"holds no {other} hand"):
        load(sequence, side=other)


@pytest.mark.usefixtures("no_mano_files")
def test_a_sequence_of_dexycb_needs_mano(tmp_path):
    sequence, _ = write_dexycb(tmp_path)
    with pytest.raises(MissingFileError, match="Register at https://mano"):
        load(sequence)


@pytest.mark.usefixtures("mano_files")
@pytest.mark.parametrize(
    ("file", "text", "error", "message"),
    [
        ("meta.yml", "mano_sides: [right]", FormatError, "no list of ycb_ids"),
        ("meta.yml", "ycb_ids: [1]", FormatError, "does not say mano_sides"),
        ("meta.yml", "[1, 2]", FormatError, "holds a list, expected a YAML mapping"),
        ("meta.yml", "a: !!python/object:os.system x", FormatError, "damaged YAML"),
        ("meta.yml", "a: &a [1]\nycb_ids: *a", FormatError, "damaged YAML: an alias"),
        ("meta.yml", "[" * 20000, FormatError, "damaged YAML"),
        ("meta.yml", "x" * (2 << 20), FormatError, "bytes, expected at most"),
        ("../../calibration/mano_20200514_s1/mano.yml", None, MissingFileError, "No betas"),
    ],
)
def test_a_sequence_of_dexycb_that_is_wrong(tmp_path, file, text, error, message):
    sequence, _ = write_dexycb(tmp_path)
    (sequence / file).unlink() if text is None else (sequence / file).write_text(text)
    with pytest.raises(error, match=message) as caught:
        load(sequence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", SIDES)
def test_hot3d_by_mano(tmp_path, side, mano_folder, monkeypatch):
    rng = np.random.default_rng(4)
    folder = hot3d.write(tmp_path / "P1", hot3d.records())
    coefficients = rng.normal(0, 0.3, (hot3d.COUNT, 15))
    lines = list(hot3d.records())
    for line, record in enumerate(lines):
        for hand in record["hand_poses"].values():
            hand.pop("joint_angles")
            hand.update(pose=coefficients[line // 2].tolist(), betas=[0.0] * 10)
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "mano_hand_pose_trajectory.jsonl").write_text(text)
    monkeypatch.delenv("HANDSIM_MANO", raising=False)
    assert load(folder, side=side).source.tracker == "HOT3D (UmeTrack)"
    monkeypatch.setenv("HANDSIM_MANO", str(mano_folder))
    motion = load(folder, side=side)
    model = synthetic_mano.model(side)
    pose = (coefficients @ model.components[:15] + model.mean).reshape(-1, 15, 3)
    np.testing.assert_allclose(motion.mano.hand_pose, rotation_matrices(pose), atol=1e-12)
    np.testing.assert_allclose(motion.mano.transl, hot3d.wrists(side)[1], atol=1e-12)
    np.testing.assert_allclose(motion.keypoints, keypoints(model, motion.mano), atol=1e-9)
    assert (motion.source.tracker, len(motion)) == ("HOT3D (MANO)", hot3d.COUNT)
    monkeypatch.delenv("HANDSIM_MANO")
    (folder / "umetrack_hand_pose_trajectory.jsonl").unlink()
    with pytest.raises(MissingFileError, match="Register at https://mano"):
        load(folder, side=side)
