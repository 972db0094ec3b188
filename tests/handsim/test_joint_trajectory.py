"""JointTrajectory: validation, resampling, round trip."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim import JointTrajectory
from handsim.errors import FormatError, InputError, MissingFileError, OutputError


def trajectory(count=11):
    times = np.linspace(0.0, 1.0, count)
    turn = Rotation.from_rotvec(np.outer(times, [0.0, 0.4, 0.3])).as_quat(scalar_first=True)
    return JointTrajectory(
        hand="toy",
        side="right",
        joint_names=("a", "b"),
        times=times,
        qpos=np.stack([times, 2 - times], axis=1),
        wrist=np.concatenate([np.outer(times, [1.0, 2.0, 3.0]), turn], axis=1),
        valid=np.ones(count, dtype=bool),
    )


def test_a_round_trip_is_exact(tmp_path):
    before = trajectory()
    before.save(tmp_path / "t.npz")
    after = JointTrajectory.load(tmp_path / "t.npz")
    for name in ("times", "qpos", "wrist", "valid"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert (after.hand, after.side, after.joint_names) == ("toy", "right", ("a", "b"))


def test_resampling_keeps_uniform_motion():
    fast = trajectory().resample(100.0)
    assert len(fast) == 101
    assert fast.rate == pytest.approx(100.0)
    np.testing.assert_allclose(fast.qpos[:, 0], fast.times, atol=1e-12)
    np.testing.assert_allclose(fast.wrist[:, :3], np.outer(fast.times, [1, 2, 3]), atol=1e-12)
    turned = Rotation.from_quat(fast.wrist[:, 3:], scalar_first=True).as_rotvec()
    np.testing.assert_allclose(turned, np.outer(fast.times, [0, 0.4, 0.3]), atol=1e-9)


def test_resampling_between_an_invalid_and_a_valid_frame_is_invalid():
    gappy = replace(trajectory(3), valid=np.array([True, False, True]))
    assert gappy.resample(4.0).valid.tolist() == [True, False, False, False, True]


def test_beyond_its_span_the_motion_is_held():
    late = trajectory().at(np.array([-1.0, 5.0]))
    np.testing.assert_array_equal(late.qpos, [[0.0, 2.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": "both"}, "Unknown side 'both'"),
        ({"qpos": np.zeros((11, 3))}, r"qpos: shape \(11, 3\), expected \(11, 2\)"),
        ({"valid": np.ones(4, dtype=bool)}, r"valid: shape \(4,\), expected \(11,\)"),
        ({"qpos": np.full((11, 2), np.nan)}, r"qpos\[0, 0\] is nan"),
        ({"times": np.zeros(11)}, r"strictly increasing: times\[1\] = 0 follows 0"),
        ({"wrist": np.ones((11, 7))}, r"wrist\[0\] has a quaternion of length 2"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_means_nothing_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(trajectory(), **change)


def test_resampling_at_no_rate_is_refused():
    with pytest.raises(InputError, match="rate: 0.0, expected a positive"):
        trajectory().resample(0.0)


def test_files_that_are_not_one_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match="No such file"):
        JointTrajectory.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(FormatError, match="not an archive"):
        JointTrajectory.load(tmp_path / "text.npz")


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        trajectory().save(tmp_path / "file" / "t.npz")
