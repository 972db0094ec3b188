"""HaMeR, WiLoR, Manus and DexMV files, written as their trackers write them."""

import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError
from retarget.human.keypoints import FROM_MANUS, mirror
from retarget.human.mano import mirror_rotations
from retarget.human.sources import load
from retarget.human.sources.hamer import save_frames
from tests.retarget.human import planted

COUNT = 12
TIMES = 3.0 + np.arange(COUNT) / 25.0


def as_hamer(side, count=COUNT, seed=0):
    """What HaMeR would say of the planted hand: of a left one, what it sees in the mirror."""
    truth = planted.parameters(side, count, seed)
    seen = planted.right_parameters(count, seed)
    keypoints = planted.keypoints(side, count, seed)
    if side == "left":
        keypoints = mirror(keypoints)
    return truth, {
        "pred_keypoints_3d": keypoints - seen.transl[:, None],
        "pred_cam_t": seen.transl,
        "global_orient": seen.global_orient[:, None],
        "hand_pose": seen.hand_pose,
        "betas": seen.betas,
    }


def rows(*sides):
    """Rows of one hand after another's, in the order of time."""
    parts = [as_hamer(side)[1] for side in sides]
    order = np.argsort(np.tile(TIMES, len(sides)), kind="stable")
    arrays = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    right = np.repeat([side == "right" for side in sides], COUNT)[order]
    times = np.tile(TIMES, len(sides))[order]
    return {**arrays, "times": times, "right": right, "valid": np.ones(len(times))}


@pytest.mark.parametrize("side", ["left", "right"])
def test_hamer_frames_are_the_hand_that_was_planted(tmp_path, side):
    path = tmp_path / "frames.npz"
    save_frames(path, **rows(side), focal_length=900.0, image_size=(640, 480))
    motion = load(path)
    truth = planted.parameters(side, COUNT)
    np.testing.assert_allclose(motion.keypoints, planted.keypoints(side, COUNT), atol=1e-12)
    for name in ("betas", "global_orient", "hand_pose", "transl"):
        np.testing.assert_allclose(getattr(motion.mano, name), getattr(truth, name), atol=1e-12)
    np.testing.assert_allclose(motion.times, TIMES - 3.0)
    assert (motion.side, motion.source.start) == (side, 3.0)
    assert (motion.source.frame, motion.source.metric) == ("camera", False)
    assert motion.source.camera.focal == (900.0, 900.0)
    assert motion.source.camera.center == (320.0, 240.0)
    assert not motion.source.times_assumed


def test_hamer_frames_of_both_hands(tmp_path):
    path = tmp_path / "frames.npz"
    given = rows("left", "right")
    given["valid"][given["right"] & (given["times"] == TIMES[4])] = 0
    save_frames(path, **given, focal_length=900.0)
    with pytest.raises(InputError, match=r"holds both hands \(left, right\): give side='left' or"):
        load(path)
    for side in ("left", "right"):
        motion = load(path, side=side)
        np.testing.assert_allclose(
            motion.keypoints[motion.valid], planted.keypoints(side, COUNT)[motion.valid], atol=1e-12
        )
    assert load(path, side="left").valid.all()
    np.testing.assert_array_equal(np.flatnonzero(~load(path, side="right").valid), [4])
    assert len(load(path, side="right")) == COUNT


def test_hamer_frames_without_detections_are_kept(tmp_path):
    given = rows("right")
    given["valid"][[0, 7]] = 0
    given["right"] = np.where(given["valid"], 1.0, np.nan)
    save_frames(tmp_path / "frames.npz", **given, focal_length=(900.0, 901.0))
    motion = load(tmp_path / "frames.npz")
    assert len(motion) == COUNT
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [0, 7])
    assert np.isnan(motion.mano.hand_pose[7]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": TIMES[::-1]}, r"times must not decrease"),
        ({"times": np.zeros(COUNT)}, r"two right hands at 0 s"),
        ({"right": np.full(COUNT, 2)}, r"side 2\.0, expected 'left' or 'right'"),
        ({"valid": np.zeros(COUNT)}, r"holds no hand"),
        ({"hand_pose": np.ones((COUNT, 15, 3, 3))}, r"not rotation matrices"),
        ({"right": np.zeros(COUNT)}, None),
    ],
)
def test_hamer_frames_that_are_wrong(tmp_path, change, message):
    save_frames(tmp_path / "frames.npz", **{**rows("right"), **change}, focal_length=900.0)
    if message is None:
        assert load(tmp_path / "frames.npz").side == "left"
        return
    with pytest.raises(InputError, match=message):
        load(tmp_path / "frames.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hand_pose": np.ones((COUNT, 45))}, r"hand_pose: shape \(12, 45\), expected \(12, 15"),
        ({"right": np.ones(3)}, r"right: shape \(3,\), expected \(12,\)"),
        ({"focal_length": -1.0}, r"focal_length: \[-1\.0\], expected one or two positive"),
    ],
)  # fmt: skip
def test_hamer_frames_are_checked_when_written(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        save_frames(tmp_path / "frames.npz", **{**rows("right"), "focal_length": 9.0, **change})
    assert not list(tmp_path.iterdir())


def test_the_same_hand_in_another_file_is_the_same_motion(tmp_path):
    save_frames(tmp_path / "frames.npz", **rows("left"), focal_length=900.0)
    motion = load(tmp_path / "frames.npz")
    motion.save(tmp_path / "saved.npz")
    again = load(tmp_path / "saved.npz")
    np.testing.assert_array_equal(again.keypoints, motion.keypoints)
    assert again.source == motion.source


def write_raw(path, hands, boxes):
    """A frame as HaMeR's scripts write it; each hand a side and a frame of the planted motion."""
    seen = [(side, as_hamer(side)[1], frame) for side, frame in hands]
    arrays = {
        name: np.stack([values[name][frame] for _, values, frame in seen]).astype(np.float32)
        for name in ("pred_keypoints_3d", "pred_cam_t", "global_orient", "hand_pose", "betas")
    }
    mano = {name: arrays.pop(name) for name in ("global_orient", "hand_pose", "betas")}
    right = np.array([int(side == "right") for side, _, _ in seen])
    np.savez_compressed(
        path, **arrays, right=right, bboxes=np.array(boxes, np.float32), pred_mano_params=mano
    )


def test_a_folder_of_hamer_files(tmp_path):
    small, large = [0, 0, 10, 10], [5, 5, 105, 90]
    write_raw(tmp_path / "000135.npz", [("right", 0)], [small])
    write_raw(
        tmp_path / "000136.npz", [("right", 9), ("right", 1), ("left", 1)], [small, large, large]
    )
    write_raw(tmp_path / "000138.npz", [("right", 3)], [small])  # fmt: skip
    write_raw(tmp_path / "000139.npz", [("left", 4)], [large])
    motion = load(tmp_path, side="right", fps=10)
    np.testing.assert_allclose(motion.times, [0, 0.1, 0.3, 0.4])
    np.testing.assert_array_equal(motion.valid, [True, True, True, False])
    truth = planted.keypoints("right", COUNT)[[0, 1, 3]]
    found = motion.keypoints[:3]
    np.testing.assert_allclose(found - found[:, :1], truth - truth[:, :1], atol=1e-6)
    assert motion.source.frame == "wrist"
    np.testing.assert_array_equal(motion.streams["bboxes"].values[1], large)
    left = load(tmp_path, side="left")
    np.testing.assert_array_equal(left.valid, [False, True, False, True])
    assert left.rate == pytest.approx(30, rel=0.6)


def test_files_whose_names_count_nothing_follow_one_another(tmp_path):
    for frame, name in enumerate(["a", "b", "c"]):
        write_raw(tmp_path / f"{name}.npz", [("right", frame)], [[0, 0, 1, 1]])
    np.testing.assert_allclose(load(tmp_path, fps=5).times, [0, 0.2, 0.4])


def test_a_hamer_file_without_parameters_is_refused(tmp_path):
    good = planted.keypoints(count=1)
    np.savez(
        tmp_path / "x.npz",
        pred_keypoints_3d=good,
        right=[1],
        pred_cam_t=np.zeros((1, 3)),
        pred_mano_params=np.array({"betas": np.zeros((1, 10))}, dtype=object),
    )
    with pytest.raises(FormatError, match="pred_mano_params holds no dict of global_orient"):
        load(tmp_path / "x.npz")


def wilor_detection(side, frame, box):
    truth = planted.parameters(side, COUNT)
    keypoints = planted.keypoints(side, COUNT)
    predictions = {
        "pred_keypoints_3d": (keypoints - truth.transl[:, None])[frame][None],
        "pred_cam_t_full": truth.transl[frame][None],
        "global_orient": Rotation.from_matrix(truth.global_orient[frame]).as_rotvec()[None, None],
        "hand_pose": Rotation.from_matrix(truth.hand_pose[frame]).as_rotvec()[None],
        "betas": truth.betas[frame][None],
        "scaled_focal_length": np.float64(28125.0),
    }
    return {"hand_bbox": box, "is_right": float(side == "right"), "wilor_preds": predictions}


SMALL, LARGE = [0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 90.0, 80.0]


@pytest.mark.parametrize("side", ["left", "right"])
def test_wilor_stills(tmp_path, side):
    other = "left" if side == "right" else "right"
    stills = {
        "fist.jpg": [[wilor_detection(side, 2, LARGE)]],
        "empty.jpg": [[]],
        "pinch.jpg": [
            [wilor_detection(side, 9, SMALL), wilor_detection(side, 4, LARGE)],
            [wilor_detection(other, 5, LARGE)],
        ],
    }
    path = tmp_path / "stills.pkl"
    path.write_bytes(pickle.dumps(stills))
    with pytest.raises(InputError, match="holds both hands"):
        load(path)
    motion = load(path, side=side)
    np.testing.assert_array_equal(motion.times, [0, 1, 2])
    np.testing.assert_array_equal(motion.valid, [True, False, True])
    np.testing.assert_array_equal(motion.streams["image"].values, list(stills))
    truth = planted.keypoints(side, COUNT)[[2, 4]]
    np.testing.assert_allclose(motion.keypoints[[0, 2]], truth, atol=1e-12)
    turns = planted.parameters(side, COUNT).hand_pose[[2, 4]]
    np.testing.assert_allclose(motion.mano.hand_pose[[0, 2]], turns, atol=1e-12)
    assert motion.source.camera.focal == (28125.0, 28125.0)


def test_wilor_frames_of_a_video(tmp_path):
    path = tmp_path / "video.pkl"
    path.write_bytes(pickle.dumps([[wilor_detection("right", i, LARGE)] for i in range(COUNT)]))
    motion = load(path, fps=25)
    np.testing.assert_allclose(motion.keypoints, planted.keypoints("right", COUNT), atol=1e-12)
    assert motion.rate == pytest.approx(25)
    assert load(path).rate == pytest.approx(30)
    assert not motion.streams


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.pop("is_right"), "without 'is_right'"),
        (lambda d: d.pop("wilor_preds"), "without 'wilor_preds'"),
        (lambda d: d["wilor_preds"].pop("betas"), "without betas"),
        (lambda d: d.update(hand_bbox=[1, 2]), r"hand_bbox: shape \(2,\), expected \(4,\)"),
        (
            lambda d: d["wilor_preds"].update(pred_keypoints_3d=np.zeros((1, 20, 3))),
            r"pred_keypoints_3d: shape \(20, 3\), expected \(21, 3\)",
        ),
        (lambda d: d.update(is_right=0.0), "declared left, but"),
    ],
)
def test_wilor_detections_that_are_wrong(tmp_path, spoil, message):
    detections = [wilor_detection("right", 3, LARGE) for _ in range(2)]
    spoil(detections[0])
    if "declared" in message:
        spoil(detections[1])
    path = tmp_path / "video.pkl"
    path.write_bytes(pickle.dumps([[d] for d in detections]))
    with pytest.raises((InputError, FormatError), match=message):
        load(path, format="wilor")


def manus_nodes(side):
    nodes = np.zeros((COUNT, 25, 7))
    keypoints = planted.keypoints(side, COUNT)
    nodes[:, FROM_MANUS, :3] = keypoints - keypoints[:, :1]
    nodes[..., 3] = 1.0
    return nodes


@pytest.mark.parametrize("side", ["left", "right"])
def test_manus(tmp_path, side):
    nodes = manus_nodes(side)
    path = tmp_path / "glove.npz"
    np.savez(path, data=nodes, timestamps=TIMES, chirality=side.upper(), keypoint_ids=np.arange(25))
    motion = load(path)
    np.testing.assert_array_equal(motion.keypoints, nodes[:, FROM_MANUS, :3])
    np.testing.assert_array_equal(motion.streams["nodes"].values, nodes)
    assert (motion.side, motion.source.frame, motion.source.start) == (side, "wrist", 3.0)
    other = "left" if side == "right" else "right"
    with pytest.raises(InputError, match=f"holds a {side} hand, expected {other}"):
        load(path, side=other)
    np.savez(path, data=nodes, timestamps=TIMES, chirality=other.upper())
    with pytest.raises(InputError, match=f"declared {other}, but"):
        load(path)
    np.savez(path, data=nodes[:, :21], timestamps=TIMES, chirality=side)
    with pytest.raises(InputError, match=r"data: shape \(12, 21, 7\), expected \(T, 25, 7\)"):
        load(path)


def write_dexmv(folder, numbers, objects):
    truth = planted.parameters("right", COUNT)
    keypoints = planted.keypoints("right", COUNT)
    (folder / "hand_pose").mkdir(parents=True)
    (folder / "object_pose").mkdir()
    for frame, number in enumerate(numbers):
        turns = np.concatenate([truth.global_orient[frame][None], truth.hand_pose[frame]])
        vectors = Rotation.from_matrix(turns).as_rotvec().ravel()
        row = np.concatenate([vectors, truth.betas[frame], keypoints[frame, 0]])
        np.save(folder / "hand_pose" / f"mano_{number}.npy", row)
        np.save(folder / "hand_pose" / f"joints_{number}.npy", keypoints[frame])
    for number in objects:
        pose = np.eye(4)[:3] if number != 3 else np.zeros(1)
        pose = pose + (number * np.eye(4)[:3] * np.array([0, 0, 0, 1]) if number != 3 else 0)
        np.save(folder / "object_pose" / f"{number}.npy", np.array({"5": pose}, dtype=object))


def test_dexmv(tmp_path):
    numbers = [n for n in range(1, 14) if n != 6]
    write_dexmv(tmp_path / "seq", numbers, range(1, 15))
    motion = load(tmp_path / "seq", fps=10)
    assert len(motion) == 13
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [5])
    np.testing.assert_allclose(motion.times, np.arange(13) / 10)
    seen = motion.valid
    truth = planted.parameters("right", COUNT)
    np.testing.assert_allclose(motion.keypoints[seen], planted.keypoints("right", COUNT))
    np.testing.assert_allclose(motion.mano.hand_pose[seen], truth.hand_pose, atol=1e-12)
    np.testing.assert_allclose(motion.mano.transl[seen], truth.transl, atol=1e-12)
    stream = motion.streams["object_5"]
    np.testing.assert_allclose(stream.times, np.arange(14) / 10)
    assert np.isnan(stream.values[2]).all()
    np.testing.assert_allclose(stream.values[0], [0, 0, 0, 1, 0, 0, 0], atol=1e-12)
    assert load(tmp_path / "seq").rate == pytest.approx(25)
    with pytest.raises(InputError, match="as all of DexMV, expected left"):
        load(tmp_path / "seq", side="left")


def test_dexmv_numbers_that_cannot_be_frames(tmp_path):
    write_dexmv(tmp_path / "seq", [1, 2, 10**12], [])
    with pytest.raises(FormatError, match="has 3 of the frames 1 to 1000000000000"):
        load(tmp_path / "seq")


def test_mirroring_is_the_only_difference_between_the_hands(tmp_path):
    for side in ("left", "right"):
        save_frames(tmp_path / f"{side}.npz", **rows(side), focal_length=900.0)
    left, right = load(tmp_path / "left.npz"), load(tmp_path / "right.npz")
    np.testing.assert_allclose(left.keypoints, mirror(right.keypoints), atol=1e-12)
    np.testing.assert_allclose(
        left.palm_keypoints, mirror(right.palm_keypoints, axis=1), atol=1e-12
    )
    np.testing.assert_allclose(
        left.mano.global_orient, mirror_rotations(right.mano.global_orient), atol=1e-12
    )
