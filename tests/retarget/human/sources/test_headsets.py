"""EgoDex, VisionProTeleop and OpenXR files, written as their makers write them."""

import json

import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError
from retarget.human.sources import FORMATS, load
from tests.retarget.human import planted
from tests.retarget.human.sources import writers

COUNT = 12
TIMES = 3.0 + np.arange(COUNT) / 25.0
SIDES = ("left", "right")
HANDS = {side: planted.keypoints(side, COUNT) for side in SIDES}

every_side = pytest.mark.parametrize("side", SIDES)


def blinded(keypoints, *frames):
    """Keypoints without some frames."""
    out = keypoints.copy()
    out[list(frames)] = np.nan
    return out


@every_side
def test_egodex_is_the_hand_that_was_planted_in_a_world_whose_z_is_up(tmp_path, side):
    path = tmp_path / "clip.hdf5"
    writers.write_egodex(path, HANDS, llm_description="pick", llm_description2="place")
    motion = load(path, side=side)
    np.testing.assert_allclose(motion.keypoints, HANDS[side], atol=1e-6)
    assert (motion.source.format, motion.source.frame) == ("egodex", "world")
    assert motion.source.camera.focal == (700.0, 710.0)
    assert motion.source.camera.center == (960.0, 540.0)
    camera = motion.streams["camera"].values[0]
    np.testing.assert_allclose(camera, [0, 0, 1.5, 0, 1, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(motion.streams["task"].values, ["pick"])
    joints = motion.streams["joints"].values
    np.testing.assert_allclose(joints[..., :3], writers.with_metacarpals(HANDS[side]), atol=1e-6)
    assert motion.rate == pytest.approx(30)
    assert load(path, side=side, fps=60).rate == pytest.approx(60)


def test_egodex_says_which_of_its_two_descriptions_holds(tmp_path):
    path = tmp_path / "clip.hdf5"
    texts = {"llm_description": "add", "llm_description2": "remove", "which_llm_description": "2"}
    writers.write_egodex(path, {"left": HANDS["left"]}, **texts)
    np.testing.assert_array_equal(load(path).streams["task"].values, ["remove"])


def test_what_egodex_is_not_sure_of_is_not_valid(tmp_path):
    path = tmp_path / "clip.hdf5"
    sure = np.where(np.arange(COUNT) < 5, 0.9, 0.1)
    writers.write_egodex(path, HANDS, {"left": np.zeros(COUNT), "right": sure})
    motion = load(path)
    assert motion.side == "right"
    np.testing.assert_array_equal(motion.valid, sure > 0.5)
    np.testing.assert_allclose(
        motion.streams["confidence"].values, np.tile(sure, (21, 1)).T, atol=1e-6
    )
    with pytest.raises(InputError, match=r"holds no left hand\. Available: right"):
        load(path, side="left")


def damage_shape(file):
    del file["transforms/rightThumbTip"]
    file["transforms/rightThumbTip"] = np.zeros((COUNT, 3))


def damage_joint(file):
    del file["transforms/rightThumbTip"]


def damage_type(file):
    del file["transforms/rightThumbTip"]
    file["transforms/rightThumbTip"] = "text"


def damage_link(file):
    del file["transforms/rightThumbTip"]
    file["transforms/rightThumbTip"] = h5py.ExternalLink("other.hdf5", "transforms/rightHand")


def damage_size(file):
    del file["transforms/rightThumbTip"]
    file.create_dataset(
        "transforms/rightThumbTip", shape=(10**9, 4, 4), chunks=(10, 4, 4), dtype="f4"
    )


def damage_count(file):
    del file["transforms/rightThumbTip"]
    file["transforms/rightThumbTip"] = np.tile(np.eye(4), (COUNT + 1, 1, 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_shape, r"rightThumbTip: shape \(12, 3\), expected \(12, 4, 4\)"),
        (damage_joint, "has no dataset 'transforms/rightThumbTip'"),
        (damage_type, "transforms/rightThumbTip: type <U4, expected an array of numbers"),
        (damage_link, "transforms/rightThumbTip is a link to elsewhere"),
        (damage_size, "declares 64000000000 bytes but stores 0"),
        (damage_count, r"rightThumbTip: shape \(13, 4, 4\), expected \(12, 4, 4\)"),
    ],
)
def test_egodex_files_that_are_wrong(tmp_path, damage, message):
    path = tmp_path / "clip.hdf5"
    writers.write_egodex(path, {"right": HANDS["right"]})
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(InputError, match=message):
        load(path)


def npz(path, hands, times):
    np.savez(path, **writers.avp_arrays(hands), timestamps=times)


AVP = [
    (npz, "clip.npz"),
    (writers.write_avp_pickle, "clip.pkl"),
    (writers.write_tracking, "t.jsonl"),
]


@every_side
@pytest.mark.parametrize(("write", "name"), AVP)
def test_visionproteleop_is_the_hand_that_was_planted(tmp_path, write, name, side):
    write(tmp_path / name, HANDS, TIMES)
    motion = load(tmp_path / name, side=side)
    np.testing.assert_allclose(motion.keypoints, HANDS[side], atol=1e-12)
    np.testing.assert_allclose(motion.times, TIMES - 3.0, atol=1e-12)
    assert (motion.source.format, motion.source.frame) == ("avp", "world")
    assert not motion.source.times_assumed
    assert motion.streams["head"].values.shape == (COUNT, 7)


def test_joints_in_the_wrists_frame_are_turned_with_it(tmp_path):
    arrays = writers.avp_arrays({"right": HANDS["right"]}, planted.random_rotation(3))
    np.savez(tmp_path / "clip.npz", **arrays)
    motion = load(tmp_path / "clip.npz")
    np.testing.assert_allclose(motion.keypoints, HANDS["right"], atol=1e-12)
    assert motion.source.times_assumed


def test_the_head_of_tracking_jsonl_is_upright(tmp_path):
    writers.write_tracking(tmp_path / "t.jsonl", HANDS, TIMES)
    head = load(tmp_path / "t.jsonl", side="left").streams["head"].values[0]
    np.testing.assert_allclose(head[:3], [0.0, -1.6, -0.3], atol=1e-12)
    turn = Rotation.from_quat(head[3:], scalar_first=True)
    np.testing.assert_allclose(turn.apply([0, 1, 0]), [0, 0, 1], atol=1e-12)


def test_hands_that_vision_pro_did_not_see(tmp_path):
    hands = {"left": np.full((COUNT, 21, 3), np.nan), "right": blinded(HANDS["right"], 0, 5)}
    writers.write_tracking(tmp_path / "t.jsonl", hands, TIMES)
    motion = load(tmp_path / "t.jsonl")
    assert motion.side == "right"
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [0, 5])
    still = writers.avp_arrays(HANDS)
    still["left_fingers"] = np.tile(np.eye(4), (COUNT, 25, 1, 1))
    still["right_fingers"][4] = np.eye(4)
    np.savez(tmp_path / "clip.npz", **still)
    motion = load(tmp_path / "clip.npz")
    assert motion.side == "right"
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [4])


def test_visionproteleop_files_that_are_wrong(tmp_path):
    arrays = writers.avp_arrays(HANDS)
    arrays["left_fingers"] = arrays["left_fingers"][:, :24]
    np.savez(tmp_path / "clip.npz", **arrays)
    with pytest.raises(InputError, match=r"left_fingers: shape \(12, 24, 4, 4\), expected \(T, 25"):
        load(tmp_path / "clip.npz")
    writers.write_tracking(tmp_path / "t.jsonl", HANDS, TIMES)
    text = (tmp_path / "t.jsonl").read_text().replace("[1.0,", "[", 1)
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"headMatrix: shape \(15,\), expected \(16,\)"):
        load(tmp_path / "t.jsonl")


def with_palm(joints):
    """OpenXR's 26: the palm before the wrist."""
    return np.concatenate([joints[10:11], joints])


def webxr_names(joints):
    fingers = ("index", "middle", "ring", "pinky")
    parts = ("metacarpal", "phalanx-proximal", "phalanx-intermediate", "phalanx-distal", "tip")
    names = ["wrist", "thumb-metacarpal", "thumb-phalanx-proximal", "thumb-phalanx-distal"]
    names += ["thumb-tip", *(f"{finger}-finger-{part}" for finger in fingers for part in parts)]
    return {
        name: {"position": writers.landmarks(row[None])[0], "radius": 0.01}
        for name, row in zip(names, joints, strict=True)
    }


def openxr_names(joints):
    fingers = ("INDEX", "MIDDLE", "RING", "LITTLE")
    parts = ("METACARPAL", "PROXIMAL", "INTERMEDIATE", "DISTAL", "TIP")
    names = ["PALM", "WRIST", "THUMB_METACARPAL", "THUMB_PROXIMAL", "THUMB_DISTAL", "THUMB_TIP"]
    names += [f"{finger}_{part}" for finger in fingers for part in parts]
    rows = with_palm(joints).tolist()
    return {f"XR_HAND_JOINT_{name}_EXT": row for name, row in zip(names, rows, strict=True)}


def with_turns(joints):
    return np.concatenate([joints, np.tile([0.0, 0, 0, 1], (len(joints), 1))], axis=1)


def columns(joints):
    """Matrices as WebXR's Float32Array has them, column by column."""
    return writers.matrices(joints).swapaxes(-1, -2)


SHAPES = {
    "positions": lambda joints: joints.tolist(),
    "flat positions": lambda joints: joints.ravel().tolist(),
    "26 positions": lambda joints: with_palm(joints).tolist(),
    "26 flat poses": lambda joints: with_turns(with_palm(joints)).ravel().tolist(),
    "poses": lambda joints: with_turns(joints).tolist(),
    "dicts": lambda joints: writers.landmarks(joints),
    "flat matrices": lambda joints: columns(joints).ravel().tolist(),
    "matrices": lambda joints: columns(joints).reshape(-1, 16).tolist(),
    "26 flat matrices": lambda joints: columns(with_palm(joints)).ravel().tolist(),
    "names of WebXR": webxr_names,
    "names of OpenXR": openxr_names,
}


@every_side
@pytest.mark.parametrize("shape", SHAPES)
def test_every_layout_of_openxr_is_the_hand_that_was_planted(tmp_path, shape, side):
    path = tmp_path / "clip.json"
    writers.write_openxr(path, {**HANDS, side: blinded(HANDS[side], 2)}, TIMES, SHAPES[shape])
    motion = load(path, side=side)
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [2])
    seen = motion.valid
    np.testing.assert_allclose(motion.keypoints[seen], HANDS[side][seen], atol=1e-12)
    np.testing.assert_allclose(motion.times, TIMES - 3.0, atol=1e-12)
    assert (motion.source.format, motion.source.frame) == ("openxr", "world")
    assert motion.source.start == 3.0


def test_openxr_of_one_hand_in_json_lines(tmp_path):
    path = tmp_path / "clip.json"
    joints = writers.with_metacarpals(HANDS["left"] - HANDS["left"][:, :1]).tolist()
    lines = [{"handedness": "left", "joints": row} for row in joints]
    path.write_text("\n".join(map(json.dumps, lines)))
    motion = load(path, fps=72)
    np.testing.assert_allclose(motion.keypoints, HANDS["left"] - HANDS["left"][:, :1], atol=1e-12)
    assert (motion.side, motion.source.frame) == ("left", "wrist")
    assert motion.rate == pytest.approx(72)
    assert motion.source.times_assumed


@every_side
def test_poses_of_handy_are_labelled_stills_in_millimetres(tmp_path, side):
    path = tmp_path / "poses.json"
    labels = [f"pose {i}" for i in range(COUNT)]
    writers.write_handy(path, side, HANDS[side], labels)
    motion = load(path)
    truth = HANDS[side] - HANDS[side][:, :1]
    np.testing.assert_allclose(motion.keypoints, truth, atol=0.5001e-3)
    np.testing.assert_array_equal(motion.times, np.arange(COUNT))
    np.testing.assert_array_equal(
        motion.streams["label"].values, [f"{label}, also" for label in labels]
    )
    assert (motion.side, motion.source.frame, motion.source.times_assumed) == (side, "wrist", True)
    assert load(path, fps=2).rate == pytest.approx(2)
    other = "left" if side == "right" else "right"
    with pytest.raises(InputError, match=rf"holds no {other} hand\. Available: {side}"):
        load(path, side=other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"right": [0.0] * 74}, "hand of 74 joints or numbers, expected 25 or 26"),
        ({"right": [[0.0, 0.0]] * 25}, r"\[0\.0, 0\.0\] is no point, expected x, y and z"),
        ({"right": {"wrist": [0, 0, 0]}}, "a hand without the joint 'thumb-metacarpal'"),
        ({"time": 2900.0}, "'time' goes up by .* called timestamp_ms"),
        ({"time": None}, "frame 11 has no 'time', as others have"),
        ({"time": 3.0}, r"times must be strictly increasing: times\[11\] = 0"),
    ],
)
def test_openxr_frames_that_are_wrong(tmp_path, change, message):
    path = tmp_path / "clip.json"
    writers.write_openxr(path, {"right": HANDS["right"]}, TIMES)
    content = json.loads(path.read_text())
    content["frames"][-1] |= change
    if change.get("time", 0) == 2900.0:
        for i, frame in enumerate(content["frames"]):
            frame["time"] = 33.0 * i
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "is nested too deeply"),
        ('{"frames": [', "is no readable JSON: Expecting value: line 1 column 13"),
        ("[1, 2]", "of no known format"),
        ("{}", "of no known format"),
        ('{"left": [' + "1" * 5000 + "]}", "of no known format"),
    ],
)
def test_json_that_is_nothing(tmp_path, text, message):
    path = tmp_path / "clip.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    for name in ("avp", "openxr", "mediapipe"):
        with pytest.raises(FormatError):
            FORMATS[name].load(path)


def test_json_is_read_in_bounded_memory(tmp_path, monkeypatch):
    path = tmp_path / "clip.json"
    path.write_text("[" + ",".join(["[]"] * 50) + "]")
    monkeypatch.setattr("retarget.human.sources.json_files.CONTAINERS", 50)
    with pytest.raises(FormatError, match="has 151 bytes and 51 lists and dicts, expected at most"):
        load(path)
