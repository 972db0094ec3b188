"""HandTrajectory: what it refuses, what it derives, and that saving loses nothing."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError, MissingFileError, UnknownNameError
from handsim.files import save_npz
from retarget.human.hand_trajectory import Camera, HandTrajectory, Source, Stream
from retarget.human.keypoints import in_palm_frame, palm_frame
from tests.retarget.human import planted

TIMES = np.arange(40) / 30.0


def full_motion():
    """A motion with everything a motion can have, some of it unseen."""
    keypoints = planted.keypoints("left")
    keypoints[[3, 17]] = np.nan
    return HandTrajectory.from_keypoints(
        TIMES,
        keypoints,
        "left",
        valid=np.arange(40) != 5,
        mano=planted.parameters("left"),
        streams={
            "tactile": Stream(np.array([0.0, 0.5]), np.array([[1, 2], [3, 4]], np.int16), "counts"),
            "image": Stream(np.array([0.25]), np.array(["a.jpg"]), "name"),
        },
        source=Source(
            "a.npz", "hamer", "HaMeR", "camera", False, "vertices", True, 12.5,
            Camera((600.0, 601.0), (320.0, 240.5), (640.0, 480.0)),
        ),
    )  # fmt: skip


def test_the_wrist_is_the_palm_frame():
    motion = planted.motion()
    rotation, origin = palm_frame(motion.keypoints, "right")
    np.testing.assert_array_equal(motion.wrist[:, :3], origin)
    found = Rotation.from_quat(motion.wrist[:, 3:], scalar_first=True).as_matrix()
    np.testing.assert_allclose(found, rotation, atol=1e-12)


def test_wrist_quaternions_do_not_jump():
    turn = Rotation.from_rotvec(np.outer(np.linspace(0, 4 * np.pi, 200), [0, 0, 1])).as_matrix()
    keypoints = np.einsum("tij,kj->tki", turn, planted.keypoints(count=1)[0])
    keypoints[50:60] = np.nan
    motion = HandTrajectory.from_keypoints(np.arange(200) / 30, keypoints, "right")
    seen = motion.wrist[motion.valid, 3:]
    assert np.all((seen[1:] * seen[:-1]).sum(axis=1) > 0.5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_palm_keypoints(side):
    motion = planted.motion(side)
    np.testing.assert_allclose(
        motion.palm_keypoints, in_palm_frame(motion.keypoints, side), atol=1e-12
    )


def test_unseen_frames_are_kept_and_marked():
    motion = full_motion()
    assert len(motion) == 40
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [3, 5, 17])
    assert np.isnan(motion.palm_keypoints[~motion.valid]).all()
    assert np.isfinite(motion.palm_keypoints[motion.valid]).all()
    assert np.isfinite(motion.keypoints[5]).all()


def test_a_frame_without_a_palm_is_not_valid():
    keypoints = planted.keypoints()
    keypoints[7] = 0.0
    keypoints[9, 4, 1] = np.inf
    motion = HandTrajectory.from_keypoints(TIMES, keypoints, "right")
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [7, 9])


def test_repeated_frames_are_left_alone():
    keypoints = planted.keypoints()
    keypoints[11] = keypoints[10]
    assert HandTrajectory.from_keypoints(TIMES, keypoints, "right").valid.all()


def test_times_duration_and_rate():
    motion = planted.motion()
    assert motion.duration == pytest.approx(39 / 30)
    assert motion.rate == pytest.approx(30)
    assert motion.select(slice(4, 5)).rate == 0
    assert motion.select(slice(4, 5)).duration == 0


def test_arrays_are_copies_and_read_only():
    keypoints = planted.keypoints()
    motion = HandTrajectory.from_keypoints(TIMES, keypoints, "right")
    keypoints[:] = 0
    assert motion.keypoints.any()
    for name in ("times", "keypoints", "wrist", "valid"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(motion, name)[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        full_motion().mano.betas[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        motion.side = "left"


@pytest.mark.parametrize("frames", [slice(10, 30, 2), np.arange(10, 30, 2), np.arange(40) % 3 == 0])
def test_select(frames):
    motion = full_motion()
    part = motion.select(frames)
    np.testing.assert_array_equal(part.times, motion.times[frames])
    np.testing.assert_array_equal(part.keypoints, motion.keypoints[frames])
    np.testing.assert_array_equal(part.valid, motion.valid[frames])
    np.testing.assert_array_equal(part.mano.hand_pose, motion.mano.hand_pose[frames])
    assert part.streams == motion.streams
    assert part.source == motion.source


def test_select_refuses_nothing_and_backwards():
    motion = full_motion()
    with pytest.raises(InputError, match="at least one frame"):
        motion.select(slice(0, 0))
    with pytest.raises(InputError, match="None of the 1 frames is valid"):
        motion.select(slice(5, 6))
    with pytest.raises(InputError, match="strictly increasing"):
        motion.select(slice(None, None, -1))


def same(one, other):
    """Whether two motions agree to the last bit."""
    for name in ("times", "keypoints", "wrist", "valid"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.side, one.source) == (other.side, other.source)
    assert (one.mano is None) == (other.mano is None)
    if one.mano is not None:
        for name in ("betas", "global_orient", "hand_pose", "transl"):
            np.testing.assert_array_equal(getattr(one.mano, name), getattr(other.mano, name))
    assert list(one.streams) == list(other.streams)
    for name, stream in one.streams.items():
        np.testing.assert_array_equal(stream.times, other.streams[name].times)
        np.testing.assert_array_equal(stream.values, other.streams[name].values)
        assert stream.values.dtype == other.streams[name].values.dtype
        assert stream.meaning == other.streams[name].meaning


@pytest.mark.parametrize("make", [full_motion, planted.motion])
def test_saving_and_loading_loses_nothing(tmp_path, make):
    motion = make()
    motion.save(tmp_path / "deep" / "motion.npz")
    same(HandTrajectory.load(tmp_path / "deep" / "motion.npz"), motion)


def nan_at(index, value=np.nan):
    def change(array):
        array = array.astype(float)
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("keypoints", lambda a: a[:, :20], "keypoints: shape (40, 20, 3), expected (40, 21, 3)."),
        ("keypoints", nan_at((17, 3, 0)), "keypoints[17] is not finite, yet valid[17] is True."),
        ("times", nan_at(3), "times[3] is nan, expected a finite number."),
        ("times", nan_at(4, 0.1), "times must be strictly increasing: times[4] = 0.1 follows 0.1."),
        ("times", lambda a: a[:0], "times: shape (0,), expected (T,) with at least one frame."),
        ("times", lambda a: a[:39], "keypoints: shape (40, 21, 3), expected (39, 21, 3)."),
        ("wrist", lambda a: a[:, :6], "wrist: shape (40, 6), expected (40, 7)."),
        ("wrist", lambda a: 2 * a, "wrist: a quaternion of length 2, expected 1."),
        ("wrist", nan_at((2, 5)), "wrist[2] is not finite, yet valid[2] is True."),
        ("valid", lambda a: a[:3], "valid: shape (3,), expected (40,)."),
        ("valid", lambda a: a & False, "None of the 40 frames is valid, expected at least one."),
        ("side", lambda _: "middle", "Unknown side 'middle'. Available: left, right."),
        ("mano", lambda _: planted.parameters(count=3), "mano: 3 frames, expected 40."),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_is_refused(name, change, message):
    motion = planted.motion()
    values = {field.name: getattr(motion, field.name) for field in dataclasses.fields(motion)}
    given = values[name]
    values[name] = change(given.copy() if isinstance(given, np.ndarray) else given)
    with pytest.raises(InputError) as caught:
        HandTrajectory(**values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("keypoints", "message"),
    [
        (np.zeros((5, 20, 3)), "keypoints: shape (5, 20, 3), expected (T, 21, 3)."),
        (np.zeros((21, 3)), "keypoints: shape (21, 3), expected (T, 21, 3)."),
        ([["a"]], "keypoints: type <U1, expected an array of numbers."),
        (np.full((5, 21, 3), np.nan), "None of the 5 frames is valid, expected at least one."),
    ],
)
def test_keypoints_that_are_refused(keypoints, message):
    with pytest.raises(InputError) as caught:
        HandTrajectory.from_keypoints(np.arange(5.0), keypoints, "right")
    assert str(caught.value) == message


def test_a_stream_holds_its_last_row():
    stream = Stream(np.array([0.0, 0.04, 0.04, 0.08]), np.array([1, 2, 3, 4], np.int16))
    found = stream.at(np.array([-1.0, 0.0, 0.0399, 0.04 - 1e-9, 0.0799, 9.0]))
    np.testing.assert_array_equal(found, np.array([1, 1, 1, 3, 3, 4], np.int16))
    assert found.dtype == np.int16
    with pytest.raises(InputError, match="no rows, expected at least one"):
        Stream(np.empty(0), np.empty((0, 3))).at(np.zeros(1))


@pytest.mark.usefixtures("unchecked")
def test_rotations_streams_and_frames_are_checked():
    with pytest.raises(InputError, match="not rotation matrices"):
        dataclasses.replace(planted.parameters(count=2), hand_pose=np.ones((2, 15, 3, 3)))
    with pytest.raises(InputError, match="not rotation matrices"):
        dataclasses.replace(
            planted.parameters(count=2), global_orient=-np.eye(3)[None].repeat(2, 0)
        )
    with pytest.raises(InputError, match="expected 2 rows"):
        Stream(np.array([0.0, 1.0]), np.zeros((3, 2)))
    with pytest.raises(InputError, match="must not decrease"):
        Stream(np.array([1.0, 0.0]), np.zeros((2, 2)))
    with pytest.raises(InputError, match="Python objects"):
        Stream(np.array([1.0]), np.array([None]))
    with pytest.raises(UnknownNameError, match="Unknown frame 'moon'"):
        Source(frame="moon")


def test_files_that_hold_something_else(tmp_path):
    with pytest.raises(MissingFileError):
        HandTrajectory.load(tmp_path / "none.npz")
    path = tmp_path / "motion.npz"
    header = {"kind": "hand_trajectory", "schema": 1, "side": "left", "mano": False, "streams": []}
    save_npz(path, header, {"times": TIMES})
    with pytest.raises(FormatError, match="expected a whole hand_trajectory"):
        HandTrajectory.load(path)
    save_npz(path, {**header, "schema": 2}, {})
    with pytest.raises(FormatError, match="schema 2"):
        HandTrajectory.load(path)
    save_npz(path, {**header, "kind": "joint_trajectory"}, {})
    with pytest.raises(FormatError, match="expected a 'hand_trajectory'"):
        HandTrajectory.load(path)


def test_the_saved_header_is_plain_json(tmp_path):
    full_motion().save(tmp_path / "motion.npz")
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
    assert header["kind"] == "hand_trajectory"
    assert header["source"]["camera"]["focal"] == [600.0, 601.0]
    assert header["streams"] == [["tactile", "counts"], ["image", "name"]]
