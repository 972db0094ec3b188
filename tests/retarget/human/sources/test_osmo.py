"""OSMO trials: the planted person comes back, lined up with the glove and the pictures."""

import pickle
import tracemalloc

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError
from retarget.human.magnetometers import SENSORS
from retarget.human.sources import FORMATS, load
from retarget.human.sources.arrays import read_pickle
from retarget.human.sources.osmo import ROBOT_JOINTS
from tests.retarget.human import glove, osmo_trial
from tests.retarget.human.osmo_trial import DEPTH, FRAMES, LEFT_OUT, PICTURES, SKIPPED

SECONDS = (glove.stamps(PICTURES) - glove.stamps(PICTURES)[SKIPPED]) * 1e-9


@pytest.fixture
def trial(tmp_path):
    """With all but the copy of the magnetometers in processed.pkl, slow to read when checked."""
    return osmo_trial.write(tmp_path / "00", glove=...)


def test_the_planted_person_comes_back(trial):
    motion = load(trial)
    np.testing.assert_array_equal(motion.keypoints, osmo_trial.keypoints())
    assert motion.valid.all()
    assert (motion.side, motion.source.format, motion.source.frame) == ("right", "osmo", "camera")
    assert motion.source.metric
    raw = motion.streams["uncorrected_keypoints"]
    np.testing.assert_allclose(motion.keypoints - raw.values, np.tile([0, 0, DEPTH], (12, 21, 1)))
    assert motion.streams["wrist"].values.shape == (FRAMES, 4, 4)
    assert motion.streams["pred_keypoints_2d"].values.shape == (FRAMES, 21, 2)


def test_frames_pictures_and_glove_line_up(trial):
    """Frame i is picture 38 + i; what the glove felt then stands in the row of that picture."""
    motion = load(trial)
    np.testing.assert_array_equal(motion.streams["picture"].values, SKIPPED + np.arange(FRAMES))
    np.testing.assert_allclose(motion.times, SECONDS[SKIPPED : SKIPPED + FRAMES], atol=1e-12)
    tactile = motion.streams["tactile"]
    np.testing.assert_array_equal(tactile.values, glove.counts(PICTURES))
    np.testing.assert_allclose(tactile.times, SECONDS, atol=1e-12)
    assert ", ".join(SENSORS) in tactile.meaning
    assert motion.source.start == pytest.approx(glove.stamps(PICTURES)[SKIPPED] * 1e-9)
    assert not motion.source.times_assumed


@pytest.mark.parametrize("mags", glove.LAYOUTS)
def test_any_layout_of_the_glove(tmp_path, mags):
    motion = load(osmo_trial.write(tmp_path / "00", mags=mags, glove=...))
    timed = "(N, 2)" in mags
    np.testing.assert_array_equal(motion.streams["tactile"].values, glove.counts(PICTURES))
    assert motion.source.times_assumed != timed
    if not timed:
        np.testing.assert_allclose(motion.times, np.arange(FRAMES) / 25.0)
        np.testing.assert_allclose(
            motion.streams["tactile"].times, (np.arange(PICTURES) - SKIPPED) / 25.0
        )
    assert ("glove_imu" in motion.streams) == (mags in ("(N, 65)", "(N, 40, 14)"))


def test_frames_without_a_hand_are_not_valid(tmp_path):
    motion = load(osmo_trial.write(tmp_path / "00", unseen=(0, 5)))
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [0, 5])
    assert np.isnan(motion.keypoints[5]).all()
    assert np.isnan(motion.streams["wrist"].values[5]).all()
    np.testing.assert_array_equal(motion.keypoints[6], osmo_trial.keypoints()[6])
    assert len(motion.streams["tactile"]) == PICTURES


def test_zeros_are_no_hand_either(tmp_path):
    points = osmo_trial.keypoints().astype(np.float32)
    points[3] = 0.0
    motion = load(osmo_trial.write(tmp_path / "00", pred_keypoints_3d=points))
    np.testing.assert_array_equal(np.flatnonzero(~motion.valid), [3])
    assert np.isnan(motion.keypoints[3]).all()


def test_depth_that_nobody_corrected_is_not_metric(tmp_path):
    seen = list(osmo_trial.keypoints())
    assert not load(osmo_trial.write(tmp_path / "00", uncorrected_keypoints=seen)).source.metric


@pytest.mark.parametrize("extra", [{}, {"glove": ...}, {"glove": None}])
def test_a_trial_without_aligned_magnetometers(tmp_path, extra):
    motion = load(osmo_trial.write(tmp_path / "00", mags=None, **extra))
    assert ("tactile" in motion.streams) == (not extra)
    assert motion.source.times_assumed
    np.testing.assert_allclose(load(tmp_path / "00", fps=50).times, np.arange(FRAMES) / 50)


def test_times_of_pictures_and_of_a_glove_of_its_own_pace(tmp_path):
    trial = osmo_trial.write(tmp_path / "00", mags=None)
    rows = glove.paired(glove.counts(200))
    (trial / "synced_mags.pkl").write_bytes(pickle.dumps(rows))
    assert load(trial).streams["tactile"].values.shape == (PICTURES, 10, 3)
    taken = glove.START + 33_333_333 * np.arange(PICTURES)
    np.save(trial / "frame_times.npy", taken)
    motion = load(trial)
    np.testing.assert_allclose(motion.times, np.arange(FRAMES) * 0.033333333)
    tactile = motion.streams["tactile"]
    np.testing.assert_array_equal(tactile.values, glove.counts(200))
    np.testing.assert_allclose(tactile.times, (glove.stamps(200) - taken[SKIPPED]) * 1e-9)
    assert not motion.source.times_assumed


def test_times_that_do_not_go_together_are_refused(tmp_path):
    trial = osmo_trial.write(tmp_path / "00", mags=None, glove=None)
    rows = pickle.dumps(glove.paired(glove.counts(200)))
    (trial / "synced_mags.pkl").write_bytes(rows)
    with pytest.raises(InputError, match=r"expected synced_mags_aligned\.pkl or frame_times\.npy"):
        load(trial)


def test_pictures_aligned_with_the_same_message_share_its_time(trial):
    stamps = glove.START + 40_000_000 * np.arange(PICTURES)
    stamps[40:42] = stamps[39]
    stamps[-2:] = stamps[-3]
    np.save(trial / "frame_times.npy", stamps)
    motion = load(trial)
    np.testing.assert_allclose(motion.times, np.arange(FRAMES) * 0.04, atol=1e-9)
    stamps[41] = stamps[37]
    np.save(trial / "frame_times.npy", stamps)
    with pytest.raises(InputError, match="times must not decrease, but that of picture 41 does"):
        load(trial)


def test_the_robots_base_is_the_world(trial):
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", [0.3, -0.8, 2.0]).as_matrix()
    pose[:3, 3] = [0.5, -0.2, 0.9]
    in_camera = load(trial)
    for place in (trial.parent, trial):
        np.save(place / "T_world_camera.npy", pose)
        motion = load(trial)
        assert motion.source.frame == "world"
        expected = osmo_trial.keypoints() @ pose[:3, :3].T + pose[:3, 3]
        np.testing.assert_allclose(motion.keypoints, expected)
        wrist = motion.streams["wrist"].values
        np.testing.assert_allclose(wrist[:, :3, 3], motion.keypoints[:, 0])
        np.testing.assert_allclose(motion.palm_keypoints, in_camera.palm_keypoints, atol=1e-9)
        (place / "T_world_camera.npy").unlink()
    for wrong in (2 * pose, np.diag([1.0, 1.0, -1.0, 1.0]), np.full((4, 4), np.nan), pose.T):
        np.save(trial / "T_world_camera.npy", wrong)
        with pytest.raises(InputError, match="no rigid motion"):
            load(trial)


def test_the_camera(trial):
    assert load(trial).source.camera is None
    np.save(trial / "camera_intrinsics.npy", [[910.0, 0, 645.0], [0, 911.0, 362.0], [0, 0, 1]])
    camera = load(trial).source.camera
    assert (camera.focal, camera.center, camera.size) == ((910, 911), (645, 362), (1280, 720))
    np.save(trial / "camera_intrinsics.npy", np.zeros((3, 3)))
    with pytest.raises(InputError, match="expected positive focal lengths"):
        load(trial)


def test_the_robots_side(trial):
    commands = np.random.default_rng(0).normal(size=(FRAMES, 13))
    (trial / "robot_cmds.pkl").write_bytes(pickle.dumps(list(commands)))
    (trial / "violated_safety.pkl").write_bytes(pickle.dumps([2, 7]))
    motion = load(trial)
    np.testing.assert_array_equal(motion.streams["robot_cmds"].values, commands)
    assert motion.streams["robot_cmds"].meaning == f"{', '.join(ROBOT_JOINTS)} [rad]"
    assert ROBOT_JOINTS[11:] == ("thumb_cmc", "thumb_mcp")
    np.testing.assert_array_equal(np.flatnonzero(motion.streams["violated_safety"].values), [2, 7])
    (trial / "violated_safety.pkl").write_bytes(pickle.dumps([FRAMES]))
    with pytest.raises(InputError, match="expected frames of 12"):
        load(trial)
    np.save(trial / "robot_cmds.npy", commands[:-1])
    with pytest.raises(InputError, match="robot_cmds: 11 rows, expected 12"):
        load(trial)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wrist": [np.eye(4)] * 11}, "wrist has 11 frames, expected 12"),
        ({"wrist": [np.eye(3)] * 12}, r"wrist\[0\]: shape \(3, 3\), expected \(4, 4\)"),
        ({"pred_keypoints_3d": [np.zeros((20, 3))]}, r"pred_keypoints_3d\[0\]: shape \(20, 3\)"),
        ({"pred_keypoints_3d": []}, "pred_keypoints_3d: no rows"),
        ({"pred_keypoints_3d": [None] * 12}, "none of the 12 frames shows a hand"),
        ({"glove": glove.counts(50), "mags": None}, "expected a row for each of N pictures"),
        ({"mags": "(N, 30)", "glove": ..., "frames": 11}, None),
    ],
)
def test_what_does_not_fit(tmp_path, changes, message):
    trial = osmo_trial.write(tmp_path / "00", **changes)
    if message is None:
        assert len(load(trial)) == 11
        return
    with pytest.raises(InputError, match=message):
        load(trial)


def test_another_number_of_frames_is_refused(trial):
    content = osmo_trial.processed(FRAMES - 2, glove=...)
    with (trial / "processed.pkl").open("wb") as stream:
        osmo_trial.write_with_pictures(stream, content, None)
    with pytest.raises(
        InputError, match="10 frames, and rows {'magnetometers': 100, 'times': 100}"
    ):
        load(trial)


def test_all_pictures_may_be_frames(tmp_path):
    trial = osmo_trial.write(tmp_path / "00", pictures=False, mags=None, glove=None)
    (trial / "mags_public.pkl").write_bytes(pickle.dumps(glove.paired(glove.counts(FRAMES))))
    motion = load(trial)
    np.testing.assert_array_equal(motion.streams["picture"].values, np.arange(FRAMES))
    np.testing.assert_array_equal(motion.streams["tactile"].values, glove.counts(FRAMES))


def test_the_file_is_the_trial(trial):
    for place in (trial, trial / "processed.pkl"):
        assert next(name for name in FORMATS if FORMATS[name].recognises(place)) == "osmo"
        assert load(place, side="right").streams.keys() == load(trial).streams.keys()
    with pytest.raises(InputError, match="holds a right hand, as all of OSMO"):
        load(trial, side="left")


def test_a_trial_that_was_not_processed(trial):
    (trial / "processed.pkl").unlink()
    with pytest.raises(FormatError, match=r"00 holds no processed\.pkl, expected"):
        load(trial)


@pytest.mark.usefixtures("unchecked")
def test_the_pictures_of_a_long_trial_are_never_loaded(tmp_path):
    trial = osmo_trial.write(tmp_path / "00", frames=900, glove=...)
    assert (trial / "processed.pkl").stat().st_size > 2.7e9
    tracemalloc.start()
    try:
        motion = load(trial)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(motion) == 900
    assert peak < 50e6
    pictures = read_pickle(trial / "processed.pkl")["rs_color"]
    assert pictures.shape == (900 + LEFT_OUT, 720, 1280, 3)
    assert not pictures[-1].any()


def test_a_motion_and_its_glove_come_back_from_a_file(trial, tmp_path):
    motion = load(trial)
    motion.save(tmp_path / "motion.npz")
    again = load(tmp_path / "motion.npz")
    assert again.source == motion.source
    for name, stream in motion.streams.items():
        np.testing.assert_array_equal(again.streams[name].values, stream.values)
        np.testing.assert_array_equal(again.streams[name].times, stream.times)


def test_code_in_a_trial_is_refused(trial):
    (trial / "synced_mags_aligned.pkl").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(FormatError, match=r"names posix\.system"):
        load(trial)
