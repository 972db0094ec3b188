"""HOT3D sequences written with a planted hand as UmeTrack's model."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError
from retarget.human.keypoints import CHAINS, FINGERS, WRIST, mirror
from retarget.human.mano import forward, rest_skeleton, rotation_matrices
from retarget.human.sources import load, load_hands

COUNT = 5
START = 56_752_108_188_860
STEP = 33_333_333
MANO_FIRST = {"thumb": 13, "index": 1, "middle": 4, "ring": 10, "pinky": 7}
SIDES = {"left": "0", "right": "1"}


@pytest.fixture(autouse=True)
def no_mano_files(monkeypatch):
    """Without them UmeTrack's records are read."""
    monkeypatch.delenv("HANDSIM_MANO", raising=False)


def planted_angles():
    """Fingers that bend, about the axes of the planted profile."""
    rng = np.random.default_rng(0)
    angles = rng.uniform(0.2, 0.8, (COUNT, 22))
    angles[:, :20:4] = rng.uniform(-0.2, 0.2, (COUNT, 5))
    return angles


def planted_axes():
    """A finger's first joint spreads, its others bend; on a left hand −z bends."""
    axes = np.tile([0.0, 0.0, -1.0], (22, 1))
    axes[:20:4] = [0.0, 1.0, 0.0]
    axes[:4] = Rotation.random(4, random_state=np.random.default_rng(1)).as_rotvec()
    axes[:4] /= np.linalg.norm(axes[:4], axis=1, keepdims=True)
    return axes


def profile():
    rest = rest_skeleton("left")
    joints = np.zeros((22, 3))
    landmarks, bones = [], []
    for finger, name in enumerate(FINGERS):
        first, second, third, tip = CHAINS[name]
        joints[4 * finger : 4 * finger + 4] = rest[[first, first, second, third]]
        landmarks.append((rest[tip], 4 + 3 * finger))
    landmarks += [(rest[WRIST], 1), (rest[2], 2), (rest[3], 3)]
    for finger, name in enumerate(FINGERS[1:], start=1):
        places = (1, 2 + 3 * finger, 3 + 3 * finger)
        landmarks += [(rest[k], b) for k, b in zip(CHAINS[name][:3], places, strict=True)]
    landmarks.append((rest[WRIST], 0))
    bones = np.array([[bone, bone, 0] for _, bone in landmarks])
    model = {
        "joint_rotation_axes": planted_axes(),
        "joint_rest_positions": 1e3 * joints,
        "landmark_rest_positions": 1e3 * np.array([place for place, _ in landmarks]),
        "landmark_rest_bone_indices": bones,
        "landmark_rest_bone_weights": np.tile([0.25, 0.75, 0.0], (21, 1)),
    }
    return {"hand_model": {name: np.asarray(value).tolist() for name, value in model.items()}}


def wrists(side):
    rng = np.random.default_rng(2 if side == "left" else 3)
    turns = Rotation.random(COUNT, random_state=rng)
    return turns, rng.normal(0, 0.3, (COUNT, 3))


def expected(side):
    """The same hand by MANO's kinematics."""
    local = rotation_matrices(planted_angles()[..., None] * planted_axes())
    rotations = np.tile(np.eye(3), (COUNT, 16, 1, 1))
    for finger, name in enumerate(FINGERS):
        joint, first = 4 * finger, MANO_FIRST[name]
        rotations[:, first] = local[:, joint] @ local[:, joint + 1]
        rotations[:, first + 1 : first + 3] = local[:, joint + 2 : joint + 4]
    points = forward(rotations, np.zeros((COUNT, 3)), rest_skeleton("left"))
    turns, places = wrists(side)
    points = mirror(points) if side == "right" else points
    return points @ np.swapaxes(turns.as_matrix(), 1, 2) + places[:, None]


def records(sides=("left", "right"), absent=()):
    """A record of each of two cameras an instant; `absent` are (side, frame)."""
    angles = planted_angles()
    for frame in range(COUNT):
        for delay in (0, 90_813):
            hands = {}
            for side in sides:
                turns, places = wrists(side)
                if (side, frame) not in absent:
                    pose = {
                        "t_xyz": places[frame].tolist(),
                        "q_wxyz": turns[frame].as_quat(scalar_first=True).tolist(),
                    }
                    joints = angles[frame].tolist()
                    hands[SIDES[side]] = {"joint_angles": joints, "wrist_xform": pose}
            yield {"timestamp_ns": START + frame * STEP + delay, "hand_poses": hands}


HEADER = "object_uid,timestamp[ns],t_wo_x[m],t_wo_y[m],t_wo_z[m],q_wo_w,q_wo_x,q_wo_y,q_wo_z\n"


def write(folder, lines, objects=("7", "8")):
    folder.mkdir(exist_ok=True)
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "umetrack_hand_pose_trajectory.jsonl").write_text(text)
    (folder / "umetrack_hand_user_profile.json").write_text(json.dumps(profile()))
    names = {"7": {"instance_name": "mug_white"}}
    (folder / "object_library_instance.json").write_text(json.dumps(names))
    table = [f"{uid},{START + STEP},0.1,0.2,{uid},0,1,0,0" for uid in objects]
    (folder / "dynamic_objects.csv").write_text(HEADER + "\n".join(table) + "\n")
    head = [f"5,{START + delay},0,0,0.5,1,0,0,0" for delay in (0, 90_000, STEP)]
    (folder / "headset_trajectory.csv").write_text(HEADER + "\n".join(head) + "\n")
    return folder


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_hand_that_was_planted(tmp_path, side):
    motion = load(write(tmp_path / "P1", records()), side=side)
    assert (motion.side, len(motion), motion.source.format) == (side, COUNT, "hot3d")
    np.testing.assert_allclose(motion.keypoints, expected(side), atol=1e-9)
    np.testing.assert_allclose(motion.times, np.arange(COUNT) * STEP * 1e-9, atol=1e-9)
    assert motion.source.start == pytest.approx(START * 1e-9)
    assert motion.source.tracker == "HOT3D (UmeTrack)"
    mug = motion.streams["object_mug_white"]
    np.testing.assert_allclose(mug.values, [[0.1, 0.2, 7, 0, 1, 0, 0]])
    np.testing.assert_allclose(mug.times, [STEP * 1e-9], atol=1e-9)
    assert "object_8" in motion.streams
    assert len(motion.streams["headset"]) == 2


def test_both_hands_have_the_same_times(tmp_path):
    absent = {("left", 0), ("right", 3)}
    folder = write(tmp_path / "P1", records(absent=absent))
    with pytest.raises(InputError, match="both hands"):
        load(folder)
    pair = load_hands(folder)
    np.testing.assert_array_equal(pair["left"].times, pair["right"].times)
    np.testing.assert_array_equal(np.flatnonzero(~pair["left"].valid), [0])
    np.testing.assert_array_equal(np.flatnonzero(~pair["right"].valid), [3])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda hand: hand.pop("joint_angles"), "joint_angles of record 0"),
        (lambda hand: hand["wrist_xform"].update(q_wxyz=[1, 1, 0, 0]), "quaternion of length 1.41"),
        (lambda hand: hand["wrist_xform"].update(t_xyz=[1, 1]), r"t_xyz of record 0: shape \(2,\)"),
        (lambda hand: hand.update(wrist_xform=3), r"wrist_xform.t_xyz of record 0"),
    ],
)
def test_hands_that_are_wrong(tmp_path, spoil, message):
    lines = list(records(sides=["right"]))
    spoil(lines[0]["hand_poses"]["1"])
    with pytest.raises(InputError, match=message):
        load(write(tmp_path / "P1", lines))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("umetrack_hand_user_profile.json", "{}", "has no hand_model with joint_rotation_axes"),
        ("umetrack_hand_user_profile.json", "{", "no readable JSON"),
        ("umetrack_hand_pose_trajectory.jsonl", "[]", "has no records|without timestamp_ns"),
        ("umetrack_hand_pose_trajectory.jsonl", '{"timestamp_ns": "x"}', "without timestamp_ns"),
        ("dynamic_objects.csv", "a,b\n1,2\n", "has no column object_uid"),
        ("dynamic_objects.csv", HEADER + "1,2\n", "line 2: 2 cells, expected 9"),
        ("headset_trajectory.csv", HEADER + "1,x,0,0,0,1,0,0,0\n", "a cell that is no number"),
    ],
)
def test_files_that_are_wrong(tmp_path, file, text, message):
    folder = write(tmp_path / "P1", records(sides=["right"]))
    (folder / file).write_text(text)
    with pytest.raises((FormatError, InputError), match=message):
        load(folder)


def test_a_folder_without_its_profile_is_refused(tmp_path):
    folder = write(tmp_path / "P1", records())
    (folder / "umetrack_hand_user_profile.json").unlink()
    with pytest.raises(FormatError, match=r"profile\.json cannot be read"):
        load(folder, side="left")
