"""Extractions as files: HaMeR's rows of both hands, whose hand is read, and damaged ones."""

import json

import numpy as np
import pytest

from handsim.errors import FormatError, InputError
from handsim.files import save_npz
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import mirror
from retarget.human.mano import TIPS
from retarget.human.sources import load
from tests.retarget.human import planted

COUNT = 10
TIMES = 0.5 + np.arange(COUNT) / 25
HEADER = {
    "kind": "extraction",
    "schema": 1,
    "backend": "hamer",
    "files": ["clip.mp4"],
    "metric": False,
    "told": {"frames": COUNT, "width": 640, "height": 480, "tips": "told"},
}


def hamer_rows(side, track, seed=0):
    """What the network says of a planted hand: of a left one, what it sees in the mirror."""
    seen = planted.right_parameters(COUNT, seed)
    truth = planted.parameters(side, COUNT, seed)
    keypoints = planted.keypoints(side, COUNT, seed) - truth.transl[:, None]
    right = side == "right"
    return {
        "frame": np.arange(COUNT),
        "track": np.full(COUNT, track),
        "right": np.full(COUNT, right),
        "score": np.full(COUNT, 0.9),
        "box": np.tile([0.0, 0, 100 - track, 100], (COUNT, 1)),
        "keypoints_2d": np.zeros((COUNT, 21, 2)),
        "pred_keypoints_3d": keypoints if right else mirror(keypoints),
        "pred_cam_t_full": truth.transl,
        "global_orient": seen.global_orient,
        "hand_pose": seen.hand_pose,
        "betas": seen.betas,
        "focal_length": np.full((COUNT, 2), 900.0),
    }


def joined(*parts):
    order = np.argsort(np.concatenate([part["frame"] for part in parts]), kind="stable")
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}


def write(path, rows, track_right, header=HEADER, **arrays):
    save_npz(path, header, {**rows, "track_right": np.array(track_right), **arrays})
    return path


@pytest.fixture
def pair(tmp_path):
    rows = joined(hamer_rows("right", 0), hamer_rows("left", 1))
    return write(tmp_path / "pair.npz", rows, [True, False], times=TIMES)


@pytest.mark.parametrize("side", ["left", "right"])
def test_hamers_rows_are_the_hand_that_was_planted(pair, side, tmp_path):
    motion, truth = load(pair, side=side), planted.parameters(side, COUNT)
    np.testing.assert_allclose(motion.keypoints, planted.keypoints(side, COUNT), atol=1e-12)
    for name in ("betas", "global_orient", "hand_pose", "transl"):
        np.testing.assert_allclose(getattr(motion.mano, name), getattr(truth, name), atol=1e-12)
    source = motion.source
    assert (source.frame, source.metric, source.tips) == ("camera", False, TIPS)
    assert (source.camera.focal, source.camera.center) == ((900, 900), (320, 240))
    assert (source.tracker, source.start) == ("HaMeR", 0.5)
    motion.save(tmp_path / "again.npz")
    np.testing.assert_array_equal(load(tmp_path / "again.npz").keypoints, motion.keypoints)
    assert load(tmp_path / "again.npz").source.format == "extraction"


@pytest.mark.parametrize("moving", [False, True])
def test_in_the_world_the_hand_is_where_the_camera_puts_it(tmp_path, moving):
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = planted.random_rotation(3), [0.1, 2.0, -0.3]
    poses = np.tile(pose, (COUNT, 1, 1)) if moving else pose
    header = {**HEADER, "metric": True, "camera": {"focal": [600, 610], "center": [300, 250]}}
    rows = hamer_rows("left", 0)
    path = write(tmp_path / "w.npz", rows, [False], header, times=TIMES, T_world_camera=poses)
    motion = load(path)
    seen = planted.keypoints("left", COUNT)
    np.testing.assert_allclose(motion.keypoints, seen @ pose[:3, :3].T + pose[:3, 3], atol=1e-12)
    truth = planted.parameters("left", COUNT)
    np.testing.assert_allclose(
        motion.mano.global_orient, pose[:3, :3] @ truth.global_orient, atol=1e-12
    )
    rest = seen[:, 0] - truth.transl
    np.testing.assert_allclose(motion.mano.transl + rest, motion.keypoints[:, 0], atol=1e-12)
    assert (motion.source.frame, motion.source.metric) == ("world", True)
    assert (motion.source.camera.focal, motion.source.camera.center) == ((600, 610), (300, 250))


def test_a_passer_by_is_read_only_where_nobody_else_is(tmp_path):
    person, other = hamer_rows("right", 0), hamer_rows("right", 1, seed=5)
    person = {name: column[2:] for name, column in person.items()}
    other = {name: column[:6] for name, column in other.items()}
    motion = load(write(tmp_path / "two.npz", joined(other, person), [True, True], times=TIMES))
    truth = planted.keypoints("right", COUNT)
    truth[:2] = planted.keypoints("right", COUNT, seed=5)[:2]
    np.testing.assert_allclose(motion.keypoints, truth, atol=1e-12)


def test_frames_taken_for_the_other_side_and_doubles_are_not_read(tmp_path):
    rows = hamer_rows("right", 0)
    rows["right"][3], rows["track"][5] = False, -1
    motion = load(write(tmp_path / "odd.npz", rows, [True], times=TIMES))
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [3, 5])


def test_pictures_have_the_times_of_their_numbers(tmp_path):
    names = [f"frame_{k}.png" for k in (*range(COUNT - 1), COUNT + 3)]
    path = write(tmp_path / "p.npz", hamer_rows("right", 0), [True], {**HEADER, "files": names})
    motion = load(path, fps=10)
    assert motion.source.times_assumed
    np.testing.assert_allclose(motion.times, 0.1 * np.array([*range(COUNT - 1), COUNT + 3]))


def test_nothing_seen_is_said(tmp_path):
    rows = {name: column[:0] for name, column in hamer_rows("right", 0).items()}
    path = write(tmp_path / "none.npz", rows, np.zeros(0, bool), times=TIMES)
    with pytest.raises(InputError, match="holds no hand"):
        load(path)


DAMAGE = {
    "row beyond the frames": (InputError, lambda rows: rows["frame"].__setitem__(0, COUNT)),
    "no such track": (InputError, lambda rows: rows["track"].__setitem__(0, 9)),
    "short column": (InputError, lambda rows: rows.update(betas=rows["betas"][1:])),
    "column absent": (FormatError, lambda rows: rows.pop("hand_pose")),
    "words": (InputError, lambda rows: rows.update(box=np.full((COUNT, 4), "x"))),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_rows_are_refused(tmp_path, case):
    error, damage = DAMAGE[case]
    rows = hamer_rows("right", 0)
    damage(rows)
    with pytest.raises(error, match="d.npz"):
        load(write(tmp_path / "d.npz", rows, [True], times=TIMES))


HEADERS = {
    "not JSON": b"{",
    "a list": b"[]",
    "another kind": json.dumps({**HEADER, "kind": "solution"}).encode(),
    "newer": json.dumps({**HEADER, "schema": 2}).encode(),
    "nothing told": json.dumps({**HEADER, "told": None}).encode(),
    "no files": json.dumps({**HEADER, "files": []}).encode(),
}


@pytest.mark.parametrize("case", HEADERS)
def test_damaged_headers_are_refused(tmp_path, case):
    text = np.frombuffer(HEADERS[case], dtype=np.uint8)
    arrays = {**hamer_rows("right", 0), "track_right": np.array([True]), "times": TIMES}
    np.savez(tmp_path / "h.npz", header=text, **arrays)
    with pytest.raises(FormatError, match="h.npz"):
        load(tmp_path / "h.npz")


def test_our_own_motions_are_not_taken_for_extractions(tmp_path):
    planted.motion().save(tmp_path / "motion.npz")
    assert isinstance(load(tmp_path / "motion.npz"), HandTrajectory)
