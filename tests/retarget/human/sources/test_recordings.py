"""Real recordings: the facts of their manifest, and what is left of them when bytes are lost."""

import shutil
from functools import cache

import numpy as np
import pytest

from handsim.errors import HandsimError, InputError
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import bone_lengths, chirality_votes, hand_length, mirror
from retarget.human.sources import FORMATS, load

HAMER = "hamer_raw/whiteboard-erase-000135_hamer_out.npz"
WILOR = "wilor_stills/outputs.pkl"
PINCHES = "wilor_stills/pinch_grasps_test.pkl"
MANUS = "manus/manus_right_subject-000_run-010.npz"
DEXMV = "dexmv_mustard"
MEDIAPIPE = "dexretarget/human_joint_right.pkl"
GEORT = "geort/human_alex.npy"

FACTS = [
    # file, format, side, frame, frames, rate [Hz], span [s], bone variation median and maximum [%]
    (HAMER, "hamer", "left", "wrist", 1, 0.0, 0.0, 0.0, 0.0),
    (WILOR, "wilor", "right", "camera", 23, 1.0, 22.0, 0.3, 7.2),
    (PINCHES, "wilor", "right", "camera", 4, 1.0, 3.0, 0.3, 2.1),
    (MANUS, "manus", "right", "wrist", 5000, 118.5, 43.4, 0.0, 0.3),
    (DEXMV, "dexmv", "right", "camera", 122, 25.0, 4.84, 0.64, 1.6),
    (MEDIAPIPE, "keypoints", "right", "wrist", 621, 30.0, 20.67, 8.0, 16.4),
    (GEORT, "keypoints", "right", "wrist", 3498, 30.0, 116.57, 0.0, 0.0),
]


@cache
def read(path):
    """Each recording is read once: its arrays are read-only."""
    return load(path)


@pytest.fixture(scope="module")
def motions(shared):
    return shared / "motions"


@pytest.mark.parametrize(
    ("file", "format", "side", "frame", "frames", "rate", "span", "median", "largest"), FACTS
)
def test_facts(motions, file, format, side, frame, frames, rate, span, median, largest):
    motion = read(motions / file)
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
    left, right = chirality_votes(read(motions / file).keypoints)
    assert (left if side == "right" else right) == 0
    assert max(left, right) > 0


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact[0])
def test_saving_loses_nothing(motions, tmp_path, fact):
    motion = read(motions / fact[0])
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
@pytest.mark.parametrize("file", [HAMER, WILOR, PINCHES, MEDIAPIPE])
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
            assert isinstance(load(path, format=None), HandTrajectory)
        except HandsimError as error:
            messages.append(str(error))
    assert len(messages) >= 4
    assert not any("\n" in message for message in messages)


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
