"""Plain keypoint files, and everything that can be wrong with one."""

import pickle

import numpy as np
import pytest

from handsim.errors import (
    FormatError,
    HandsimError,
    InputError,
    MissingFileError,
    UnknownNameError,
)
from retarget.human.keypoints import mirror
from retarget.human.mano import rest_skeleton
from retarget.human.sources import FORMATS, load
from tests.retarget.human import planted

HAND = planted.keypoints()
TIMES = 5.0 + np.cumsum(np.linspace(0.02, 0.05, 40))


def npy(path, keypoints):
    with path.open("wb") as stream:
        np.save(stream, keypoints)


def npz(path, keypoints, **more):
    with path.open("wb") as stream:
        np.savez_compressed(stream, keypoints=keypoints, **more)


def npz_of_another_name(path, keypoints):
    with path.open("wb") as stream:
        np.savez(stream, tracked=keypoints, confidence=np.ones(len(keypoints)))


def pickled_array(path, keypoints):
    path.write_bytes(pickle.dumps(keypoints))


def pickled_list(path, keypoints):
    path.write_bytes(pickle.dumps(list(keypoints), 2))


def pickled_dict(path, keypoints):
    path.write_bytes(pickle.dumps({"joints": keypoints, "note": "test"}))


WRITERS = [npy, npz, npz_of_another_name, pickled_array, pickled_list, pickled_dict]


@pytest.fixture
def path(tmp_path):
    """A name without a suffix: only content says what the file is."""
    return tmp_path / "clip.dat"


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_every_container_is_recognised_and_read(path, writer, side):
    keypoints = planted.keypoints(side)
    writer(path, keypoints)
    motion = load(path)
    np.testing.assert_array_equal(motion.keypoints, keypoints)
    assert motion.side == side
    assert motion.valid.all()
    assert (motion.source.file, motion.source.format) == ("clip.dat", "keypoints")
    assert motion.source.times_assumed
    assert motion.rate == pytest.approx(30)
    assert load(path, fps=100).rate == pytest.approx(100)


@pytest.mark.parametrize("name", ["times", "timestamps"])
def test_times_of_the_file_are_kept(path, name):
    npz(path, HAND, **{name: TIMES})
    motion = load(path, fps=7)
    np.testing.assert_allclose(motion.times, TIMES - TIMES[0], atol=1e-15)
    assert motion.source.start == TIMES[0]
    assert not motion.source.times_assumed


def test_fps_valid_and_side_of_the_file_are_kept(path):
    npz(path, HAND, fps=60, valid=np.arange(40) > 3, hand="Right")
    motion = load(path)
    assert motion.rate == pytest.approx(60)
    assert motion.source.times_assumed
    np.testing.assert_array_equal(motion.valid, np.arange(40) > 3)
    with pytest.raises(InputError, match="holds a right hand, expected left"):
        load(path, side="left")


def test_unseen_frames_may_be_none_nan_or_zero(path):
    frames = list(HAND.copy())
    frames[2] = None
    frames[5] = np.full((21, 3), np.nan)
    frames[9] = np.zeros((21, 3))
    pickled_list(path, frames)
    motion = load(path)
    assert len(motion) == 40
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [2, 5, 9])


def test_what_a_file_calls_unseen_may_hold_anything(path):
    keypoints = HAND.copy()
    keypoints[10:] = 1e200
    npz(path, keypoints, valid=np.arange(40) < 10)
    assert load(path).valid.sum() == 10


def test_one_frame_is_a_motion(path):
    npy(path, HAND[7])
    motion = load(path)
    assert (len(motion), motion.rate, motion.duration) == (1, 0, 0)


def test_the_frame_follows_from_the_wrist(path):
    npy(path, HAND)
    assert load(path).source.frame == "world"
    npy(path, HAND - HAND[:, :1])
    assert load(path).source.frame == "wrist"


def test_a_saved_motion_is_read_back(tmp_path):
    motion = planted.motion("left", mano=planted.parameters("left"))
    motion.save(tmp_path / "motion.npz")
    found = load(tmp_path / "motion.npz")
    np.testing.assert_array_equal(found.wrist, motion.wrist)
    np.testing.assert_array_equal(found.mano.hand_pose, motion.mano.hand_pose)
    with pytest.raises(InputError, match="holds a left hand, expected right"):
        load(tmp_path / "motion.npz", side="right")


def long_list(shape):
    return [np.zeros(shape), np.zeros((21, 3))]


@pytest.mark.parametrize(
    ("keypoints", "message"),
    [
        (np.zeros((40, 20, 3)), "(40, 20, 3), expected (T, 21, 3)."),
        (np.zeros((40, 63)), "(40, 63), expected (T, 21, 3)."),
        (np.moveaxis(HAND, 0, 2), "(21, 3, 40), expected (T, 21, 3); the axes look like (21, 3"),
        (np.moveaxis(HAND, 0, 1), "(21, 40, 3), expected (T, 21, 3); the axes look like (21, T"),
        (np.swapaxes(HAND, 1, 2), "(40, 3, 21), expected (T, 21, 3); the axes look like (T, 3"),
        (np.zeros((0, 21, 3)), "no frames, keypoints have shape (0, 21, 3)."),
        (np.array(["a", "b"]), "keypoints: type <U1, expected an array of numbers."),
        (1j * HAND, "keypoints: type complex128, expected an array of numbers."),
        (np.full((9, 21, 3), np.nan), "none of the 9 frames shows a hand."),
        (np.zeros((9, 21, 3)), "none of the 9 frames shows a hand."),
        (1e3 * HAND, "the hand would be 176 m long, expected metres"),
        (1e-3 * HAND, "the hand would be 0.000176 m long, expected metres"),
        (1e200 * HAND, "the hand would be inf m long, expected metres"),
        (rest_skeleton("right")[None], "too flat a hand to tell left from right, give side="),
        (np.concatenate([HAND, mirror(HAND)]), "too flat a hand to tell left from right"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_motion(path, keypoints, message):
    npy(path, keypoints)
    with pytest.raises(InputError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith("clip.dat: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("side", "other"), [("left", "right"), ("right", "left")]
)  # fmt: skip
def test_the_wrong_side_is_noticed(path, side, other):
    npy(path, planted.keypoints(other))
    with pytest.raises(InputError, match=f"declared {side}, but 40 of 40 .* show a {other} hand"):
        load(path, side=side)
    assert load(path, side=other).side == other


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_flat_hand_is_what_it_is_said_to_be(path, side):
    npy(path, rest_skeleton("right")[None].repeat(5, axis=0))
    assert load(path, side=side).side == side


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"times": TIMES[::-1]}, "times must be strictly increasing: times[1] = -0.05 follows 0."),
        ({"times": np.zeros(40)}, "times must be strictly increasing: times[1] = 0 follows 0."),
        ({"times": TIMES[:39]}, "times: shape (39,), expected (40,)."),
        ({"times": np.where(np.arange(40) == 3, np.nan, TIMES)}, "times[3] is nan, expected"),
        ({"fps": 0}, "fps: 0.0, expected a positive number of frames a second."),
        ({"fps": np.inf}, "fps: inf, expected a positive number of frames a second."),
        ({"valid": np.ones(4)}, "valid: shape (4,), expected (40,)."),
        ({"valid": np.zeros(40)}, "none of the 40 frames shows a hand."),
        ({"side": "middle"}, "side 'middle', expected 'left' or 'right'."),
        ({"side": "left"}, "declared left, but 40 of 40 unambiguous frames show a right hand"),
    ],
)  # fmt: skip
def test_what_comes_with_keypoints_is_checked(path, extra, message):
    npz(path, HAND, **extra)
    with pytest.raises(InputError) as caught:
        load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_nothing(path, tmp_path):
    with pytest.raises(MissingFileError, match="No such file or folder"):
        load(tmp_path / "none.npy")
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="is empty"):
        load(path)
    path.write_text("frame,x,y,z\n")
    with pytest.raises(FormatError, match="of no known format, .* Available: .*handsim, hamer, "):
        load(path)
    with pytest.raises(FormatError, match="of no known format"):
        load(tmp_path)
    np.savez(tmp_path / "other.npz", a=np.zeros(3), b=np.zeros((4, 21, 3)), c=np.zeros((4, 21, 3)))
    with pytest.raises(FormatError, match="of no known format"):
        load(tmp_path / "other.npz")
    with pytest.raises(FormatError, match="has 2 arrays of shape"):
        load(tmp_path / "other.npz", format="keypoints")
    pickled_list(tmp_path / "ragged.pkl", long_list((20, 3)))
    with pytest.raises(InputError, match=r"frame 0 has shape \(20, 3\), expected \(21, 3\)"):
        load(tmp_path / "ragged.pkl")


def test_unknown_names_are_answered_with_the_known(path):
    npy(path, HAND)
    with pytest.raises(UnknownNameError, match="Unknown format 'tape'. Available: arctic, avp"):
        load(path, format="tape")
    with pytest.raises(UnknownNameError, match="Unknown side 'both'. Available: left, right"):
        load(path, side="both")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_format_takes_another_kind_of_file(tmp_path, name):
    (tmp_path / "text.txt").write_text("no motion")
    (tmp_path / "folder").mkdir()
    for place in ("text.txt", "folder"):
        with pytest.raises(HandsimError) as caught:
            load(tmp_path / place, format=name)
        assert "\n" not in str(caught.value)
        assert not FORMATS[name].recognises(tmp_path / place)


def test_a_pickle_that_runs_code_is_refused_not_unrecognised(tmp_path):
    path = tmp_path / "clip.pkl"
    path.write_bytes(b"cposix\nsystem\n(S'touch gone'\ntR.")
    for format in (None, "keypoints", "wilor"):
        with pytest.raises(FormatError, match=r"clip\.pkl names posix\.system, .* refused"):
            load(path, format=format)
