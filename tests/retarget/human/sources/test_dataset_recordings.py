"""Real recordings of datasets: the facts of their manifest, and what is left of damaged ones."""

import shutil
from functools import cache

import numpy as np
import pytest

from handsim.errors import HandsimError, InputError
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import TIPS, bone_lengths, chirality_votes, hand_length
from retarget.human.mano import fit_rest_skeleton, keypoints_from_mano
from retarget.human.sources import FORMATS, load, load_hands

DGRASP = "dgrasp_dexycb/dexycb_train_labels.pkl"
VITRA = "vitra_hawor/Ego4D_03cc49c3-a7d1-445b-9a2a-545c4fae6843_ep_example.npy"
HOT3D = "hot3d_aria"
BVH = "manipnet_mug1"

FACTS = [
    # file, format, side, frames, rate [Hz], span [s], bone variation median and maximum [%]
    (DGRASP, "dgrasp", "right", 376, 1.0, 375.0, 0.0, 0.0),
    (VITRA, "vitra", "right", 25, 30.0, 0.8, 0.0, 1.9),
    (HOT3D, "hot3d", "left", 34, 30.0, 1.1, 0.0, 0.4),
    (HOT3D, "hot3d", "right", 34, 30.0, 1.1, 0.0, 0.1),
    (BVH, "bvh", "left", 4000, 120.0, 33.3, 0.0, 0.5),
    (BVH, "bvh", "right", 4000, 120.0, 33.3, 0.0, 0.7),
]


@cache
def read(path, side=None):
    """Each recording is read once: its arrays are read-only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HANDSIM_MANO", raising=False)
        return load(path, side)


@pytest.fixture(scope="module")
def motions(shared):
    return shared / "motions"


@pytest.mark.parametrize(
    ("file", "format", "side", "frames", "rate", "span", "median", "largest"), FACTS
)
def test_facts(motions, file, format, side, frames, rate, span, median, largest):
    motion = read(motions / file, side)
    assert (motion.source.format, motion.side, motion.source.frame) == (format, side, "world")
    assert (len(motion), bool(motion.valid.all())) == (frames, True)
    assert motion.rate == pytest.approx(rate, abs=0.05)
    assert motion.duration == pytest.approx(span, abs=0.05)
    assert np.all((hand_length(motion.keypoints) > 0.16) & (hand_length(motion.keypoints) < 0.22))
    lengths = bone_lengths(motion.keypoints)
    variation = 100 * lengths.std(axis=0) / lengths.mean(axis=0)
    assert np.median(variation) == pytest.approx(median, abs=0.06)
    assert variation.max() == pytest.approx(largest, abs=0.06)
    left, right = chirality_votes(motion.keypoints)
    assert (left if side == "right" else right) == 0
    assert max(left, right) > 0.9 * frames


@pytest.mark.parametrize("file", [DGRASP, VITRA, HOT3D, BVH])
def test_each_format_recognises_its_own_files_only(motions, file):
    claims = {name for name in FORMATS if FORMATS[name].recognises(motions / file)}
    expected = next(fact[1] for fact in FACTS if fact[0] == file)
    assert next(name for name in FORMATS if name in claims) == expected
    assert claims <= {expected, "keypoints"}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact[1]}-{fact[2]}")
def test_saving_loses_nothing(motions, tmp_path, fact):
    motion = read(motions / fact[0], fact[2])
    motion.save(tmp_path / "motion.npz")
    found = load(tmp_path / "motion.npz")
    np.testing.assert_array_equal(found.keypoints, motion.keypoints)
    assert found.source == motion.source
    for name, stream in motion.streams.items():
        np.testing.assert_array_equal(found.streams[name].values, stream.values)
        assert found.streams[name].meaning == stream.meaning


def test_parameters_of_dgrasp_make_its_keypoints(motions):
    """All joints but the tips, which are D-Grasp's own and sit still on the last bones."""
    motion = read(motions / DGRASP)
    joints = np.setdiff1d(np.arange(21), TIPS)
    found = keypoints_from_mano(motion.mano, "right")
    errors = np.linalg.norm(found - motion.keypoints, axis=-1)
    assert errors[:, joints].max() < 1e-5
    assert 1e-3 < errors[:, list(TIPS)].max() < 8e-3
    rest = fit_rest_skeleton(motion.mano, motion.keypoints)
    own = keypoints_from_mano(motion.mano, "right", rest)
    np.testing.assert_allclose(own, motion.keypoints, atol=1e-12)


def test_grasps_of_dgrasp_hold_their_objects(motions):
    motion = read(motions / DGRASP)
    names = motion.streams["object"].values
    assert len(set(names)) == 20
    mustard = motion.select(names == "006_mustard_bottle")
    bottle = motion.streams["object_006_mustard_bottle"]
    assert len(mustard) == len(bottle) == 17
    np.testing.assert_array_equal(mustard.times, bottle.times)
    gaps = np.linalg.norm(mustard.keypoints[:, list(TIPS)] - bottle.values[:, None, :3], axis=-1)
    assert gaps.min(axis=1).max() < 0.12


def test_parameters_of_vitra_make_its_keypoints(motions):
    """With betas of 1.8 the mean skeleton is 8 mm off; bones fitted to it are within 1.2 mm."""
    motion = read(motions / VITRA)
    mean = np.linalg.norm(keypoints_from_mano(motion.mano, "right") - motion.keypoints, axis=-1)
    assert mean.mean() == pytest.approx(7.6e-3, abs=1e-4)
    rest = fit_rest_skeleton(motion.mano, motion.keypoints)
    own = keypoints_from_mano(motion.mano, "right", rest)
    assert np.linalg.norm(own - motion.keypoints, axis=-1).max() < 1.2e-3
    assert list(motion.streams["text"].values) == ["Pick up the spray bottle."]
    with pytest.raises(InputError, match="holds no left hand"):
        load(motions / VITRA, side="left")


@pytest.mark.parametrize("file", [HOT3D, BVH])
def test_both_hands_are_a_pair_on_one_clock(motions, file, monkeypatch):
    monkeypatch.delenv("HANDSIM_MANO", raising=False)
    pair = load_hands(motions / file)
    assert list(pair) == ["left", "right"]
    np.testing.assert_array_equal(pair["left"].times, pair["right"].times)
    assert pair["left"].source.start == pair["right"].source.start
    wrists = [motion.keypoints[:, 0] for motion in pair.values()]
    assert np.all(np.linalg.norm(wrists[0] - wrists[1], axis=1) < 0.7)


def test_the_objects_of_hot3d_lie_on_its_table(motions):
    streams = read(motions / HOT3D, "left").streams
    objects = {name: stream for name, stream in streams.items() if name.startswith("object_")}
    names = ("mug_white", "keyboard", "coffee_pot", "puzzle_toy", "cellphone", "mouse")
    assert set(objects) == {f"object_{name}" for name in names}
    assert {len(stream) for stream in objects.values()} == {34}
    heights = [stream.values[:, 2] for stream in objects.values()]
    assert np.ptp(heights) < 0.15
    assert np.all(streams["headset"].values[:, 2] > np.max(heights))


def test_the_hands_of_manipnet_hold_the_mug(motions):
    for side in ("left", "right"):
        motion = read(motions / BVH, side)
        mug = motion.streams["object_mug1"]
        np.testing.assert_array_equal(mug.times, motion.times)
        gaps = np.linalg.norm(motion.keypoints - mug.values[:, None, :3], axis=-1).min(axis=1)
        assert gaps.min() < 0.05
        assert np.ptp(mug.values[:, 2]) < 0.3


def damaged(data, rng, trial):
    """The bytes with one to three of them changed, or cut off."""
    data = bytearray(data)
    for place in rng.integers(0, len(data), 1 + trial % 3):
        data[place] = rng.integers(0, 256)
    return bytes(data[: int(rng.integers(1, len(data)))] if trial % 4 == 0 else data)


def outcome(path):
    """What a refusal says; None where the file was read all the same."""
    try:
        assert isinstance(load(path, "left" if path.is_dir() else None), HandTrajectory)
    except HandsimError as error:
        return str(error)
    return None


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("file", [DGRASP, VITRA, f"{BVH}/leftHand.bvh"])
def test_damaged_files_are_refused_or_read(motions, tmp_path, file):
    original = (motions / file).read_bytes()
    path = tmp_path / ("clip" + (motions / file).suffix)
    rng = np.random.default_rng(1)
    messages = []
    for trial in range(16):
        path.write_bytes(damaged(original, rng, trial))
        messages.append(outcome(path))
    refused = [message for message in messages if message is not None]
    assert len(refused) >= 4
    assert not any("\n" in message for message in refused)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "name",
    [
        "umetrack_hand_pose_trajectory.jsonl",
        "umetrack_hand_user_profile.json",
        "dynamic_objects.csv",
    ],
)
def test_damaged_files_of_hot3d_are_refused_or_read(motions, tmp_path, name, monkeypatch):
    monkeypatch.delenv("HANDSIM_MANO", raising=False)
    shutil.copytree(motions / HOT3D, tmp_path / "clip")
    path = tmp_path / "clip" / name
    path.chmod(0o644)
    original = path.read_bytes()
    rng = np.random.default_rng(2)
    messages = []
    for trial in range(8):
        path.write_bytes(damaged(original, rng, trial))
        messages.append(outcome(tmp_path / "clip"))
    refused = [message for message in messages if message is not None]
    assert len(refused) >= 2
    assert not any("\n" in message for message in refused)
