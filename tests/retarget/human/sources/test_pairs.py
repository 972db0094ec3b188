"""Both hands of a file as a pair, whatever wrote it."""

from pathlib import Path

import numpy as np
import pytest

import retarget
from handsim.errors import FormatError
from retarget.human.keypoints import mirror
from retarget.human.mano import rest_skeleton
from retarget.human.rigid import compose
from retarget.human.sources import load, load_hands
from retarget.human.sources.assembly import BothHandsError
from tests.retarget.human import planted
from tests.retarget.human.sources import test_trackers, writers

COUNT = test_trackers.COUNT
TIMES = test_trackers.TIMES
SIDES = ("left", "right")


def hands(turn=None, shift=(0.0, 0.0, 0.0)):
    """Both planted hands; the left may be turned and shifted away from where it was."""
    rotation = np.eye(3) if turn is None else turn
    left, right = (planted.keypoints(side, COUNT) for side in SIDES)
    return {"left": left @ rotation.T + shift, "right": right}


def hamer(path, pair):
    test_trackers.save_frames(path, **test_trackers.rows(*SIDES), focal_length=900.0)


def hamer_folder(path, pair):
    path.mkdir()
    for frame in range(COUNT):
        found = [(side, frame) for side in SIDES]
        test_trackers.write_raw(path / f"{frame:04}.npz", found, [test_trackers.LARGE] * 2)


def wilor(path, pair):
    detect = test_trackers.wilor_detection
    frames = [[detect(side, t, test_trackers.LARGE) for side in SIDES] for t in range(COUNT)]
    path.write_bytes(test_trackers.pickle.dumps(frames))


WRITERS = {
    "hamer": (hamer, "clip.npz"),
    "hamer folder": (hamer_folder, "clip"),
    "wilor": (wilor, "clip.pkl"),
    "egodex": (lambda path, pair: writers.write_egodex(path, pair), "clip.hdf5"),
    "avp": (lambda path, pair: writers.write_avp_pickle(path, pair, TIMES), "clip.pkl"),
    "tracking": (lambda path, pair: writers.write_tracking(path, pair, TIMES), "clip.jsonl"),
    "openxr": (lambda path, pair: writers.write_openxr(path, pair, TIMES), "clip.json"),
    "mediapipe": (lambda path, pair: writers.write_mediapipe(path, pair, TIMES), "clip.json"),
}
FIXED = ("hamer", "hamer folder", "wilor")
"""Their writers know the planted hands only."""

every_format = pytest.mark.parametrize("name", WRITERS)


def written(folder, name, pair):
    write, file = WRITERS[name]
    write(folder / file, pair)
    return folder / file


def inverse(poses):
    """Of poses x y z qw qx qy qz: T⁻¹ is the turn q* and the shift −q* t."""
    conjugate = poses[:, 3:] * [1, -1, -1, -1]
    nowhere = np.concatenate([np.zeros((len(poses), 3)), conjugate], axis=1)
    shift = np.concatenate([-poses[:, :3], np.tile([1.0, 0, 0, 0], (len(poses), 1))], axis=1)
    return compose(nowhere, shift)


def relative(pair):
    """The right palm in the left one's frame, its quaternion of positive w."""
    pose = compose(inverse(pair["left"].wrist), pair["right"].wrist.copy())
    pose[:, 3:] *= np.where(pose[:, 3:4] < 0, -1, 1)
    return pose


def truth(pair):
    motions = {
        side: retarget.HandTrajectory.from_keypoints(TIMES - TIMES[0], points, side)
        for side, points in pair.items()
    }
    return relative(motions)


@every_format
def test_a_pair_is_where_the_file_has_it_on_one_clock(tmp_path, name):
    pair = hands() if name in FIXED else hands(planted.random_rotation(5), (0.3, -0.2, 0.1))
    path = written(tmp_path, name, pair)
    with pytest.raises(BothHandsError, match="or read the pair with load_hands"):
        load(path)
    found = retarget.load_hands(path)
    assert list(found) == ["left", "right"]
    assert all(motion.side == side for side, motion in found.items())
    np.testing.assert_array_equal(found["left"].times, found["right"].times)
    assert found["left"].source.start == found["right"].source.start
    expected = truth(pair)
    columns = slice(3, 7) if found["left"].source.frame == "wrist" else slice(0, 7)
    np.testing.assert_allclose(relative(found)[:, columns], expected[:, columns], atol=1e-5)
    for side, motion in found.items():
        alone = load(path, side=side)
        np.testing.assert_array_equal(motion.keypoints, alone.keypoints)


@every_format
def test_the_hands_of_a_mirrored_person_are_each_others_mirror_image(tmp_path, name):
    found = load_hands(written(tmp_path, name, hands()))
    left, right = (found[side].palm_keypoints for side in SIDES)
    np.testing.assert_allclose(left, mirror(right, axis=1), atol=1e-6)


@every_format
def test_one_hand_is_a_dict_of_one(tmp_path, name):
    if name in FIXED:
        pytest.skip("written with both hands always")
    path = written(tmp_path, name, {"left": hands()["left"]})
    assert list(load_hands(path)) == ["left"]


def test_a_flat_hand_is_not_two(tmp_path):
    np.savez(tmp_path / "flat.npz", keypoints=rest_skeleton("left")[None], side="left")
    assert list(load_hands(tmp_path / "flat.npz")) == ["left"]


def test_a_hand_that_comes_later_keeps_its_time(tmp_path):
    pair = hands()
    pair["right"][:5] = np.nan
    found = load_hands(written(tmp_path, "openxr", pair))
    np.testing.assert_array_equal(np.flatnonzero(~found["right"].valid), range(5))
    np.testing.assert_allclose(found["right"].times, TIMES - TIMES[0], atol=1e-12)


def test_motions_that_started_at_different_times_are_put_on_one_clock(tmp_path, monkeypatch):
    """A format whose left hand has a clock of its own, that started two seconds later."""
    pair = {side: planted.motion(side, COUNT) for side in SIDES}
    stream = retarget.human.hand_trajectory.Stream(pair["left"].times, np.arange(COUNT))

    class Apart:
        def recognises(self, path):
            return True

        def load(self, path, side=None, fps=None):
            if side is None:
                raise BothHandsError("both")
            source = retarget.human.hand_trajectory.Source(start=7.0 if side == "left" else 5.0)
            streams = {"count": stream} if side == "left" else {}
            return planted.motion(side, COUNT, source=source, streams=streams)

    monkeypatch.setitem(retarget.human.sources.FORMATS, "apart", Apart())
    path = tmp_path / "clip"
    path.write_text("x")
    found = load_hands(path, format="apart")
    assert {motion.source.start for motion in found.values()} == {5.0}
    np.testing.assert_allclose(found["left"].times, pair["left"].times + 2.0)
    np.testing.assert_allclose(found["left"].streams["count"].times, pair["left"].times + 2.0)
    np.testing.assert_array_equal(found["right"].times, pair["right"].times)


def test_real_pairs(shared):
    for name in ("add_remove_lid_0", "open_close_1"):
        path = shared / "motions" / "egodex" / f"{name}.hdf5"
        found = load_hands(path)
        apart = np.linalg.norm(found["left"].wrist[:, :3] - found["right"].wrist[:, :3], axis=1)
        assert np.all((apart > 0.05) & (apart < 0.8))
    with pytest.raises(FormatError, match="of no known format"):
        load_hands(Path(__file__))
