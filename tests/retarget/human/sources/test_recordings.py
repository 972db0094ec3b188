"""Real recordings: the facts of their manifest, and what is left of them when bytes are lost."""

import copy
import json
import shutil
from functools import cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import HandsimError, InputError
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import (
    bone_lengths,
    chirality_votes,
    hand_length,
    mirror,
    seen_from,
)
from retarget.human.sources import FORMATS, load

HAMER = "hamer_raw/whiteboard-erase-000135_hamer_out.npz"
WILOR = "wilor_stills/outputs.pkl"
PINCHES = "wilor_stills/pinch_grasps_test.pkl"
MANUS = "manus/manus_right_subject-000_run-010.npz"
DEXMV = "dexmv_mustard"
MEDIAPIPE = "dexretarget/human_joint_right.pkl"
GEORT = "geort/human_alex.npy"
STAPLER = "egodex/basic_pick_and_place_0.hdf5"
LID = "egodex/add_remove_lid_0.hdf5"
BOX = "egodex/open_close_1.hdf5"
QUEST_LEFT, QUEST = "quest_handy/poses-left.json", "quest_handy/poses-right.json"
COUNTING = "mediapipe_handposeutils/sequence_counting.json"
VIDEO = "wilor_video/wilor_test_long.zarr"

FACTS = [
    # file, format, side, frame, frames, rate [Hz], span [s], bone variation median and maximum [%]
    (HAMER, "hamer", "left", "wrist", 1, 0.0, 0.0, 0.0, 0.0),
    (WILOR, "wilor", "right", "camera", 23, 1.0, 22.0, 0.3, 7.2),
    (PINCHES, "wilor", "right", "camera", 4, 1.0, 3.0, 0.3, 2.1),
    (MANUS, "manus", "right", "wrist", 5000, 118.5, 43.4, 0.0, 0.3),
    (DEXMV, "dexmv", "right", "camera", 122, 25.0, 4.84, 0.64, 1.6),
    (MEDIAPIPE, "keypoints", "right", "wrist", 621, 30.0, 20.67, 8.0, 16.4),
    (GEORT, "keypoints", "right", "wrist", 3498, 30.0, 116.57, 0.0, 0.0),
    (STAPLER, "egodex", "right", "world", 126, 30.0, 4.17, 0.0, 0.28),
    (LID, "egodex", "left", "world", 94, 30.0, 3.1, 0.0, 0.34),
    (BOX, "egodex", "right", "world", 171, 30.0, 5.67, 0.0, 0.27),
    (QUEST_LEFT, "openxr", "left", "wrist", 55, 1.0, 54.0, 1.3, 4.3),
    (QUEST, "openxr", "right", "wrist", 55, 1.0, 54.0, 1.4, 2.5),
]


@cache
def read(path, side=None):
    """Each recording is read once: its arrays are read-only."""
    return load(path, side=side)


@pytest.fixture(scope="module")
def motions(shared):
    return shared / "motions"


@pytest.mark.parametrize(
    ("file", "format", "side", "frame", "frames", "rate", "span", "median", "largest"), FACTS
)
def test_facts(motions, file, format, side, frame, frames, rate, span, median, largest):
    motion = read(motions / file, side)
    assert (motion.source.format, motion.side, motion.source.frame) == (format, side, frame)
    assert len(motion) == frames
    assert motion.valid.all()
    assert motion.rate == pytest.approx(rate, abs=0.05)
    assert motion.duration == pytest.approx(span, abs=0.05)
    assert motion.times[0] == 0
    assert np.all((hand_length(motion.keypoints) > 0.14) & (hand_length(motion.keypoints) < 0.23))
    lengths = bone_lengths(motion.keypoints)
    variation = 100 * lengths.std(axis=0) / lengths.mean(axis=0)
    assert np.median(variation) == pytest.approx(median, abs=0.06)
    assert variation.max() == pytest.approx(largest, abs=0.06)
    assert motion.source.times_assumed == (file != MANUS)


@pytest.mark.parametrize(("file", "side"), [(fact[0], fact[2]) for fact in FACTS])
def test_no_frame_is_of_the_other_hand(motions, file, side):
    left, right = chirality_votes(read(motions / file, side).keypoints)
    assert (left if side == "right" else right) == 0
    assert max(left, right) > 0


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact[0])
def test_saving_loses_nothing(motions, tmp_path, fact):
    motion = read(motions / fact[0], fact[2])
    motion.save(tmp_path / "motion.npz")
    found = load(tmp_path / "motion.npz")
    np.testing.assert_array_equal(found.keypoints, motion.keypoints)
    np.testing.assert_array_equal(found.wrist, motion.wrist)
    np.testing.assert_array_equal(found.times, motion.times)
    assert found.source == motion.source
    for name, stream in motion.streams.items():
        np.testing.assert_array_equal(found.streams[name].values, stream.values)


@pytest.mark.parametrize("file", [MEDIAPIPE, GEORT])
def test_palm_aligned_recordings_have_the_palm_as_their_axes(motions, file):
    """These are stored fingers +z, palm +x, thumb +y: the palm frame is nearly the identity."""
    motion = read(motions / file)
    assert np.abs(motion.palm_keypoints - motion.keypoints).max() < (
        1e-9 if file == GEORT else 0.08
    )
    np.testing.assert_array_equal(motion.wrist[:, :3], 0)


def test_the_left_hand_of_hamer_is_the_mirrored_right_of_the_file(motions):
    stored = np.load(motions / HAMER)["pred_keypoints_3d"].astype(float)
    motion = read(motions / HAMER)
    np.testing.assert_allclose(motion.keypoints, mirror(stored), atol=1e-9)
    with pytest.raises(InputError, match=r"holds no right hand\. Available: left"):
        load(motions / HAMER, side="right")
    assert load(motions / "hamer_raw").side == "left"


def test_pinches_of_wilor_touch(motions):
    motion = read(motions / PINCHES)
    names = ["index", "middle", "ring", "little"]
    images = list(motion.streams["image"].values)
    gaps = {}
    for image, keypoints in zip(images, motion.keypoints, strict=True):
        finger = next(i for i, name in enumerate(names) if name in image)
        gaps[names[finger]] = 1e3 * np.linalg.norm(keypoints[4] - keypoints[8 + 4 * finger])
    expected = dict(zip(names, [8.4, 5.7, 11.7, 10.7], strict=True))
    assert gaps == pytest.approx(expected, abs=0.06)


def test_the_bottle_of_dexmv_has_its_own_times(motions):
    motion = read(motions / DEXMV)
    bottle = motion.streams["object_5"]
    assert len(bottle) == 123
    np.testing.assert_allclose(bottle.times[:122], motion.times)
    np.testing.assert_allclose(bottle.values[0, :3], [0.0868, -0.1239, 0.8091], atol=1e-4)
    np.testing.assert_allclose(motion.keypoints[0, 0], [0.0755, 0.1139, 1.1837], atol=1e-4)


def test_duplicate_frames_stay_valid(motions):
    motion = read(motions / GEORT)
    repeats = np.all(np.diff(motion.keypoints, axis=0) == 0, axis=(1, 2)).mean()
    assert repeats == pytest.approx(0.075, abs=0.002)


def test_each_format_recognises_its_own_files_only(motions):
    for file, format, *_ in FACTS:
        first = next(name for name in FORMATS if FORMATS[name].recognises(motions / file))
        assert first == format
        claims = {name for name in FORMATS if FORMATS[name].recognises(motions / file)}
        assert claims <= {format, "keypoints"}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("file", [HAMER, WILOR, PINCHES, MEDIAPIPE, STAPLER, QUEST, COUNTING])
def test_damaged_recordings_are_refused_or_read(motions, tmp_path, file):
    original = np.frombuffer((motions / file).read_bytes(), np.uint8)
    path = tmp_path / ("clip" + (motions / file).suffix)
    rng = np.random.default_rng(1)
    messages = []
    for trial in range(16):
        stream = original.copy()
        places = rng.integers(0, len(stream), 1 + trial % 3)
        stream[places] = rng.integers(0, 256, len(places))
        end = int(rng.integers(1, len(stream))) if trial % 4 == 0 else len(stream)
        path.write_bytes(stream[:end].tobytes())
        try:
            assert isinstance(load(path, side="right"), HandTrajectory)
        except HandsimError as error:
            messages.append(str(error))
    assert len(messages) >= (2 if file == STAPLER else 4)
    assert not any("\n" in message for message in messages)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("file", [QUEST, COUNTING])
def test_json_with_other_values_in_it_is_refused_or_read(motions, tmp_path, file):
    """What parses as JSON, but holds anything anywhere."""
    content = json.loads((motions / file).read_text())
    frames = content["sequence"][:20] if isinstance(content, dict) else content[:20]
    values = [None, True, -1, 1e308, float("nan"), "text", [], {}, [[0.0]], {"x": 1}]
    rng = np.random.default_rng(2)
    messages = []
    for trial in range(60):
        changed = copy.deepcopy(frames)
        place, key = changed, int(rng.integers(len(changed)))
        for _ in range(rng.integers(5)):
            if not isinstance(place[key], dict | list) or not place[key]:
                break
            place = place[key]
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[rng.integers(len(keys))]
        place[key] = values[trial % len(values)]
        (tmp_path / "clip.json").write_text(json.dumps(changed))
        try:
            assert isinstance(load(tmp_path / "clip.json"), HandTrajectory)
        except HandsimError as error:
            messages.append(str(error))
    assert 5 <= len(messages) < 60
    assert not any("\n" in message for message in messages)


def test_the_camera_of_egodex_sees_the_hand(motions):
    """Which it would not if its axes or the world's were mistaken."""
    motion = read(motions / LID, "left")
    camera, pinhole = motion.streams["camera"].values, motion.source.camera
    seen = seen_from(camera, motion.keypoints)
    pixels = seen[..., :2] / seen[..., 2:] * pinhole.focal + pinhole.center
    assert np.all((seen[..., 2] > 0.2) & (seen[..., 2] < 0.8))
    assert np.mean(np.all((pixels > 0) & (pixels < [1920, 1080]), axis=-1)) > 0.95
    down = Rotation.from_quat(camera[:, 3:], scalar_first=True).apply([0, 1, 0])
    assert np.all(down[:, 2] < -0.5)
    assert "lid" in motion.streams["task"].values[0]
    tips = motion.streams["confidence"].values[:, [4, 8, 12, 16, 20]]
    assert tips.min() < 0.5 < motion.streams["confidence"].values[:, 0].min()


def test_poses_of_quest_have_their_names(motions):
    motion = read(motions / QUEST)
    names = list(motion.streams["label"].values)
    pinch = motion.keypoints[names.index("pinch")]
    flat = motion.keypoints[names.index("flat")]
    assert np.linalg.norm(pinch[4] - pinch[8]) < 0.02 < np.linalg.norm(flat[4] - flat[8])


def test_the_counting_hand_of_mediapipe_is_poor_and_says_so(motions):
    motion = read(motions / COUNTING)
    assert (len(motion), motion.side, motion.source.metric) == (265, "right", False)
    assert motion.duration == pytest.approx(10.147, abs=1e-3)
    assert motion.source.start == pytest.approx(0.019)
    assert np.ptp(np.diff(motion.times)) > 0.02
    repeats = np.all(np.diff(motion.keypoints, axis=0) == 0, axis=(1, 2)).mean()
    assert repeats == pytest.approx(0.553, abs=1e-3)
    lengths = bone_lengths(motion.keypoints)
    assert np.median(lengths.std(axis=0) / lengths.mean(axis=0)) == pytest.approx(0.13, abs=0.01)
    assert np.median(hand_length(motion.keypoints)) == pytest.approx(0.189)
    assert chirality_votes(motion.keypoints) == (0, 265)


def test_a_video_of_wilor_in_zarr(motions):
    assert FORMATS["wilor_video"].recognises(motions / VIDEO)
    pytest.importorskip("numcodecs")
    motion = read(motions / VIDEO)
    assert (len(motion), motion.side, motion.source.frame) == (1647, "right", "wrist")
    lengths = bone_lengths(motion.keypoints)
    variation = 100 * lengths.std(axis=0) / lengths.mean(axis=0)
    assert np.median(variation) == pytest.approx(0.56, abs=0.06)
    assert variation.max() == pytest.approx(5.7, abs=0.06)
    fingers, palm = motion.keypoints[:, 9], motion.wrist[:, 3:]
    assert np.all(fingers[:, 1] > 0.08)
    out_of_palm = Rotation.from_quat(palm, scalar_first=True).apply([1, 0, 0])
    assert np.all(out_of_palm[:, 2] < -0.9)


@pytest.mark.parametrize("scale", [1e3, 1e-3])
def test_a_recording_in_other_units_is_refused(motions, tmp_path, scale):
    np.save(tmp_path / "clip.npy", np.load(motions / GEORT) * scale)
    with pytest.raises(InputError, match="m long, expected metres"):
        load(tmp_path / "clip.npy")


def test_a_mirrored_recording_is_the_other_hand(motions, tmp_path):
    np.save(tmp_path / "clip.npy", mirror(np.load(motions / GEORT)))
    assert load(tmp_path / "clip.npy").side == "left"
    with pytest.raises(InputError, match="declared right, but 3363 of 3363 unambiguous frames"):
        load(tmp_path / "clip.npy", side="right")


def test_a_missing_frame_of_dexmv_is_not_valid(motions, tmp_path):
    shutil.copytree(motions / DEXMV, tmp_path / "seq")
    folder = tmp_path / "seq" / "hand_pose"
    folder.chmod(0o755)
    (folder / "joints_100.npy").unlink()
    motion = load(tmp_path / "seq")
    assert len(motion) == 122
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [99])
