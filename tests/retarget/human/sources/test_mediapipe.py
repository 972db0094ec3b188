"""MediaPipe's landmarks in JSON, in each layout its versions and users write."""

import json

import numpy as np
import pytest

from handsim.errors import FormatError, InputError
from retarget.human.keypoints import hand_length, mirror
from retarget.human.sources import load
from retarget.human.sources.mediapipe import HAND_LENGTH
from tests.retarget.human import planted
from tests.retarget.human.sources.writers import landmarks

COUNT = 12
TIMES = 3.0 + np.arange(COUNT) / 25.0
SIDES = ("left", "right")
HANDS = {side: planted.keypoints(side, COUNT) for side in SIDES}
FROM_WRIST = {side: hand - hand[:, :1] for side, hand in HANDS.items()}
WORLD = {side: hand - hand.mean(axis=1, keepdims=True) for side, hand in HANDS.items()}
SIZE = 640, 480

every_side = pytest.mark.parametrize("side", SIDES)


def pictured(keypoints):
    """Landmarks in a picture of `SIZE`, seen from so far away that size does not change."""
    width, height = SIZE
    pixels = 1500 * (keypoints - keypoints[:1, :1]) + [320, 240, 0]
    return pixels / [width, height, width]


def tasks_web(hands):
    return {
        "landmarks": [landmarks(pictured(points[None])[0]) for points in hands.values()],
        "worldLandmarks": [landmarks(points) for points in hands.values()],
        "handednesses": [[{"score": 0.9, "categoryName": side.capitalize()}] for side in hands],
    }


def tasks_python(hands):
    return {
        "hand_landmarks": [],
        "hand_world_landmarks": [landmarks(points) for points in hands.values()],
        "handedness": [[{"category_name": side.capitalize()}] for side in hands],
    }


def legacy_web(hands):
    return {
        "multiHandWorldLandmarks": [landmarks(points) for points in hands.values()],
        "multiHandedness": [{"label": side.capitalize(), "score": 0.9} for side in hands],
    }


def legacy_buffers(hands):
    return {
        "multi_hand_world_landmarks": [{"landmark": landmarks(p)} for p in hands.values()],
        "multi_handedness": [{"classification": [{"label": side}]} for side in hands],
    }


def by_hand(hands):
    return {
        "hands": [
            {"handedness": side, "worldLandmarks": points.tolist()}
            for side, points in hands.items()
        ]
    }


def list_of_hands(hands):
    return [{"label": side, "landmarks": landmarks(points)} for side, points in hands.items()]


def in_result(hands):
    return {"result": tasks_web(hands)}


LAYOUTS = [
    tasks_web, tasks_python, legacy_web, legacy_buffers, by_hand, list_of_hands, in_result,
]  # fmt: skip


def dump(path, frames, **more):
    path.write_text(json.dumps({"frames": frames, **more} if more else frames))
    return path


@every_side
@pytest.mark.parametrize("layout", LAYOUTS)
def test_landmarks_of_the_hand_are_read_in_every_layout(tmp_path, layout, side):
    frames = [layout({s: WORLD[s][t] for s in SIDES if (s, t) != (side, 4)}) for t in range(COUNT)]
    motion = load(dump(tmp_path / "clip.json", frames), side=side)
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [4])
    seen = motion.valid
    np.testing.assert_allclose(motion.keypoints[seen], FROM_WRIST[side][seen], atol=1e-12)
    assert (motion.source.format, motion.source.frame) == ("mediapipe", "wrist")
    assert (motion.source.tracker, motion.source.metric) == ("MediaPipe", False)
    assert ("image" in motion.streams) == (layout in (tasks_web, in_result))


@every_side
@pytest.mark.parametrize("make", [landmarks, np.ndarray.tolist])
def test_bare_landmarks_have_the_side_of_their_anatomy_or_the_one_asked_for(tmp_path, make, side):
    frames = [make(points) for points in WORLD[side]]
    frames[3] = None
    path = dump(tmp_path / "clip.json", frames)
    motion = load(path, fps=25)
    assert motion.side == side
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [3])
    np.testing.assert_allclose(motion.keypoints[5], FROM_WRIST[side][5], atol=1e-12)
    assert motion.source.times_assumed
    assert motion.rate == pytest.approx(25)
    other = "left" if side == "right" else "right"
    mirrored = load(path, side=other)
    np.testing.assert_allclose(mirrored.keypoints[5], mirror(FROM_WRIST[side][5]), atol=1e-12)
    assert mirrored.source.tracker == "MediaPipe, mirrored picture"
    single = dump(tmp_path / "single.json", make(WORLD[side][5]))
    np.testing.assert_allclose(load(single).keypoints, FROM_WRIST[side][5:6], atol=1e-12)


@every_side
def test_a_hand_named_for_the_mirror_is_mirrored_back(tmp_path, side):
    frames = [tasks_web({side: mirror(points)}) for points in WORLD[side]]
    motion = load(dump(tmp_path / "clip.json", frames))
    assert (motion.side, motion.source.tracker) == (side, "MediaPipe, mirrored picture")
    np.testing.assert_allclose(motion.keypoints, FROM_WRIST[side], atol=1e-12)


@pytest.mark.parametrize(
    ("key", "unit"), [("time", 1), ("timestamp", 1), ("timestamp_ms", 1e3), ("timestampMs", 1e3)]
)
def test_frames_may_have_times(tmp_path, key, unit):
    rows = zip(TIMES, WORLD["left"], strict=True)
    frames = [{key: unit * time, **legacy_web({"left": points})} for time, points in rows]
    path = tmp_path / "clip.jsonl"
    path.write_text("\n".join(map(json.dumps, frames)))
    motion = load(path, fps=7)
    np.testing.assert_allclose(motion.times, TIMES - 3.0, atol=1e-12)
    assert motion.source.start == pytest.approx(3.0)
    assert not motion.source.times_assumed


@every_side
def test_landmarks_of_the_picture_get_the_size_of_a_hand(tmp_path, side):
    image = pictured(HANDS[side])
    frames = [{"handedness": side, "landmarks": landmarks(points)} for points in image]
    sized = dict(zip(("width", "height"), SIZE, strict=True))
    motion = load(dump(tmp_path / "clip.json", frames, fps=50, **sized))
    truth = FROM_WRIST[side] * HAND_LENGTH / np.median(hand_length(HANDS[side]))
    np.testing.assert_allclose(motion.keypoints, truth, atol=1e-9)
    assert np.median(hand_length(motion.keypoints)) == pytest.approx(HAND_LENGTH)
    assert (motion.rate, motion.source.metric) == (pytest.approx(50), False)
    np.testing.assert_allclose(motion.streams["image"].values, image, atol=1e-12)


@every_side
def test_handposeutils_is_a_picture_in_hundredths_with_y_up(tmp_path, side):
    image = pictured(HANDS[side])
    hundredths = 100 * (image * [1, -1, 1] + [0, 1, 0])
    sequence = [
        {
            "start_time": float(time),
            "end_time": float(time) + 0.04,
            "hand_pose": {"side": f"{side}_hand", "landmarks": landmarks(points)},
        }
        for time, points in zip(TIMES, hundredths, strict=True)
    ]
    path = tmp_path / "clip.json"
    path.write_text(json.dumps({"fps": 30, "sequence": sequence}))
    motion = load(path)
    np.testing.assert_allclose(motion.streams["image"].values, image, atol=1e-12)
    np.testing.assert_allclose(motion.times, TIMES - 3.0, atol=1e-12)
    plain = [{"handedness": side, "landmarks": landmarks(points)} for points in image]
    same = load(dump(tmp_path / "plain.json", plain))
    np.testing.assert_allclose(motion.keypoints, same.keypoints, atol=1e-12)


def test_the_largest_of_several_hands_of_a_side_is_followed(tmp_path):
    near, far = pictured(HANDS["right"]), pictured(0.3 * HANDS["right"])
    frames = [
        [{"label": "right", "landmarks": landmarks(p)} for p in pair]
        for pair in zip(far, near, strict=True)
    ]
    motion = load(dump(tmp_path / "clip.json", frames))
    np.testing.assert_allclose(motion.streams["image"].values, near, atol=1e-12)


RIGHT = landmarks(WORLD["right"][0])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"landmarks": RIGHT[:20], "side": "right"}, r"shape \(20, 3\), expected \(21, 3\)"),
        (
            {"landmarks": [{"x": 1, "y": 2}] * 21, "side": "left"},
            "is no point, expected x, y and z",
        ),
        ({"landmarks": RIGHT, "side": "middle"}, "side 'middle', expected 'left' or 'right'"),
        ({"landmarks": [RIGHT, RIGHT], "side": ["left"]}, "0 hands, 2 in the picture and 1 sides"),
        ({"landmarks": [RIGHT, RIGHT]}, "some hands are named left or right and some are not"),
        ({"landmarks": {"wrist": 3}, "side": "left"}, r"shape \(0,\), expected \(21, 3\)"),
        (
            {"landmarks": [RIGHT, None, 7], "side": ["left"] * 2},
            r"shape \(0,\), expected \(21, 3\)",
        ),
    ],
)
def test_frames_that_are_wrong(tmp_path, frame, message):
    good = {"landmarks": RIGHT, "side": "right"}
    with pytest.raises(InputError, match=message) as caught:
        load(dump(tmp_path / "clip.json", [good, frame]))
    assert "\n" not in str(caught.value)


def test_hands_without_names_cannot_be_told_apart(tmp_path):
    path = dump(tmp_path / "clip.json", [{"landmarks": [RIGHT, RIGHT]}])
    with pytest.raises(FormatError, match="two hands in a frame, and neither is named"):
        load(path)
    with pytest.raises(FormatError, match="or shows no hand"):
        load(dump(path, [{"landmarks": []}, {"landmarks": []}]))


def test_a_picture_of_no_size_is_refused(tmp_path):
    frames = [{"landmarks": landmarks(p), "side": "right"} for p in pictured(HANDS["right"])]
    with pytest.raises(InputError, match=r"a picture of 0\.0 by 480\.0, expected positive"):
        load(dump(tmp_path / "clip.json", frames, width=0, height=480))
